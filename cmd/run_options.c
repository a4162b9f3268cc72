/*
 * run_options.c: the options of `tenon run`, and whether they fit each other.
 */
#include "run_options.h"

#include <string.h>

#include <tenon/opts.h>

#include "args.h"
#include "report.h"

enum option {
    OPTION_KERNEL = 1,
    OPTION_INITRD,
    OPTION_CMDLINE,
    OPTION_MEMORY,
    OPTION_HUGE_PAGES,
    OPTION_CPUS,
    OPTION_DISK,
    OPTION_NET,
    OPTION_LIMIT_GROUP,
    OPTION_WORKERS,
    OPTION_WORKER_CPUS,
    OPTION_BOOT,
    OPTION_INTERRUPTS,
    OPTION_DEVICES,
    OPTION_STATS,
    OPTION_CONTROL,
    OPTION_METRICS,
    OPTION_NO_KVM_PROBE,
    OPTION_LOG,
    OPTION_HELP
};

static const struct args_option table[] = {
    { "kernel", "FILE", OPTION_KERNEL },
    { "initrd", "FILE", OPTION_INITRD },
    { "cmdline", "TEXT", OPTION_CMDLINE },
    { "memory", "SIZE", OPTION_MEMORY },
    { "huge-pages", "SIZE", OPTION_HUGE_PAGES },
    { "cpus", "N", OPTION_CPUS },
    { "disk", "KEY=VALUE,...", OPTION_DISK },
    { "net", "KIND,KEY=VALUE,...", OPTION_NET },
    { "limit-group", "name=NAME,KEY=VALUE,...", OPTION_LIMIT_GROUP },
    { "workers", "N", OPTION_WORKERS },
    { "worker-cpus", "LIST", OPTION_WORKER_CPUS },
    { "boot", "auto|pvh|linux", OPTION_BOOT },
    { "interrupts", "auto|edge|level", OPTION_INTERRUPTS },
    { "devices", "acpi|cmdline", OPTION_DEVICES },
    { "stats", "FILE", OPTION_STATS },
    { "control", "PATH", OPTION_CONTROL },
    { "metrics", "PATH|ADDRESS:PORT", OPTION_METRICS },
    { "no-kvm-probe", NULL, OPTION_NO_KVM_PROBE },
    { "log", "LEVEL", OPTION_LOG },
    { "help", NULL, OPTION_HELP },
    { NULL, NULL, 0 },
};

static const uint64_t mib = 1 << 20;
static const char default_command_line[] = "console=ttyS0";
enum { DEFAULT_MEMORY_MIB = 512, LEAST_MEMORY_MIB = 4 };

/* ---- values ---- */

/* The number of `word` in the list; -1: reported. */
static int take_word(const char *option, const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    const char *nearest = tenon_nearest(word, words);
    report_error("--%s %s is not possible; %s%s%s--help lists the words", option, word,
                 nearest ? "did you mean " : "", nearest ? nearest : "", nearest ? "? " : "");
    return -1;
}

static bool take_boot(struct run_options *options, const char *word)
{
    static const char *const words[] = { "auto", "pvh", "linux", NULL };
    int found = take_word("boot", word, words);

    options->boot = (enum vmm_boot)found;
    return found >= 0;
}

static bool take_interrupts(struct run_options *options, const char *word)
{
    static const char *const words[] = { "auto", "edge", "level", NULL };
    int found = take_word("interrupts", word, words);

    options->trigger = (enum vmm_trigger)found;
    return found >= 0;
}

static bool take_devices(struct run_options *options, const char *word)
{
    static const char *const words[] = { "acpi", "cmdline", NULL };
    int found = take_word("devices", word, words);

    options->windows_in_command_line = found == 1;
    return found >= 0;
}

static bool take_memory(struct run_options *options, const char *text)
{
    uint64_t bytes;

    if (tenon_parse_size(text, &bytes) != 0 || bytes >> 46 != 0) {
        report_error("--memory %s is not a size; 512M and 4G are", text);
        return false;
    }
    if (bytes < LEAST_MEMORY_MIB * mib || bytes % mib != 0) {
        report_error("--memory %s is %llu bytes; use at least %dM, and whole mebibytes (512M, 4G)",
                     text, (unsigned long long)bytes, LEAST_MEMORY_MIB);
        return false;
    }
    options->memory_bytes = bytes;
    return true;
}

static bool take_huge_pages(struct run_options *options, const char *text)
{
    uint64_t bytes;

    if (tenon_parse_size(text, &bytes) != 0 || (bytes != 2 * mib && bytes != 1024 * mib)) {
        report_error("--huge-pages %s is not a size of pages; 2M and 1G are", text);
        return false;
    }
    options->huge_page_bytes = bytes;
    return true;
}

