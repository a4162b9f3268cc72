/*
 * window.c: one virtio device of the machine: its window of registers, its kicks, its interrupt.
 *
 *   registers   guest's access ──exit──> vCPU thread ──> tenon_mmio_read, tenon_mmio_write
 *   kick        guest's write to QueueNotify ──ioeventfd──> the queue's worker   (no exit to us)
 *   interrupt   the queue's worker ──raise_line──> irqfd ──> the guest's interrupt controller
 *
 * An edge-triggered line goes up and down with each event. A level-triggered one stays up until the
 * guest ends its interrupt; KVM then takes it down and tells us (the resample descriptor), and we
 * look whether the device still has something to say: an event that came while the line was up is
 * not lost. That also makes it right for windows to share a line.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <tenon/bus.h>

#include "arch.h"
#include "error.h"
#include "kvm.h"
#include "machine.h"

enum { QUEUE_NOTIFY = 0x50, INTERRUPT_STATUS = 0x60, NOTIFY_BYTES = 4 };

/* ---- the interrupt ---- */

/* On any thread: a write to an eventfd that nobody else fills neither waits nor fails. */
static void raise_line(void *opaque, int level)
{
    const struct vmm_window *window = opaque;

    if (level) {
        eventfd_write(window->irq_fd, 1);
    }
}

/* The guest has ended an interrupt on a level-triggered line. On the machine's worker. */
static void line_ended(void *opaque, int fd, unsigned events)
{
    struct vmm_window *window = opaque;
    uint8_t status[4];
    eventfd_t ended;

    (void)events;
    if (eventfd_read(fd, &ended) == 0) {
        tenon_mmio_read(window->mmio, INTERRUPT_STATUS, status, sizeof(status));
        raise_line(window, status[0] != 0);
    }
}

static bool is_level(const struct vmm *vmm)
{
    switch (vmm->options.trigger) {
    case VMM_TRIGGER_EDGE:
        return false;
    case VMM_TRIGGER_LEVEL:
        return true;
    case VMM_TRIGGER_AUTO:
        break;
    }
    return vmm->options.device_count > arch_map.line_count;
}

static int connect_line(struct vmm_window *window)
{
    struct vmm *vmm = window->vmm;

    window->irq_fd = machine_eventfd();
    if (window->irq_fd < 0) {
        return window->irq_fd;
    }
    if (window->level) {
        window->resample_fd = machine_eventfd();
        if (window->resample_fd < 0) {
            return window->resample_fd;
        }
        int error = tenon_watch_add(vmm->options.worker, window->resample_fd, TENON_READABLE,
                                    line_ended, window, &window->resample_watch);
        if (error < 0) {
            return vmm_fail(error, "%s", tenon_error());
        }
    }
    return machine_irqfd(vmm, window->irq_fd, window->line, window->resample_fd);
}

/* ---- kicks ---- */

static int connect_kick(struct vmm_window *window, unsigned queue)
{
    int fd = tenon_mmio_notify_fd(window->mmio, queue);

    if (fd < 0) {
        return vmm_fail(fd, "%s", tenon_error());
    }
    /* Only the value that names this queue: any other write still comes to windows_access. */
    struct kvm_ioeventfd kick = { .addr = window->base + QUEUE_NOTIFY,
                                  .len = NOTIFY_BYTES,
                                  .datamatch = queue,
                                  .fd = fd,
                                  .flags = KVM_IOEVENTFD_FLAG_DATAMATCH };
    long error = vmm_ioctl(window->vmm->fd, KVM_IOEVENTFD, &kick);
    if (error == -ENOSPC) {
        return vmm_fail(-ENOSPC, "KVM takes no more kick descriptors (about 1000 for a machine); "
                                 "give the disks fewer queues, with queues=N");
    }
    if (error < 0) {
        return vmm_fail((int)error, "KVM refuses the kick descriptor of queue %u of %s: %s", queue,
                        tenon_device_name(window->device), strerror((int)-error));
    }
    return 0;
}

/* ---- the window ---- */

static int create_window(struct vmm_window *window)
{
    struct tenon_mmio_opts opts = { .size = sizeof(opts),
                                    .device = window->device,
                                    .mem = window->vmm->mem,
                                    .irq = raise_line,
                                    .opaque = window };
    int error = tenon_mmio_new(&opts, &window->mmio);

    if (error < 0) {
        return vmm_fail(error, "%s", tenon_error());
    }
    error = connect_line(window);
    for (unsigned q = 0; error == 0 && q < tenon_bus_queue_count(window->device); q++) {
        error = connect_kick(window, q);
    }
    return error;
}

int windows_create(struct vmm *vmm)
{
    const struct vmm_options *options = &vmm->options;

    vmm->windows = calloc(options->device_count ? options->device_count : 1, sizeof(*vmm->windows));
    if (!vmm->windows) {
        return vmm_fail(-ENOMEM, "out of memory");
    }
    for (unsigned i = 0; i < options->device_count; i++) {
        struct vmm_window *window = &vmm->windows[i];
        *window = (struct vmm_window){ .vmm = vmm,
                                       .device = options->devices[i],
                                       .base = arch_map.window_base + (uint64_t)i * WINDOW_BYTES,
                                       .line = arch_map.first_line + i % arch_map.line_count,
                                       .level = is_level(vmm),
                                       .irq_fd = -1,
                                       .resample_fd = -1 };
        vmm->window_count++;
        int error = create_window(window);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

void windows_destroy(struct vmm *vmm)
{
    for (unsigned i = 0; i < vmm->window_count; i++) {
        struct vmm_window *window = &vmm->windows[i];
        /* First the window, which may still raise the line; then what the line is made of. */
        tenon_mmio_free(window->mmio);
        tenon_watch_remove(window->resample_watch);
        if (window->irq_fd >= 0) {
            close(window->irq_fd);
        }
        if (window->resample_fd >= 0) {
            close(window->resample_fd);
        }
    }
    free(vmm->windows);
}

void windows_access(struct vmm_cpu *cpu, uint64_t address, uint8_t *data, unsigned bytes,
                    bool is_write)
{
    struct vmm *vmm = cpu->vmm;
    uint64_t index = (address - arch_map.window_base) / WINDOW_BYTES;
    uint64_t offset = (address - arch_map.window_base) % WINDOW_BYTES;

    if (address < arch_map.window_base || index >= vmm->window_count) {
        memset(data, 0xff, is_write ? 0 : bytes); /* nothing is there: as on an open bus */
        return;
    }
    struct tenon_mmio *mmio = vmm->windows[index].mmio;
    if (is_write) {
        cpu_count_one(cpu, COUNT_MMIO_WRITES);
        if (offset == QUEUE_NOTIFY) {
            cpu_count_one(cpu, COUNT_KICKS_BY_EXIT);
        }
        tenon_mmio_write(mmio, offset, data, bytes);
    } else {
        cpu_count_one(cpu, COUNT_MMIO_READS);
        tenon_mmio_read(mmio, offset, data, bytes);
    }
}
