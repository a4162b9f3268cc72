/*
 * split.c: the split ring, and the only file that knows its layout (section 2.7).
 *
 *   pop      avail.idx (pair A) ──> head ──> descriptors, direct then maybe one table ──> chain.c
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

/* One descriptor, copied to where nobody else writes. */
struct segment {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

static inline struct segment read_desc(const struct tn_desc *desc)
{
    uint64_t rest = tn_shared_load64_once(&desc->len);

    return (struct segment){
        .gpa = tn_shared_load64_once(&desc->addr),
        .bytes = (uint32_t)rest,
        .flags = (uint16_t)(rest >> 32),
        .next = (uint16_t)(rest >> 48),
    };
}

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

/* Copies an indirect table, which may cross regions. The end of the iovec scratch, where the chain
 * has not arrived yet, holds the pieces meanwhile. */
static bool copy_table(struct tn_vq *vq, const struct tn_chain *chain, uint64_t gpa, uint32_t bytes)
{
    uint32_t taken = chain->readable + chain->writable;
    struct iovec *piece = vq->iov + taken;
    uint8_t *to = (uint8_t *)vq->table;
    int pieces = tn_translate(vq->view, gpa, bytes, false, piece, vq->max_iovecs - taken);

    for (int i = 0; i < pieces; i++) {
        tn_shared_copy_from(to, piece[i].iov_base, piece[i].iov_len);
        to += piece[i].iov_len;
    }
    return pieces > 0;
}

/*
 * The table that ends a chain of `direct` descriptors. Drivers may not make chains longer than the
 * queue (SPLIT-24), yet some do with tables, which cost no ring entries, and other devices let
 * them: a table, and with it the whole chain, may have up to TN_CHAIN_MAX data descriptors,
 * whatever the queue's size. The WRITE flag of the descriptor that points here means nothing
 * (SPLIT-20).
 */
static const char *walk_table(struct tn_vq *vq, struct tn_chain *chain, const struct segment *at,
                              uint32_t direct, uint32_t *spare)
{
    uint32_t entries = at->bytes / sizeof(struct tn_desc);
    uint32_t i = 0;

    if (vq->table == NULL) {
        return "an indirect descriptor, but the feature was not negotiated";
    }
    if ((at->flags & TN_DESC_F_NEXT) != 0) {
        return "an indirect descriptor goes on with a next one";
    }
    if (at->bytes == 0 || at->bytes % sizeof(struct tn_desc) != 0) {
        return "an indirect table's length is 0 or not a multiple of 16";
    }
    if (entries > TN_CHAIN_MAX) {
        return "an indirect table has more than 1024 entries";
    }
    if (!copy_table(vq, chain, at->gpa, at->bytes)) {
        return "an indirect table is outside guest memory";
    }

    for (uint32_t visited = 1;; visited++) {
        const struct tn_desc *desc = &vq->table[i];
        uint16_t flags = tn_from_le16(desc->flags);
        const char *why;

        if ((flags & TN_DESC_F_INDIRECT) != 0) {
            return "an indirect descriptor inside an indirect table";
        }
        why = tn_chain_add(chain, vq->view, spare, tn_from_le64(desc->addr),
                           tn_from_le32(desc->len), (flags & TN_DESC_F_WRITE) != 0);
        if (why != NULL) {
            return why;
        }
        chain->descriptors++;
        if ((flags & TN_DESC_F_NEXT) == 0) {
            return NULL;
        }
        i = tn_from_le16(desc->next);
        if (i >= entries) {
            return "an indirect descriptor's next is outside its table";
        }
        if (visited == entries) {
            return "the descriptors of an indirect table form a loop";
        }
        if (direct + visited == TN_CHAIN_MAX) {
            return "a chain has more than 1024 descriptors";
        }
    }
}

/* Follows a chain from its head. NULL, or how the driver broke the ring. */
static const char *walk(struct tn_vq *vq, struct tn_chain *chain, uint16_t head)
{
    uint32_t spare = TN_CHAIN_MAX;
    uint32_t i = head;

    tn_chain_begin(chain, vq->iov, head);
    for (uint32_t direct = 0; direct < vq->limit; direct++) {
        struct segment at = read_desc(&vq->desc[i]);
        const char *why;

        chain->descriptors++;
        if ((at.flags & TN_DESC_F_INDIRECT) != 0) {
            return walk_table(vq, chain, &at, direct, &spare);
        }
        why = tn_chain_add(chain, vq->view, &spare, at.gpa, at.bytes,
                           (at.flags & TN_DESC_F_WRITE) != 0);
        if (tn_unlikely(why != NULL)) {
            return why;
        }
        if ((at.flags & TN_DESC_F_NEXT) == 0) {
            return NULL;
        }
        if (tn_unlikely(at.next >= vq->size)) {
            return "a descriptor's next is outside the descriptor table"; /* SPLIT-14 */
        }
        i = at.next;
    }
    return vq->limit == vq->size ? "a chain of descriptors forms a loop"     /* SPLIT-13 */
                                 : "a chain has more than 1024 descriptors"; /* SPLIT-08 */
}

enum tn_pop tn_split_pop(struct tn_vq *vq, struct tn_chain *chain)
{
    bool again = vq->again_next != vq->again_count;
    const char *why;
    uint64_t *word;
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
        head = tn_shared_load16_once(&vq->avail->ring[vq->next_avail & vq->mask]);
        if (tn_unlikely(head > vq->mask)) {
            why = "an available entry names a descriptor outside the table"; /* SPLIT-14 */
            goto broken;
        }
    }
    word = tn_vq_head_word(vq, head);
    if (tn_unlikely((*word & tn_vq_head_bit(head)) != 0)) {
        why = "a chain was made available while it was still in flight";
        goto broken;
    }
    why = walk(vq, chain, head);
    if (tn_unlikely(why != NULL)) {
        goto broken;
    }

    *word |= tn_vq_head_bit(head);
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

broken:
    tn_vq_break_once(vq, why);
    return TN_POP_BROKEN;
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

void tn_split_push(struct tn_vq *vq, uint16_t head, uint32_t written)
{
    struct tn_used_elem *elem;

    /*
     * In a broken ring nothing is written any more: nobody knows what it still holds. The record
     * keeps the chain.
     */
    if (tn_unlikely(!unmark(vq, head) || vq->broken != NULL)) {
        return;
    }
    elem = &vq->used->ring[vq->used_idx & vq->mask];
    tn_shared_store32(&elem->id, head);
    tn_shared_store32(&elem->len, written);
    vq->used_idx++;
    if (vq->inflight != NULL) {
        tn_inflight_batch(vq->inflight, head);
    }
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
