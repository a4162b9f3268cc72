/*
 * pieces.h: inside driver/: how a part of a chain (all that is readable, or all that is writable)
 * is cut into descriptors, and copies between such pieces and private memory. Knows no device.
 */
#ifndef TND_PIECES_H
#define TND_PIECES_H

#include "tenon_driver.h"

/*
 * Lengths of the pieces; what they leave over is one more piece. A 0 is an empty descriptor.
 * `scatter`: each piece in memory of its own.
 */
struct tnd_cuts {
    const uint32_t *cuts;
    unsigned count;
    bool scatter;
};

/* How many pieces a part of `total` bytes has. */
unsigned tnd_pieces_count(uint32_t total, const struct tnd_cuts *cuts);
/*
 * Puts the pieces of one part into guest memory. Returns how many, or -ENOMEM; `base` is the memory
 * of all of them, or none (TND_NO_GPA) if they are scattered.
 */
int tnd_pieces_place(struct tnd_ram *ram, uint32_t total, const struct tnd_cuts *cuts, bool write,
                     struct tnd_seg *segs, uint64_t *base);
/* Copies between private memory and [offset, offset + bytes) of the segments. */
void tnd_pieces_move(struct tnd_ram *ram, const struct tnd_seg *segs, unsigned count,
                     uint64_t offset, void *mine, uint64_t bytes, bool to_guest);
/* Gives back what tnd_pieces_place took. */
void tnd_pieces_release(struct tnd_ram *ram, const struct tnd_seg *segs, unsigned count,
                        uint64_t base, uint32_t total);

#endif
