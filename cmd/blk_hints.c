/*
 * blk_hints.c: options for QEMU and Cloud Hypervisor. Both need guest memory that can be shared by
 * a file descriptor, which is what people forget first.
 */
#include "blk_hints.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole path, since the other program may be started elsewhere. */
static void put_path(const char *path, bool double_commas)
{
    char whole[PATH_MAX];
    const char *text = realpath(path, whole) ? whole : path;
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else if (*text == ',' && double_commas) {
            fputs(",,", stdout);
        } else {
            putchar(*text);
        }
    }
}

/* One -chardev and -device for each disk; quotes for the shell only where a path is. */
static void put_qemu_disks(const struct serve_options *options, const char *device)
{
    for (unsigned i = 0; i < options->list.count; i++) {
        const struct device_options *disk = &options->list.devices[i];
        if (disk->is_operand && disk->socket) {
            printf(" \\\n    -chardev 'socket,id=disk%u,path=", i);
            put_path(disk->socket, true);
            printf("' -device %s,chardev=disk%u", device, i);
        }
    }
    puts("");
}

static unsigned count_operands(const struct serve_options *options)
{
    unsigned count = 0;
    for (unsigned i = 0; i < options->list.count; i++) {
        count += options->list.devices[i].is_operand && options->list.devices[i].socket;
    }
    return count;
}

void blk_hints_print(const struct serve_options *options)
{
    if (count_operands(options) == 0) {
        return;
    }
    fputs("Add one of these to the command of your virtual machine; Ctrl-C here stops the disk.\n\n"
          "QEMU, microvm:\n"
          "    -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on \\\n"
          "    -M microvm,acpi=on,memory-backend=mem -global virtio-mmio.force-legacy=false",
          stdout);
    put_qemu_disks(options, "vhost-user-blk,queue-size=1024"); /* as its guests make them */
    fputs(
        "\nQEMU, q35:\n"
        "    -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -M q35,memory-backend=mem",
        stdout);
    put_qemu_disks(options, "vhost-user-blk-pci");
    fputs("\nCloud Hypervisor:\n    --memory size=1G,shared=on --disk", stdout);
    for (unsigned i = 0; i < options->list.count; i++) {
        if (options->list.devices[i].is_operand && options->list.devices[i].socket) {
            fputs(" 'vhost_user=true,socket=", stdout);
            put_path(options->list.devices[i].socket, false);
            fputs("'", stdout);
        }
    }
    puts("");
    fflush(stdout);
}
