/*
 * tenon/mmio.h: virtio over MMIO, version 2 (VIRTIO 1.4 section 4.2): a window of registers for a
 * VMM or an emulator to map.
 *
 *   guest's access ──> your exit handler ──> tenon_mmio_read / tenon_mmio_write
 *   interrupt line <── your interrupt controller or irqfd <── opts.irq
 *
 * Every function may be called from any thread; a vCPU thread never waits for I/O here, with one
 * exception: the write of 0 to Status waits at most 500 ms for operations in the kernel's hands.
 */
#ifndef TENON_MMIO_H
#define TENON_MMIO_H

#include <tenon/device.h>
#include <tenon/mem.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenon_mmio;

/* bytes of the window; a larger one is fine, offsets beyond read as config space does */
enum { TENON_MMIO_WINDOW = 0x200 };

struct tenon_mmio_opts {
    size_t size;
    struct tenon_device *device; /* required; stays yours */
    struct tenon_mem *mem;       /* required; kept alive */
    /*
     * The interrupt line: level 1 when InterruptStatus becomes non-zero or gains a new event, 0
     * when the driver acknowledged all or reset. For an edge-triggered irqfd act on 1 only. Any
     * thread.
     */
    void (*irq)(void *opaque, int level);
    void *opaque;
    uint32_t vendor_id; /* default 0x4e4e4554 ("TENN") */
};

/* Connects the device to a register window. -EINVAL, -EBUSY (it has a transport), -ENOMEM. */
TENON_API int tenon_mmio_new(const struct tenon_mmio_opts *opts, struct tenon_mmio **out);

/*
 * The guest read or wrote `bytes` (1, 2, 4 or 8) at `offset` of the window; `data` is in guest
 * (little-endian) byte order. Control registers answer aligned 4-byte accesses only (MMIO-40); the
 * config space at 0x100 answers any width.
 */
TENON_API void tenon_mmio_read(struct tenon_mmio *mmio, uint64_t offset, void *data,
                               unsigned bytes);
TENON_API void tenon_mmio_write(struct tenon_mmio *mmio, uint64_t offset, const void *data,
                                unsigned bytes);

/*
 * The descriptor to bind as an ioeventfd: 4-byte writes of value `queue` to offset 0x50. It belongs
 * to the device. Ask before the queue runs first. -EINVAL, -EMFILE, -EBUSY (it runs).
 */
TENON_API int tenon_mmio_notify_fd(struct tenon_mmio *mmio, unsigned queue);

/*
 * Resets the device, waits until it is quiet, and frees the window; the device and the memory stay.
 * Accepts NULL.
 */
TENON_API void tenon_mmio_free(struct tenon_mmio *mmio);

#ifdef __cplusplus
}
#endif

#endif
