/*
 * guest.h: a small guest with one device behind virtio-mmio, on one thread: for fuzz_mmio, fuzz_blk
 * and fuzz_net.
 *
 *   target ──guest_set, guest_put──> registers, guest memory ──> device ──> a disk of the target's
 *            guest_crank: turns the device's worker until it has nothing to do
 *
 * Guest memory is one range of addresses in two allocations of exact size, so that buffers can
 * cross from one into the other, and the address sanitizer sees what goes beyond.
 */
#ifndef TN_FUZZ_GUEST_H
#define TN_FUZZ_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <tenon/blk.h>
#include <tenon/mmio.h>

enum {
    GUEST_BASE = 0x4000,
    GUEST_FIRST = 0x5010, /* bytes of the first allocation */
    GUEST_SECOND = 0x2ff0,
    GUEST_BYTES = GUEST_FIRST + GUEST_SECOND
};

struct guest {
    struct tenon_mem *mem;
    struct tenon_worker *worker;
    struct tenon_device *device;
    struct tenon_mmio *mmio;
    uint8_t *ram[2];
    int level;     /* the interrupt line */
    unsigned irqs; /* times it was raised */
    unsigned long cranked;
};

/* `opts` without its workers. */
void guest_open(struct guest *guest, struct tenon_blk_opts *opts);
/* Its two halves, for another device: guest->device is made between them, on guest->worker. */
void guest_prepare(struct guest *guest);
void guest_attach(struct guest *guest);
void guest_close(struct guest *guest);
uint32_t guest_get(struct guest *guest, uint32_t offset);
void guest_set(struct guest *guest, uint32_t offset, uint32_t value);
/* True when nothing is left to do; a driver that feeds itself may keep a device busy for ever. */
bool guest_crank(struct guest *guest);
/* Where a guest byte is, and how many follow it there. NULL: outside. */
uint8_t *guest_at(struct guest *guest, uint64_t gpa, uint64_t *follow);
void guest_put(struct guest *guest, uint64_t gpa, const void *from, uint32_t bytes);
void guest_take(struct guest *guest, uint64_t gpa, void *to, uint32_t bytes);
/* From reset to FEATURES_OK with these features of those that are offered; returns what was agreed.
 */
uint64_t guest_negotiate(struct guest *guest, uint64_t wanted);
/* Sets up one queue. */
void guest_queue(struct guest *guest, unsigned queue, uint32_t size, uint64_t desc, uint64_t avail,
                 uint64_t used);
void guest_live(struct guest *guest);
/* Sets up queue 0 and goes live. */
void guest_start(struct guest *guest, uint32_t size, uint64_t desc, uint64_t avail, uint64_t used);
uint64_t guest_sum(struct guest *guest);

#endif
