/*
 * shared.h: reading and writing memory that the guest, on another CPU, may write at the same
 * moment.
 *
 *   device                                     driver
 *   load16_acquire(avail.idx)     pair A       descriptors and ring entry written, then avail.idx
 *   store16_release(used.idx)     pair B       used.idx read, then the used elements
 *   full barrier, read used_event  pair C      used_event written, full barrier, read used.idx
 *   avail_event written, full barrier, read avail.idx   pair D   avail.idx written, full barrier,
 *   read avail_event
 *
 * Read once: every load here copies into private memory, and what was copied is never fetched
 * again. Built with
 * -Dread_once=true, each load is recorded until the next tn_read_once_begin() and a byte that is
 * read twice is reported (read_once.c); otherwise the recording compiles to nothing.
 */
#ifndef TN_BASE_SHARED_H
#define TN_BASE_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "base/le.h"

#ifdef TN_READ_ONCE
/* A new request begins on this thread: forget what was read for the one before. */
void tn_read_once_begin(void);
void tn_read_once_note(const volatile void *from, size_t bytes);
/* How often a byte was read twice, in the whole process, since the start. */
unsigned long tn_read_once_violations(void);
#else
static inline void tn_read_once_begin(void) {}
static inline void tn_read_once_note(const volatile void *from, size_t bytes)
{
    (void)from;
    (void)bytes;
}
#endif

/*
 * Index and flag words are polled, so reading them again is their nature: these loads are not
 * recorded.
 */
static inline uint16_t tn_shared_load16(const le16 *p)
{
    return TN_LE16(__atomic_load_n(&p->raw, __ATOMIC_RELAXED));
}

static inline uint16_t tn_shared_load16_acquire(const le16 *p)
{
    return TN_LE16(__atomic_load_n(&p->raw, __ATOMIC_ACQUIRE));
}

static inline void tn_shared_store16(le16 *p, uint16_t v)
{
    __atomic_store_n(&p->raw, TN_LE16(v), __ATOMIC_RELAXED);
}

static inline void tn_shared_store16_release(le16 *p, uint16_t v)
{
    __atomic_store_n(&p->raw, TN_LE16(v), __ATOMIC_RELEASE);
}

static inline void tn_shared_store32(le32 *p, uint32_t v)
{
    __atomic_store_n(&p->raw, TN_LE32(v), __ATOMIC_RELAXED);
}

static inline void tn_shared_store8(uint8_t *p, uint8_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/*
 * Nothing moves across it, not even a later load before an earlier store (which acquire and release
 * allow).
 */
static inline void tn_full_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A ring entry: part of one request, so recorded. */
static inline uint16_t tn_shared_load16_once(const le16 *p)
{
    tn_read_once_note(p, sizeof(*p));
    return tn_shared_load16(p);
}

static inline uint32_t tn_shared_load32_once(const le32 *p)
{
    tn_read_once_note(p, sizeof(*p));
    return TN_LE32(__atomic_load_n(&p->raw, __ATOMIC_RELAXED));
}

/*
 * Half a descriptor: the copy that is made so often that it deserves no call. `p` is aligned to 8.
 */
static inline uint64_t tn_shared_load64_once(const void *p)
{
    tn_read_once_note(p, sizeof(uint64_t));
    return TN_LE64(__atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED));
}

/* Copies `bytes` of shared memory to private memory, each byte loaded exactly once. */
void tn_shared_copy_from(void *to, const void *from, size_t bytes);

/* Copies private memory to shared memory, each byte stored exactly once. */
void tn_shared_copy_to(void *to, const void *from, size_t bytes);

void tn_shared_zero(void *to, size_t bytes);

/*
 * Copies data that nobody here looks at, between two places that may both be written meanwhile:
 * each byte is an old or a new one. Not recorded as read.
 */
void tn_shared_move(void *to, const void *from, size_t bytes);

#endif
