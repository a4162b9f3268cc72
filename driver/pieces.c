/*
 * pieces.c: see pieces.h. The memory of a part is one block that is cut, or a block for each piece.
 */
#include "pieces.h"

#include <errno.h>

unsigned tnd_pieces_count(uint32_t total, const struct tnd_cuts *cuts)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < cuts->count; i++) {
        sum += cuts->cuts[i];
    }
    return cuts->count + (sum < total ? 1 : 0);
}

int tnd_pieces_place(struct tnd_ram *ram, uint32_t total, const struct tnd_cuts *cuts, bool write,
                     struct tnd_seg *segs, uint64_t *base)
{
    unsigned count = tnd_pieces_count(total, cuts);
    uint32_t done = 0;

    *base = cuts->scatter ? (uint64_t)TND_NO_GPA : tnd_ram_alloc(ram, total);
    if (!cuts->scatter && *base == (uint64_t)TND_NO_GPA) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        uint32_t n = i < cuts->count ? cuts->cuts[i] : total - done;
        if (n > total - done) {
            n = total - done;
        }
        uint64_t gpa = cuts->scatter ? tnd_ram_alloc(ram, n) : *base + done;
        if (gpa == (uint64_t)TND_NO_GPA) {
            return -ENOMEM;
        }
        segs[i] = (struct tnd_seg){ .gpa = gpa, .bytes = n, .write = write };
        done += n;
    }
    return (int)count;
}

void tnd_pieces_move(struct tnd_ram *ram, const struct tnd_seg *segs, unsigned count,
                     uint64_t offset, void *mine, uint64_t bytes, bool to_guest)
{
    uint64_t at = 0;
    uint64_t done = 0;
    for (unsigned i = 0; i < count && done < bytes; i++) {
        uint64_t end = at + segs[i].bytes;
        if (end > offset + done) {
            uint64_t skip = offset + done - at;
            uint64_t n = end - (offset + done);
            n = n < bytes - done ? n : bytes - done;
            if (to_guest) {
                tnd_ram_put(ram, segs[i].gpa + skip, (uint8_t *)mine + done, n);
            } else {
                tnd_ram_get(ram, segs[i].gpa + skip, (uint8_t *)mine + done, n);
            }
            done += n;
        }
        at = end;
    }
}

void tnd_pieces_release(struct tnd_ram *ram, const struct tnd_seg *segs, unsigned count,
                        uint64_t base, uint32_t total)
{
    if (base != (uint64_t)TND_NO_GPA) {
        tnd_ram_release(ram, base, total);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        tnd_ram_release(ram, segs[i].gpa, segs[i].bytes);
    }
}
