/*
 * machine_rig.h: a machine on KVM with two disks in memory and a guest of a few bytes of code; for
 * tests that skip where there is no /dev/kvm. A paravirtual one is good enough for these.
 */
#ifndef MACHINE_RIG_H
#define MACHINE_RIG_H

#include "kernel_files.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <time.h>

#include <tenon/blk.h>

enum { RIG_DISKS = 2, RIG_PATIENCE = 30 };

struct machine {
    struct vmm_options options;
    struct file kernel;
    char path[32];
    int kernel_fd;
    struct tenon_worker *worker;
    struct tenon_disk *disks[RIG_DISKS];
    struct tenon_device *devices[RIG_DISKS];
    sem_t over;
    unsigned ended;
    enum vmm_end how;
};

static inline void machine_ended(void *opaque, enum vmm_end end)
{
    struct machine *machine = opaque;

    machine->ended++;
    machine->how = end;
    sem_post(&machine->over);
}

static inline size_t machine_console(void *opaque, const uint8_t *bytes, size_t count)
{
    (void)opaque;
    (void)bytes;
    return count;
}

static inline void machine_hungry(void *opaque)
{
    (void)opaque;
}

/* Skips without /dev/kvm. `code` begins in long mode with RSI = boot_params. */
static inline void machine_open(struct machine *machine, const void *code, size_t bytes)
{
    memset(machine, 0, sizeof(*machine));
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        print_message("skipped: /dev/kvm cannot be opened: %s\n", strerror(errno));
        skip();
    }
    close(kvm);
    kvm = vmm_kvm_open(false);
    if (kvm < 0) {
        fail_msg("%s", vmm_error());
    }
    elf_make(&machine->kernel);
    memcpy(machine->kernel.bytes + 0x1000 + ELF_ENTRY - ELF_FIRST, code, bytes);
    machine->kernel_fd = file_open(&machine->kernel, machine->path);
    assert_int_equal(tenon_worker_new(NULL, &machine->worker), 0);
    for (unsigned i = 0; i < RIG_DISKS; i++) {
        struct tenon_blk_opts blk = { .size = sizeof(blk), .queues = 2 };
        assert_int_equal(tenon_disk_open("memory=1M", &machine->disks[i]), 0);
        blk.disk = machine->disks[i];
        assert_int_equal(tenon_blk_new(&blk, &machine->devices[i]), 0);
    }
    sem_init(&machine->over, 0, 0);
    machine->options = (struct vmm_options){
        .kvm_fd = kvm,
        .kernel = machine->path,
        .command_line = "console=ttyS0",
        .boot = VMM_BOOT_LINUX,
        .memory_bytes = 8 << 20,
        .cpus = 2,
        .devices = machine->devices,
        .device_count = RIG_DISKS,
        .trigger = VMM_TRIGGER_LEVEL,
        .worker = machine->worker,
        .ended = machine_ended,
        .console_write = machine_console,
        .console_hungry = machine_hungry,
        .opaque = machine,
    };
}

static inline void machine_close(struct machine *machine)
{
    for (unsigned i = 0; i < RIG_DISKS; i++) {
        tenon_device_free(machine->devices[i]);
        tenon_disk_close(machine->disks[i]);
    }
    tenon_worker_free(machine->worker);
    sem_destroy(&machine->over);
    close(machine->kernel_fd);
    close(machine->options.kvm_fd);
}

/* Waits for the guest's end. */
static inline void machine_wait(struct machine *machine)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RIG_PATIENCE;
    assert_int_equal(sem_timedwait(&machine->over, &until), 0);
}

#endif
