/*
 * read_once.c: the recorder behind -Dread_once=true (see shared.h). Per thread, the ranges of guest
 * memory that were read since the last tn_read_once_begin(); a read that overlaps one of them is a
 * double fetch, counted for the test to see.
 */
#include "base/shared.h"

#include <stdatomic.h>

#include "base/num.h"

enum { RANGES = 8192 };

struct range {
    uintptr_t start;
    size_t bytes;
};

static _Thread_local struct range ranges[RANGES];
static _Thread_local unsigned used;
static atomic_ulong violations;

void tn_read_once_begin(void)
{
    used = 0;
}

void tn_read_once_note(const volatile void *from, size_t bytes)
{
    uintptr_t start = (uintptr_t)from;

    for (unsigned i = 0; i < used; i++) {
        if (tn_range_overlaps(start, bytes, ranges[i].start, ranges[i].bytes)) {
            atomic_fetch_add(&violations, 1);
            return;
        }
    }
    if (used < RANGES && bytes != 0) {
        ranges[used].start = start;
        ranges[used].bytes = bytes;
        used++;
    }
}

unsigned long tn_read_once_violations(void)
{
    return atomic_load(&violations);
}
