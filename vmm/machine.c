/*
 * machine.c: how a machine is put together, and how it ends.
 *
 *   KVM machine ──> memory ──> interrupts, timers ──> console ──> processors ──> windows ──> kernel
 *
 * It is taken apart in the opposite order. Whatever ends the guest (power off, reset, panic, a
 * failure of KVM) comes to machine_end on the thread where it happened; the first one counts, and
 * whoever owns the machine hears of it and calls vmm_stop on a thread of its own.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arch.h"
#include "error.h"
#include "kvm.h"
#include "machine.h"

enum { PAGE_BYTES = 4096, COMMAND_LINE_MAX = 64 * 1024 };

/* ---- descriptors that raise interrupts ---- */

int machine_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd >= 0 ? fd : vmm_fail(-errno, "no descriptor for an interrupt: %s", strerror(errno));
}

int machine_irqfd(struct vmm *vmm, int fd, unsigned line, int resample_fd)
{
    struct kvm_irqfd irq = { .fd = (uint32_t)fd, .gsi = line };

    if (resample_fd >= 0) {
        irq.flags = KVM_IRQFD_FLAG_RESAMPLE;
        irq.resamplefd = (uint32_t)resample_fd;
    }
    long error = vmm_ioctl(vmm->fd, KVM_IRQFD, &irq);
    return error < 0 ? vmm_fail((int)error, "KVM refuses a descriptor for interrupt line %u: %s",
                                line, strerror((int)-error))
                     : 0;
}

/* ---- the console ---- */

static void serial_raise(void *opaque)
{
    const struct vmm *vmm = opaque;

    eventfd_write(vmm->serial_irq_fd, 1);
}

static size_t serial_out(void *opaque, const uint8_t *bytes, size_t count)
{
    const struct vmm *vmm = opaque;

    return vmm->options.console_write(vmm->options.opaque, bytes, count);
}

static void serial_hungry(void *opaque)
{
    const struct vmm *vmm = opaque;

    vmm->options.console_hungry(vmm->options.opaque);
}

static void connect_console(struct vmm *vmm)
{
    serial_init(&vmm->serial);
    vmm->serial.raise = serial_raise;
    vmm->serial.write = serial_out;
    vmm->serial.hungry = serial_hungry;
    vmm->serial.opaque = vmm;
}

size_t vmm_console_input(struct vmm *vmm, const uint8_t *bytes, size_t count)
{
    return serial_input(&vmm->serial, bytes, count);
}

void vmm_console_ready(struct vmm *vmm)
{
    serial_ready(&vmm->serial);
}

/* ---- the command line ---- */

/* Adds the words by which a kernel without ACPI finds the windows. */
static int write_command_line(struct vmm *vmm)
{
    size_t bytes;
    FILE *out = open_memstream(&vmm->command_line, &bytes);

    if (!out) {
        return vmm_fail(-ENOMEM, "out of memory");
    }
    fputs(vmm->options.command_line, out);
    for (unsigned i = 0; vmm->options.windows_in_command_line && i < vmm->window_count; i++) {
        fprintf(out, " virtio_mmio.device=4K@0x%llx:%u", (unsigned long long)vmm->windows[i].base,
                vmm->windows[i].line);
    }
    return fclose(out) == 0 ? 0 : vmm_fail(-ENOMEM, "out of memory");
}

/* ---- putting it together ---- */

static int check_options(const struct vmm_options *options)
{
    uint64_t page = options->huge_page_bytes ? options->huge_page_bytes : PAGE_BYTES;

    if (options->cpus < 1 || options->cpus > VMM_CPUS_MAX) {
        return vmm_fail(-EINVAL, "a guest has 1 to %d processors, not %u", VMM_CPUS_MAX,
                        options->cpus);
    }
    if (options->device_count > VMM_DEVICES_MAX) {
        return vmm_fail(-EINVAL, "a guest has at most %d devices, not %u", VMM_DEVICES_MAX,
                        options->device_count);
    }
    if (options->memory_bytes == 0 || options->memory_bytes % page != 0) {
        return vmm_fail(-EINVAL, "%llu bytes of memory are no whole number of pages of %llu bytes",
                        (unsigned long long)options->memory_bytes, (unsigned long long)page);
    }
    if (strlen(options->command_line) > COMMAND_LINE_MAX) {
        return vmm_fail(-EINVAL, "the kernel's command line is longer than %d bytes",
                        COMMAND_LINE_MAX);
    }
    return 0;
}

