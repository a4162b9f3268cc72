/*
 * cmd_run.c: `tenon run`: a Linux guest on KVM. Here is what it says about itself; the options are
 * read in run_options.c, run_service.c does the work, and the machine is in vmm/.
 */
#include <stdio.h>

#include "cmd.h"
#include "run_options.h"
#include "run_service.h"

static const char help[] =
    "Usage: tenon run --kernel FILE [OPTION]... [IMAGE]...\n"
    "Boots a Linux guest on KVM. IMAGE is short for --disk file=IMAGE.\n"
    "  --kernel FILE         a bzImage (vmlinuz) or an ELF kernel (vmlinux)\n"
    "  --initrd FILE  --cmdline TEXT   initramfs; command line (\"console=ttyS0\")\n"
    "  --memory SIZE  --cpus N    how large the machine is (512M, 1)\n"
    "  --disk KEY=VALUE,...  a disk: /dev/vda, then vdb, ... Keys and defaults:\n"
    "      file=PATH | memory=SIZE | fd=N   name=TEXT  serial=NAME  event-idx=on\n"
    "      read-only=off direct=off discard=on lock=on offset=0 size=ALL poll-us=auto\n"
    "      block-size=512  threads=4  engine=auto|inline|threads|io_uring|mapped\n"
    "      queues=CPUS  queue-size=1024  cache=writeback|writethrough|unsafe\n"
    "      workers=1  cpus=LIST, such as 2-5:8   queue-workers=LIST of --workers\n"
    "      on-error=report|stop|enospc  iops= bps= limit-group=NAME of --limit-group\n"
    "  --net KIND,KEY=VALUE,...   a network device: tap=NAME, stream=PATH, pair=NAME,\n"
    "      dgram=PATH,peer=PATH; keys are those of `tenon net --link` without socket=\n"
    "  --workers N  --worker-cpus LIST   threads for all devices, not one for each\n"
    "  --huge-pages 2M|1G    of the memory   --boot auto|pvh|linux: for an ELF kernel\n"
    "  --interrupts auto|edge|level  --devices acpi|cmdline: how they are found\n"
    "  --stats FILE          write counters at the end; - is standard error\n"
    "  --control PATH        a socket to ask and command this process by: tenon stat\n"
    "  --metrics WHERE       serve counters to Prometheus at a path or 127.0.0.1:PORT\n"
    "  --no-kvm-probe  go on with a KVM that cannot run Linux  --log LEVEL  (info)\n"
    "Sizes take K, M, G, T. On the console Ctrl-A x ends the machine, Ctrl-A h helps.\n"
    "Ends with 0 when the guest powered off, 5 when it reboots or crashed,\n"
    "6 when it panicked, 4 when KVM is of no use. Details: man tenon-run\n";

int cmd_run(int argc, char **argv)
{
    struct run_options options;
    int result = EXIT_USAGE;

    if (run_options_read(&options, argc, argv)) {
        if (options.help) {
            result = fputs(help, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_CANNOT;
        } else {
            result = run_service_run(&options);
        }
    }
    run_options_free(&options);
    return result;
}