static bool take_cpus(struct run_options *options, const char *text)
{
    unsigned long count;

    if (!args_number(text, 10, 1, VMM_CPUS_MAX, &count)) {
        report_error("--cpus %s is not a number from 1 to %d", text, VMM_CPUS_MAX);
        return false;
    }
    options->cpus = (unsigned)count;
    return true;
}

static bool take_option(struct run_options *options, int id, const char *value)
{
    switch (id) {
    case ARGS_OPERAND:
        return device_list_add_file(&options->list, value, true);
    case OPTION_DISK:
        return device_list_add(&options->list, DEVICE_DISK, value);
    case OPTION_NET:
        return device_list_add(&options->list, DEVICE_NET, value);
    case OPTION_LIMIT_GROUP:
        return device_list_add_group(&options->list, value);
    case OPTION_WORKERS:
        return worker_pool_take_count(&options->pool, value);
    case OPTION_WORKER_CPUS:
        return worker_pool_take_cpus(&options->pool, value);
    case OPTION_KERNEL:
        return args_once("kernel", value, &options->kernel);
    case OPTION_INITRD:
        return args_once("initrd", value, &options->initrd);
    case OPTION_CMDLINE:
        return args_once("cmdline", value, &options->command_line);
    case OPTION_STATS:
        return args_once("stats", value, &options->stats);
    case OPTION_CONTROL:
        return args_once("control", value, &options->admin.control);
    case OPTION_METRICS:
        return args_once("metrics", value, &options->admin.metrics);
    case OPTION_MEMORY:
        return take_memory(options, value);
    case OPTION_HUGE_PAGES:
        return take_huge_pages(options, value);
    case OPTION_CPUS:
        return take_cpus(options, value);
    case OPTION_BOOT:
        return take_boot(options, value);
    case OPTION_INTERRUPTS:
        return take_interrupts(options, value);
    case OPTION_DEVICES:
        return take_devices(options, value);
    case OPTION_NO_KVM_PROBE:
        options->no_kvm_probe = true;
        return true;
    case OPTION_LOG:
        return report_take_level(value);
    default:
        options->help = true;
        return true;
    }
}

/* ---- all of them together ---- */

static bool check_devices(struct run_options *options)
{
    if (options->list.count > VMM_DEVICES_MAX) {
        bool nets = device_list_count(&options->list, DEVICE_NET) > 0;
        report_error("%u disks%s are more than a machine has windows for; use at most %d",
                     options->list.count, nets ? " and network devices" : "", VMM_DEVICES_MAX);
        return false;
    }
    for (unsigned i = 0; i < options->list.count; i++) {
        struct device_options *device = &options->list.devices[i];
        bool disk = device->kind == DEVICE_DISK;
        if (device->socket) {
            report_error("%s '%s': socket= has no place here: the guest reaches its device "
                         "directly; remove it, or serve it to another program with `tenon %s`",
                         device_word(device->kind), device->name, disk ? "blk" : "net");
            return false;
        }
        device->queues = device->queues ? device->queues : options->cpus;
    }
    return true;
}

static bool check_options(struct run_options *options)
{
    if (!options->kernel) {
        report_error("no kernel was named; try `tenon run --kernel vmlinuz --initrd initrd.img "
                     "disk.img`, or --help");
        return false;
    }
    if (options->huge_page_bytes && options->memory_bytes % options->huge_page_bytes != 0) {
        report_error(
            "--memory is no whole number of pages of --huge-pages; use a multiple of %lluM",
            (unsigned long long)(options->huge_page_bytes / mib));
        return false;
    }
    return device_list_read(&options->list, false) && check_devices(options) &&
           device_list_check_errors(&options->list, options->admin.control) &&
           worker_pool_check(&options->pool, &options->list);
}

bool run_options_read(struct run_options *options, int argc, char **argv)
{
    struct args args;
    int id;

    *options = (struct run_options){ .list = { .net_option = "--net" },
                                     .memory_bytes = DEFAULT_MEMORY_MIB * mib,
                                     .cpus = 1 };
    args_begin(&args, argc, argv, table, NULL);
    while ((id = args_next(&args)) != ARGS_END) {
        if (id == ARGS_WRONG || !take_option(options, id, args.value)) {
            return false;
        }
    }
    if (!options->command_line) {
        options->command_line = default_command_line;
    }
    return options->help || check_options(options);
}

void run_options_free(struct run_options *options)
{
    device_list_free(&options->list);
    worker_pool_options_free(&options->pool);
}