static int create_console_line(struct vmm *vmm)
{
    vmm->serial_irq_fd = machine_eventfd();
    return vmm->serial_irq_fd < 0
               ? vmm->serial_irq_fd
               : machine_irqfd(vmm, vmm->serial_irq_fd, arch_map.serial_line, -1);
}

static int prepare_cpus(struct vmm *vmm)
{
    int error = 0;

    for (unsigned i = 0; error == 0 && i < vmm->cpu_count; i++) {
        error = arch_prepare_cpu(&vmm->cpus[i]);
    }
    return error;
}

static int put_together(struct vmm *vmm)
{
    static int (*const steps[])(struct vmm *) = {
        memory_create,  arch_create_machine, create_console_line, cpus_create,
        windows_create, write_command_line,  arch_load,           prepare_cpus,
    };
    long fd = vmm_ioctl(vmm->options.kvm_fd, KVM_CREATE_VM, 0);
    int error = 0;

    if (fd < 0) {
        return vmm_fail((int)fd, "KVM makes no machine: %s", strerror((int)-fd));
    }
    vmm->fd = (int)fd;
    for (size_t i = 0; error == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
        error = steps[i](vmm);
    }
    return error;
}

int vmm_new(const struct vmm_options *options, struct vmm **out)
{
    int error = check_options(options);
    struct vmm *vmm = error == 0 ? calloc(1, sizeof(*vmm)) : NULL;

    if (!vmm) {
        return error < 0 ? error : vmm_fail(-ENOMEM, "out of memory");
    }
    vmm->options = *options;
    vmm->fd = -1;
    vmm->serial_irq_fd = -1;
    connect_console(vmm);
    error = put_together(vmm);
    if (error < 0) {
        vmm_free(vmm);
        return error;
    }
    *out = vmm;
    return 0;
}

int vmm_start(struct vmm *vmm)
{
    return cpus_start(vmm);
}

void vmm_stop(struct vmm *vmm)
{
    cpus_stop(vmm);
}

void vmm_free(struct vmm *vmm)
{
    if (!vmm) {
        return;
    }
    cpus_stop(vmm);
    windows_destroy(vmm);
    cpus_destroy(vmm);
    if (vmm->serial_irq_fd >= 0) {
        close(vmm->serial_irq_fd);
    }
    if (vmm->fd >= 0) {
        close(vmm->fd);
    }
    memory_destroy(vmm);
    serial_fini(&vmm->serial);
    free(vmm->command_line);
    free(vmm);
}

/* ---- the end ---- */

void machine_end(struct vmm *vmm, enum vmm_end end)
{
    int before = VMM_RUNS;

    atomic_store(&vmm->stopping, true);
    if (atomic_compare_exchange_strong(&vmm->end, &before, (int)end)) {
        vmm->options.ended(vmm->options.opaque, end);
    }
}

void machine_fail(struct vmm *vmm, const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    va_list values;

    pthread_mutex_lock(&lock); /* two processors may fail at the same time */
    if (!vmm->failure[0]) {
        va_start(values, format);
        vsnprintf(vmm->failure, sizeof(vmm->failure), format, values);
        va_end(values);
    }
    pthread_mutex_unlock(&lock);
    machine_end(vmm, VMM_FAILED);
}

enum vmm_end vmm_how_ended(const struct vmm *vmm)
{
    return (enum vmm_end)atomic_load(&vmm->end);
}

const char *vmm_failure(const struct vmm *vmm)
{
    return vmm->failure;
}

/* ---- statistics ---- */

void vmm_stats(const struct vmm *vmm, vmm_stats_fn *fn, void *opaque)
{
    static const char *const names[COUNT_END] = {
        [COUNT_EXITS] = "exits",
        [COUNT_EXITS_IO] = "exits_io",
        [COUNT_EXITS_MMIO] = "exits_mmio",
        [COUNT_EXITS_OTHER] = "exits_other",
        [COUNT_KICKS_BY_EXIT] = "kicks_by_exit",
        [COUNT_MMIO_READS] = "mmio_reads",
        [COUNT_MMIO_WRITES] = "mmio_writes",
    };

    for (unsigned c = 0; c < COUNT_END; c++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < vmm->cpu_count; i++) {
            sum += atomic_load_explicit(&vmm->cpus[i].counts[c], memory_order_relaxed);
        }
        fn(opaque, names[c], sum);
    }
}
