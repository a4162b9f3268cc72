/*
 * shared.c: the copies of shared.h, made of relaxed atomic accesses: a data race with the guest
 * then yields an old or a new value, never undefined behaviour. Words where both sides are aligned,
 * bytes elsewhere. The large copies of a memory disk come through here too, so the middle is done
 * eight bytes at a time.
 */
#include "base/shared.h"

#include <string.h>

enum { WORD = sizeof(uint64_t) };

void tn_shared_copy_from(void *to, const void *from, size_t bytes)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    tn_read_once_note(from, bytes);
    for (; bytes != 0 && ((uintptr_t)in % WORD) != 0; bytes--) {
        *out++ = __atomic_load_n(in++, __ATOMIC_RELAXED);
    }
    for (; bytes >= WORD; bytes -= WORD, in += WORD, out += WORD) {
        uint64_t word = __atomic_load_n((const uint64_t *)(const void *)in, __ATOMIC_RELAXED);
        memcpy(out, &word, WORD);
    }
    for (; bytes != 0; bytes--) {
        *out++ = __atomic_load_n(in++, __ATOMIC_RELAXED);
    }
}

void tn_shared_copy_to(void *to, const void *from, size_t bytes)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    for (; bytes != 0 && ((uintptr_t)out % WORD) != 0; bytes--) {
        __atomic_store_n(out++, *in++, __ATOMIC_RELAXED);
    }
    for (; bytes >= WORD; bytes -= WORD, in += WORD, out += WORD) {
        uint64_t word;
        memcpy(&word, in, WORD);
        __atomic_store_n((uint64_t *)(void *)out, word, __ATOMIC_RELAXED);
    }
    for (; bytes != 0; bytes--) {
        __atomic_store_n(out++, *in++, __ATOMIC_RELAXED);
    }
}

void tn_shared_zero(void *to, size_t bytes)
{
    uint8_t *out = to;

    for (; bytes != 0 && ((uintptr_t)out % WORD) != 0; bytes--) {
        __atomic_store_n(out++, 0, __ATOMIC_RELAXED);
    }
    for (; bytes >= WORD; bytes -= WORD, out += WORD) {
        __atomic_store_n((uint64_t *)(void *)out, 0, __ATOMIC_RELAXED);
    }
    for (; bytes != 0; bytes--) {
        __atomic_store_n(out++, 0, __ATOMIC_RELAXED);
    }
}

/*
 * Word by word would be no safer, since nothing is decided by these bytes, but a third slower. A
 * guest can have its buffers overlap.
 */
void tn_shared_move(void *to, const void *from, size_t bytes)
{
    memmove(to, from, bytes);
}
