/*
 * split.c: the split ring: with split_walk.c the only file that knows its layout (section 2.7).
 *
 *   pop      avail.idx (pair A) ──> head ──> its descriptor; others: split_walk.c
 *   push     used.ring[ours]          not yet seen by the driver
 *   show     used.idx (pair B)         later, for many: barrier ──> does it want to know? (pair C)
 *   kicks    avail_event or used.flags ──> barrier ──> did something come meanwhile? (pair D)
 *
 * Pairs: base/shared.h. Every descriptor is copied once and then checked; every index that decides
 * anything is ours. On the queue's worker; takes no lock, allocates nothing.
 */
#include "virtqueue/split.h"

#include "base/num.h"
#include "base/shared.h"
#include "virtqueue/chain.h"
#include "virtqueue/notify.h"

/* ---- where the rings are ---- */

void tn_split_areas(const struct tn_vq_config *config, struct tn_split_area areas[3])
{
    uint32_t size = config->size;

    areas[0] = (struct tn_split_area){ config->desc_gpa, TN_DESC_BYTES(size), TN_DESC_ALIGN, false,
                                       "descriptor table" };
    areas[1] = (struct tn_split_area){ config->driver_gpa, TN_AVAIL_BYTES(size), TN_AVAIL_ALIGN,
                                       false, "available ring" };
    areas[2] = (struct tn_split_area){ config->device_gpa, TN_USED_BYTES(size), TN_USED_ALIGN, true,
                                       "used ring" };
}

/* Guest alignment says little about ours: an embedder's region may begin anywhere. Our loads need
 * this much. */
static bool usable(const void *area, unsigned align)
{
    return area != NULL && tn_is_aligned((uintptr_t)area, align);
}

bool tn_split_bind(struct tn_vq *vq)
{
    vq->desc = tn_translate_flat(vq->view, vq->desc_gpa, TN_DESC_BYTES(vq->size), false);
    vq->avail = tn_translate_flat(vq->view, vq->driver_gpa, TN_AVAIL_BYTES(vq->size), false);
    vq->used = tn_translate_flat(vq->view, vq->device_gpa, TN_USED_BYTES(vq->size), true);
    return usable(vq->desc, sizeof(uint64_t)) && usable(vq->avail, TN_AVAIL_ALIGN) &&
           usable(vq->used, TN_USED_ALIGN);
}

uint16_t tn_split_used_in_ring(const struct tn_vq *vq)
{
    return tn_shared_load16(&vq->used->idx);
}

void tn_split_begin(struct tn_vq *vq)
{
    tn_shared_store16(&vq->used->flags, 0);
}

/* The two event words lie behind the ring that the other side writes its entries to. */
static const le16 *used_event(const struct tn_vq *vq)
{
    return &vq->avail->ring[vq->size];
}
static le16 *avail_event(const struct tn_vq *vq)
{
    return (le16 *)(void *)&vq->used->ring[vq->size];
}

/* ---- from the driver to us ---- */

/* Looks at the available index again. False: nothing new, or broken. */
static bool refresh_avail(struct tn_vq *vq)
{
    uint16_t idx = tn_shared_load16_acquire(&vq->avail->idx); /* pair A */
    uint32_t fresh = (uint16_t)(idx - vq->next_avail);
    uint32_t held = vq->in_flight + (uint32_t)(vq->again_count - vq->again_next) +
                    (uint16_t)(vq->used_idx - vq->published);

    if (fresh == 0) {
        return false;
    }
    /* What the driver has not got back it cannot offer again: more than entries is never honest. */
    if (tn_unlikely(fresh + held > vq->size)) {
        tn_vq_break_once(
            vq, "the available index moved further than the queue has room"); /* SPLIT-15 */
        return false;
    }
    /* Memory that was added before these chains were offered is there for them, whether the news of
     * it has come to this worker or not. */
    if (tn_unlikely(tn_view_refresh(vq->view)) && !tn_vq_remap(vq)) {
        return false;
    }
    vq->avail_seen = idx;
    return true;
}

/*
 * Most chains of a network card are one buffer, in the region of the last one: for these the pop is
 * a third shorter so.
 */
static inline const char *take_chain(struct tn_vq *vq, struct tn_chain *chain, struct iovec *iov,
                                     uint16_t head, uint32_t room)
{
    struct tn_segment at = tn_split_read(&vq->desc[head]);
    bool write = (at.flags & TN_DESC_F_WRITE) != 0;
    void *base = tn_translate_again(vq->view, at.gpa, at.bytes, write);

    if (tn_unlikely((at.flags & (TN_DESC_F_NEXT | TN_DESC_F_INDIRECT)) != 0 || base == NULL)) {
        tn_chain_begin(chain, iov, head);
        return tn_split_walk(vq, chain, at, room);
    }
    *iov = (struct iovec){ .iov_base = base, .iov_len = at.bytes };
    *chain = (struct tn_chain){
        .iov = iov,
        .head = head,
        .descriptors = 1,
        .readable = !write,
        .writable = write,
        .readable_bytes = write ? 0 : at.bytes,
        .writable_bytes = write ? at.bytes : 0,
    };
    return NULL;
}

/* The next head. NULL, or how the driver broke the ring. */
static const char *next_head(struct tn_vq *vq, uint16_t *head)
{
    *head = tn_shared_load16_once(&vq->avail->ring[vq->next_avail & vq->mask]);
    return tn_unlikely(*head > vq->mask)
               ? "an available entry names a descriptor outside the table" /* SPLIT-14 */
               : NULL;
}

