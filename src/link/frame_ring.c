/*
 * frame_ring.c: the ring between two ports that stand back to back.
 *
 * Why it is right: all that one side must know of the other is ONE atomic word of 64 bits: head,
 * claim, tail and three flags. Each change of it is a compare-and-exchange that saw the whole word,
 * so there is no moment between "the receiver looks" and "the sender takes back", nor between "I
 * sleep" and "I push", and no barrier to forget: of two that meet, one comes first, and the other
 * has seen it.
 *
 *   tail <= claim <= head   always. [tail, claim) are the receiver's, who alone moves tail and
 *                           claim; [claim, head) are the sender's, who alone moves head, and not
 *                           before claim: what it takes back was never looked at
 *   DOWN    set: no push succeeds any more, so what is swept then is all there is
 *   ASLEEP  set by a receiver that saw nothing to read; who pushes clears it and must wake it
 *   RECALL  set by a sender that found claim in its way. While it is set the receiver claims
 *           nothing new; when it lets go it tells the sender, who takes back and clears it. So a
 *           receiver that looks again and again, and never reads, cannot keep a frame
 *
 * Frames and slots are plain memory: written before the word is released, read after it was
 * acquired. Indexes run through all 16 bits. One such exchange for a batch, none for a frame.
 */
#include "link/frame_ring.h"

#include <errno.h>
#include <stddef.h>

enum { DOWN = 1, ASLEEP = 2, RECALL = 4 };

_Static_assert(sizeof(struct tn_frame_ring_ends) == sizeof(uint64_t), "one word, and no gap");

static struct tn_frame_ring_ends look(const struct tn_frame_ring *ring)
{
    return atomic_load_explicit(&ring->ends, memory_order_acquire);
}

/* False: `seen` was out of date, and is not any more. */
static bool change(struct tn_frame_ring *ring, struct tn_frame_ring_ends *seen,
                   struct tn_frame_ring_ends to)
{
    return atomic_compare_exchange_weak_explicit(&ring->ends, seen, to, memory_order_acq_rel,
                                                 memory_order_acquire);
}

static unsigned distance(uint16_t from, uint16_t to)
{
    return (uint16_t)(to - from);
}

static struct tenon_frame **slot(struct tn_frame_ring *ring, uint16_t at)
{
    return &ring->slots[at % TN_FRAME_RING_SLOTS];
}

void tn_frame_ring_init(struct tn_frame_ring *ring)
{
    const struct tn_frame_ring_ends none = { .flags = DOWN };

    atomic_init(&ring->ends, none);
    ring->head = ring->done = 0;
    ring->recalling = false;
}

/* ---- the sender ---- */

int tn_frame_ring_push(struct tn_frame_ring *ring, struct tenon_frame *const *frames,
                       unsigned count, bool *wake)
{
    struct tn_frame_ring_ends seen = look(ring), to;
    unsigned room = TN_FRAME_RING_SLOTS - distance(ring->done, ring->head);

    if (ring->recalling) {
        room = 0; /* what comes back has to be the last */
    }
    count = count < room ? count : room;
    for (unsigned i = 0; i < count; i++) {
        *slot(ring, (uint16_t)(ring->head + i)) = frames[i];
    }
    do {
        if ((seen.flags & DOWN) != 0) {
            return -ENETDOWN;
        }
        if (count == 0) {
            return 0;
        }
        to = seen;
        to.head = (uint16_t)(seen.head + count);
        to.flags = seen.flags & (uint16_t)~ASLEEP;
    } while (!change(ring, &seen, to));
    ring->head = to.head;
    *wake = (seen.flags & ASLEEP) != 0;
    return (int)count;
}

bool tn_frame_ring_room(const struct tn_frame_ring *ring)
{
    return distance(ring->done, ring->head) < TN_FRAME_RING_SLOTS && !ring->recalling;
}

bool tn_frame_ring_is_clear(const struct tn_frame_ring *ring)
{
    struct tn_frame_ring_ends seen = look(ring);

    return seen.head == seen.tail && (seen.flags & DOWN) == 0 && !ring->recalling;
}

/* [from, to) as a list. */
static struct tenon_frame *chain(struct tn_frame_ring *ring, uint16_t from, uint16_t to)
{
    struct tenon_frame *first = NULL, **end = &first;

    for (; from != to; from++) {
        *end = *slot(ring, from);
        end = &(*end)->next;
    }
    *end = NULL;
    return first;
}

struct tenon_frame *tn_frame_ring_reap(struct tn_frame_ring *ring)
{
    uint16_t from = ring->done, tail = look(ring).tail;

    ring->done = tail;
    return chain(ring, from, tail);
}

