/*
 * memory.c: plain loops over words of eight bytes, since each instruction may be emulated. Compiled
 * with -fno-tree-loop-distribute-patterns, or the compiler makes each of them call itself.
 */
#include "memory.h"

#include <stdint.h>

typedef uint64_t word __attribute__((may_alias, aligned(1)));

enum { WORD = sizeof(word) };

void *memcpy(void *to, const void *from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    for (; bytes >= WORD; bytes -= WORD, t += WORD, f += WORD) {
        *(word *)t = *(const word *)f;
    }
    while (bytes-- > 0) {
        *t++ = *f++;
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    uint8_t *t = to;
    uint64_t pattern = 0x0101010101010101u * (uint8_t)value;

    for (; bytes >= WORD; bytes -= WORD, t += WORD) {
        *(word *)t = pattern;
    }
    while (bytes-- > 0) {
        *t++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
    const uint8_t *a = one, *b = other;

    while (bytes >= WORD && *(const word *)a == *(const word *)b) {
        bytes -= WORD;
        a += WORD;
        b += WORD;
    }
    for (; bytes > 0; bytes--, a++, b++) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}
