/*
 * sigbus.c: survives that a file is truncated under a mapping of it (VU-103).
 *
 *   front-end truncates its memory file ──> we touch the page ──> SIGBUS ──> which guard?
 *        └──> a page of zeroes in its place, the guard is marked ──> queues on that memory break
 *
 * The registry is one fixed array for the process: a signal handler can neither take a lock nor
 * follow pointers that another thread frees. A signal belongs to the process, so this is a global
 * of necessity. Only tenon_sigbus runs in the handler; all others on any thread.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/num.h"
#include "mem/table.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef BUS_MCEERR_AR
#define BUS_MCEERR_AR BUS_OBJERR /* memory that the machine lost; Linux tells it apart */
#endif

/*
 * Linux allows a process 65530 mappings unless told otherwise, so the places do not run out before
 * those do. What was never used is never touched, and costs no memory.
 */
enum { GUARDS_MAX = 65536 };

/* `state` is a generation (upper bits) and one of these. */
enum { GUARD_FREE = 0, GUARD_CHANGING = 1, GUARD_LIVE = 2, GUARD_STATE_BITS = 3, GUARD_NEXT = 4 };

struct tn_guard {
    uint64_t base, bytes; /* of the mapping: whole pages */
    uint32_t state;
    bool hit;
};

static struct tn_guard guards[GUARDS_MAX];
static uint32_t guards_used; /* places from this one on were never used */
static uint32_t guards_hint; /* where a free place is likely */
static uint64_t hits;
static uint64_t page_bytes; /* sysconf may not be called in a handler */
static bool handled;        /* the process has said that its handler calls us */

static bool guard_claim(struct tn_guard *guard)
{
    uint32_t state = __atomic_load_n(&guard->state, __ATOMIC_RELAXED);

    return (state & GUARD_STATE_BITS) == GUARD_FREE &&
           __atomic_compare_exchange_n(&guard->state, &state, state | GUARD_CHANGING, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/*
 * The new generation tells a handler that read half of the old values that they do not belong
 * together.
 */
static void guard_settle(struct tn_guard *guard, uint32_t to)
{
    uint32_t state = __atomic_load_n(&guard->state, __ATOMIC_RELAXED);

    state = (state & ~(uint32_t)GUARD_STATE_BITS) + GUARD_NEXT;
    __atomic_store_n(&guard->state, state | to, __ATOMIC_RELEASE);
}

static void raise_to(uint32_t *highest, uint32_t value)
{
    uint32_t now = __atomic_load_n(highest, __ATOMIC_RELAXED);

    while (now < value && !__atomic_compare_exchange_n(highest, &now, value, true, __ATOMIC_RELEASE,
                                                       __ATOMIC_RELAXED)) {
    }
}

int tn_guard_add(void *base, size_t bytes, struct tn_guard **out)
{
    uint32_t hint = __atomic_load_n(&guards_hint, __ATOMIC_RELAXED);

    __atomic_store_n(&page_bytes, (uint64_t)sysconf(_SC_PAGESIZE), __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < GUARDS_MAX; i++) {
        uint32_t place = (hint + i) % GUARDS_MAX;
        struct tn_guard *guard = &guards[place];
        if (!guard_claim(guard)) {
            continue;
        }
        /* Release: who reads one of these values also reads that the guard is changing. */
        __atomic_store_n(&guard->base, (uintptr_t)base, __ATOMIC_RELEASE);
        __atomic_store_n(&guard->bytes, bytes, __ATOMIC_RELEASE);
        __atomic_store_n(&guard->hit, false, __ATOMIC_RELEASE);
        raise_to(&guards_used, place + 1);
        __atomic_store_n(&guards_hint, (place + 1) % GUARDS_MAX, __ATOMIC_RELAXED);
        guard_settle(guard, GUARD_LIVE);
        *out = guard;
        return 0;
    }
    return -ENOSPC;
}

void tn_guard_remove(struct tn_guard *guard)
{
    uint32_t place = (uint32_t)(guard - guards);

    guard_settle(guard, GUARD_FREE);
    /* Low places are used again first, so that a handler has few to look at. */
    if (place < __atomic_load_n(&guards_hint, __ATOMIC_RELAXED)) {
        __atomic_store_n(&guards_hint, place, __ATOMIC_RELAXED);
    }
}

bool tn_guard_hit(const struct tn_guard *guard)
{
    return __atomic_load_n(&guard->hit, __ATOMIC_ACQUIRE);
}

uint64_t tn_guard_hits(void)
{
    return __atomic_load_n(&hits, __ATOMIC_ACQUIRE);
}

void tenon_sigbus_installed(void)
{
    __atomic_store_n(&handled, true, __ATOMIC_RELAXED);
}

bool tn_sigbus_is_handled(void)
{
    return __atomic_load_n(&handled, __ATOMIC_RELAXED);
}

/*
 * Whether the guard is for a mapping that holds `address`. A guard that changes meanwhile is not:
 * nobody touches a mapping before it is registered or after it was given back. So there is nothing
 * to wait for.
 */
static bool guard_holds(const struct tn_guard *guard, uint64_t address, uint64_t *base,
                        uint64_t *bytes)
{
    uint32_t state = __atomic_load_n(&guard->state, __ATOMIC_ACQUIRE);

    if ((state & GUARD_STATE_BITS) != GUARD_LIVE) {
        return false;
    }
    *base = __atomic_load_n(&guard->base, __ATOMIC_ACQUIRE);
    *bytes = __atomic_load_n(&guard->bytes, __ATOMIC_ACQUIRE);
    return __atomic_load_n(&guard->state, __ATOMIC_RELAXED) == state && address - *base < *bytes;
}

/*
 * A page where that can be done. A mapping of huge pages can be cut only between them, and a
 * process that has all the mappings it may have can cut nothing: then ever larger pieces, in the
 * end all of it.
 */
static bool put_zeroes(uint64_t address, uint64_t base, uint64_t bytes)
{
    for (uint64_t piece = __atomic_load_n(&page_bytes, __ATOMIC_RELAXED);; piece *= 2) {
        uint64_t first = tn_max_u64(tn_round_down(address, piece), base);
        uint64_t end = tn_min_u64(tn_round_down(address, piece) + piece, base + bytes);
        void *at = (void *)(uintptr_t)first;
        if (mmap(at, end - first, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == at) {
            return true;
        }
        if (first == base && end == base + bytes) {
            return false;
        }
    }
}

/*
 * Whether the signal is a memory access that failed just now, and not a kill() or a bad alignment.
 */
static bool is_lost_page(const siginfo_t *info)
{
    return info->si_signo == SIGBUS &&
           (info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
            info->si_code == BUS_MCEERR_AR);
}

bool tenon_sigbus(const siginfo_t *info)
{
    uint64_t address = (uintptr_t)info->si_addr, base, bytes;
    uint32_t used = __atomic_load_n(&guards_used, __ATOMIC_ACQUIRE);

    if (!is_lost_page(info)) {
        return false;
    }
    for (uint32_t i = 0; i < used; i++) {
        struct tn_guard *guard = &guards[i];
        if (!guard_holds(guard, address, &base, &bytes)) {
            continue;
        }
        int error = errno;
        bool placed = put_zeroes(address, base, bytes);
        errno = error;
        /* Marked before counted: who sees the count finds the mark. */
        __atomic_store_n(&guard->hit, true, __ATOMIC_RELEASE);
        __atomic_fetch_add(&hits, 1, __ATOMIC_RELEASE);
        return placed;
    }
    return false;
}