enum tn_pop tn_split_pop(struct tn_vq *vq, struct tn_chain *chain, struct iovec *iov, uint32_t room)
{
    bool again = vq->again_next != vq->again_count;
    const char *why = NULL;
    uint64_t *word, bit;
    uint16_t head;

    if (tn_unlikely(vq->broken != NULL)) {
        return TN_POP_BROKEN;
    }
    tn_read_once_begin();
    if (tn_unlikely(again)) {
        head = vq->inflight->again[vq->again_next];
    } else {
        if (vq->next_avail == vq->avail_seen && !refresh_avail(vq)) {
            return vq->broken == NULL ? TN_POP_EMPTY : TN_POP_BROKEN;
        }
        why = next_head(vq, &head);
    }
    word = tn_vq_head_word(vq, head & vq->mask);
    bit = tn_vq_head_bit(head);
    if (why == NULL && tn_unlikely((*word & bit) != 0)) {
        why = "a chain was made available while it was still in flight";
    }
    if (why == NULL) {
        why = take_chain(vq, chain, iov, head, room);
    }
    if (tn_unlikely(why != NULL)) {
        tn_vq_break_once(vq, why);
        return TN_POP_BROKEN;
    }

    *word |= bit;
    vq->in_flight++;
    chain->again = again;
    if (tn_unlikely(again)) {
        vq->again_next++;
    } else {
        vq->next_avail++;
        if (vq->inflight != NULL) {
            tn_inflight_fetch(vq->inflight, head);
        }
    }
    return TN_POP_CHAIN;
}

/*
 * Takes the mark of a head that is in flight away. False: it is not, which only the device above
 * can have got wrong.
 */
static inline bool unmark(struct tn_vq *vq, uint16_t head)
{
    uint64_t *word = tn_vq_head_word(vq, head);

    if (tn_unlikely((*word & tn_vq_head_bit(head)) == 0)) {
        return false;
    }
    *word &= ~tn_vq_head_bit(head);
    vq->in_flight--;
    return true;
}

void tn_split_unpop(struct tn_vq *vq, uint16_t head, bool again)
{
    if (!unmark(vq, head)) {
        return;
    }
    if (again) {
        vq->again_next--; /* the record still has it in flight, and that is right */
        return;
    }
    vq->next_avail--;
    if (vq->inflight != NULL) {
        tn_inflight_drop(vq->inflight, head);
    }
}

void tn_split_forget(struct tn_vq *vq, uint16_t head)
{
    if (unmark(vq, head) && vq->inflight != NULL) {
        tn_inflight_drop(vq->inflight, head);
    }
}

/* ---- from us to the driver ---- */

bool tn_split_push(struct tn_vq *vq, uint16_t head, uint32_t written)
{
    struct tn_used_elem *elem;

    /*
     * In a broken ring nothing is written any more: nobody knows what it still holds. The record
     * keeps the chain.
     */
    if (tn_unlikely(!unmark(vq, head) || vq->broken != NULL)) {
        return false;
    }
    elem = &vq->used->ring[vq->used_idx & vq->mask];
    tn_shared_store32(&elem->id, head);
    tn_shared_store32(&elem->len, written);
    vq->used_idx++;
    if (vq->inflight != NULL) {
        tn_inflight_batch(vq->inflight, head);
    }
    return (uint16_t)(vq->used_idx - vq->published) == 1;
}

void tn_split_show(struct tn_vq *vq)
{
    if (vq->used_idx == vq->published || tn_unlikely(vq->broken != NULL)) {
        return;
    }
    tn_shared_store16_release(&vq->used->idx, vq->used_idx); /* pair B */
    vq->published = vq->used_idx;
    if (vq->inflight != NULL) {
        tn_inflight_commit(vq->inflight, vq->published);
    }
}

bool tn_split_wants_interrupt(struct tn_vq *vq)
{
    uint16_t before = vq->told;

    if (vq->published == before || tn_unlikely(vq->broken != NULL)) {
        return false;
    }
    vq->told = vq->published;
    tn_full_barrier(); /* pair C */
    if (vq->event_idx) {
        return tn_event_passed(tn_shared_load16(used_event(vq)), vq->told, before);
    }
    return (tn_shared_load16(&vq->avail->flags) & TN_AVAIL_F_NO_INTERRUPT) == 0;
}

/*
 * With EVENT_IDX nothing is written: avail_event stays behind, where the driver has passed it
 * already, and the flags have to stay 0 (SPLIT-39). A kick in 65536 comes all the same; it does no
 * harm (SPLIT-42).
 */
void tn_split_kicks_off(struct tn_vq *vq)
{
    if (!vq->event_idx && vq->broken == NULL) {
        tn_shared_store16(&vq->used->flags, TN_USED_F_NO_NOTIFY);
    }
}

/* The index before the next one is behind the driver: it does not pass it again (SPLIT-40). */
void tn_split_kicks_back(struct tn_vq *vq)
{
    if (vq->event_idx && vq->broken == NULL) {
        tn_shared_store16(avail_event(vq), (uint16_t)(vq->next_avail - 1));
    }
    tn_split_kicks_off(vq);
}

/* Whether what is there is good is found out by the pop that follows. */
bool tn_split_has_more(const struct tn_vq *vq)
{
    return vq->again_next != vq->again_count || tn_shared_load16(&vq->avail->idx) != vq->next_avail;
}

bool tn_split_kicks_on(struct tn_vq *vq)
{
    if (vq->broken != NULL) {
        return false;
    }
    if (vq->event_idx) {
        tn_shared_store16(avail_event(vq), vq->next_avail);
    } else {
        tn_shared_store16(&vq->used->flags, 0);
    }
    tn_full_barrier(); /* pair D */
    return tn_split_has_more(vq);
}