unsigned tn_frame_ring_pull(struct tn_frame_ring *ring, unsigned count, bool *wake)
{
    struct tn_frame_ring_ends seen = look(ring), to;
    unsigned all = distance(ring->done, ring->head), got;

    count = count < all ? count : all;
    do {
        unsigned waiting = distance(seen.claim, seen.head);
        to = seen;
        got = count < waiting ? count : waiting;
        to.head = (uint16_t)(seen.head - got);
        if (got < count && seen.claim != seen.tail) {
            to.flags |= RECALL;
        }
    } while (!change(ring, &seen, to));
    *wake = (to.flags & RECALL) != 0;
    if (*wake && (!ring->recalling || count > distance(ring->recall_from, ring->head))) {
        ring->recall_from = (uint16_t)(ring->head - count);
        ring->recalling = true;
    }
    ring->head = to.head;
    return got;
}

struct tenon_frame *tn_frame_ring_recalled(struct tn_frame_ring *ring, bool *wake)
{
    struct tn_frame_ring_ends seen = look(ring), to;
    struct tenon_frame *frames;

    *wake = false;
    do {
        unsigned wanted = distance(ring->recall_from, seen.head);
        unsigned waiting = distance(seen.tail, seen.head);
        if (!ring->recalling || seen.claim != seen.tail || seen.tail != ring->done) {
            return NULL; /* what was read comes before it; then the receiver tells once more */
        }
        to = seen;
        to.head = (uint16_t)(seen.head - (wanted < waiting ? wanted : waiting));
        to.flags = seen.flags & (uint16_t) ~(RECALL | ASLEEP);
    } while (!change(ring, &seen, to));
    frames = chain(ring, to.head, seen.head);
    for (struct tenon_frame *frame = frames; frame; frame = frame->next) {
        frame->result = -ECANCELED;
    }
    *wake = to.head != to.tail && (seen.flags & ASLEEP) != 0;
    ring->head = to.head;
    ring->recalling = false;
    return frames;
}

/* ---- the receiver ---- */

unsigned tn_frame_ring_show(struct tn_frame_ring *ring, struct tenon_frame **frames, unsigned count)
{
    struct tn_frame_ring_ends seen = look(ring), to;
    unsigned shown;

    do {
        unsigned here = distance(seen.tail, seen.head), claimed = distance(seen.tail, seen.claim);
        if ((seen.flags & RECALL) != 0) {
            here = claimed;
        }
        shown = count < here ? count : here;
        if (shown <= claimed) {
            break;
        }
        to = seen;
        to.claim = (uint16_t)(seen.tail + shown);
    } while (!change(ring, &seen, to));
    for (unsigned i = 0; i < shown; i++) {
        frames[i] = *slot(ring, (uint16_t)(seen.tail + i));
    }
    return shown;
}

bool tn_frame_ring_done(struct tn_frame_ring *ring, unsigned count)
{
    struct tn_frame_ring_ends seen = look(ring), to;

    do {
        to = seen;
        to.tail = to.claim = (uint16_t)(seen.tail + count);
    } while (!change(ring, &seen, to));
    return count != 0 || (seen.flags & RECALL) != 0;
}

bool tn_frame_ring_yield(struct tn_frame_ring *ring)
{
    return (look(ring).flags & RECALL) != 0 && tn_frame_ring_done(ring, 0);
}

bool tn_frame_ring_sleep(struct tn_frame_ring *ring)
{
    struct tn_frame_ring_ends seen = look(ring), to;

    do {
        bool nothing =
            (seen.flags & RECALL) != 0 ? seen.claim == seen.tail : seen.head == seen.tail;
        if (!nothing) {
            return false;
        }
        if ((seen.flags & ASLEEP) != 0) {
            return true;
        }
        to = seen;
        to.flags |= ASLEEP;
    } while (!change(ring, &seen, to));
    return true;
}

void tn_frame_ring_up(struct tn_frame_ring *ring)
{
    struct tn_frame_ring_ends seen = look(ring), to;

    do {
        to = seen;
        to.flags = seen.flags & (uint16_t) ~(DOWN | ASLEEP);
    } while (!change(ring, &seen, to));
}

bool tn_frame_ring_down(struct tn_frame_ring *ring, int result)
{
    struct tn_frame_ring_ends seen = look(ring), to;

    do {
        to = seen;
        to.flags = (seen.flags | DOWN) & (uint16_t)~ASLEEP;
        to.claim = seen.head;
    } while (!change(ring, &seen, to));
    for (uint16_t at = to.tail; at != to.claim; at++) {
        (*slot(ring, at))->result = result;
    }
    return tn_frame_ring_done(ring, distance(to.tail, to.claim));
}
