/*
 * cmd_blk.c: `tenon blk`: raw disk images over vhost-user. Here is what it says about itself; the
 * options are read in serve_options.c, and serve.c does the work.
 */
#include "cmd.h"
#include "serve.h"

static const char help[] =
    "Usage: tenon blk [OPTION]... [IMAGE]...\n"
    "Serves raw disk images to virtual machines over vhost-user. IMAGE is short for\n"
    "--disk file=IMAGE,socket=IMAGE.sock, and prints the options for QEMU.\n"
    "\n"
    "  --disk KEY=VALUE,...  one disk; may be repeated. Keys, with their defaults:\n"
    "      file=PATH | memory=SIZE | fd=N   socket=PATH   name=TEXT   serial=NAME\n"
    "      read-only=off  direct=off  discard=on  lock=on  offset=0  size=ALL\n"
    "      block-size=512  threads=4  engine=auto|inline|threads|io_uring|mapped\n"
    "      queues=64 queue-size=1024 cache=writeback|writethrough|unsafe event-idx=on\n"
    "      workers=1  cpus=LIST, such as 2-5:8   queue-workers=LIST of --workers\n"
    "      poll-us=auto  on-error=report|stop|enospc limit-group=NAME (--limit-group)\n"
    "      iops= iops-read= iops-write= bps= bps-read= bps-write=, -burst[-once]=\n"
    "  --socket-path PATH | --fd N    where the only disk's front-end connects\n"
    "  --blk-file PATH       a disk with all defaults\n"
    "  --read-only           all disks are read-only\n"
    "  --socket-mode MODE    permissions of new sockets (0660)\n"
    "  --workers N  --worker-cpus LIST   threads for all disks, not one for each\n"
    "  --exit-on-disconnect  end when the last front-end has gone\n"
    "  --ready-fd N          write a line to descriptor N when sockets are open\n"
    "  --control PATH        a socket to ask and command this process by: tenon stat\n"
    "  --metrics WHERE       serve counters to Prometheus at a path or 127.0.0.1:PORT\n"
    "  --log LEVEL           error, warning, info (default) or debug, to stderr\n"
    "  --print-capabilities  print what QEMU's management tools ask for\n"
    "Sizes take K, M, G, T. Details: man tenon-blk\n";

/* What QEMU's management tools read (vhost-user.rst, "Backend program conventions"). */
static const char capabilities[] = "{\n"
                                   "  \"type\": \"block\",\n"
                                   "  \"features\": [\"read-only\", \"blk-file\"]\n"
                                   "}\n";

int cmd_blk(int argc, char **argv)
{
    return serve_main(DEVICE_DISK, argc, argv, help, capabilities);
}
