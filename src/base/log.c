/*
 * log.c: hands one finished line to the embedder's target. The target is the library's one global,
 * set before anything else runs; it is read with acquire so that a later change is seen whole.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

struct target {
    tenon_log_fn *fn;
    void *opaque;
};

static struct target slots[2];
static _Atomic(struct target *) current;

void tenon_set_log(tenon_log_fn *fn, void *opaque)
{
    struct target *next = atomic_load(&current) == &slots[0] ? &slots[1] : &slots[0];

    next->fn = fn;
    next->opaque = opaque;
    atomic_store_explicit(&current, fn ? next : NULL, memory_order_release);
}

void tn_log(enum tenon_log_level level, const char *format, ...)
{
    const struct target *target = atomic_load_explicit(&current, memory_order_acquire);
    char line[512];
    va_list args;

    if (!target) {
        return;
    }
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    target->fn(target->opaque, level, line);
}
