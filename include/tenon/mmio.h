/*
 * tenon/mmio.h: virtio over MMIO, version 2 (VIRTIO 1.4 section 4.2): a window of registers for a
 * VMM or an emulator to map.
 *
 *   guest's access ──> your exit handler ──> tenon_mmio_read / tenon_mmio_write
 *   interrupt line <── your interrupt controller or irqfd <── opts.irq
 *
 * A guest's accesses may come on any thread, on several at once; a vCPU thread never waits for I/O
 * in them, with one exception: the write of 0 to Status waits at most 500 ms for operations in the
 * kernel's hands. docs/embedding.md goes the whole way from here to a disk that is served.
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
     * thread: a worker's, a vCPU's in its register write, or that of a host-side call. Returns
     * soon, and calls nothing of this window or its device but tenon_mmio_read of InterruptStatus.
     */
    void (*irq)(void *opaque, int level);
    void *opaque;
    uint32_t vendor_id; /* default 0x4e4e4554 ("TENN") */
};

/* Connects the device to a register window. -EINVAL, -EBUSY (it has a transport), -ENOMEM. Any
 * thread. */
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
 * to the device, and is there until that is freed. Ask before the queue runs first. -EINVAL,
 * -EMFILE, -EBUSY (it runs). Any thread.
 */
TENON_API int tenon_mmio_notify_fd(struct tenon_mmio *mmio, unsigned queue);

/*
 * Resets the device, waits until it is quiet (without a limit: use tenon_device_reset first to
 * bound it), and frees the window; the device and the memory stay. No access is under way, and none
 * comes any more. Accepts NULL. Not on a worker of the device.
 */
TENON_API void tenon_mmio_free(struct tenon_mmio *mmio);

#ifdef __cplusplus
}
#endif

#endif
