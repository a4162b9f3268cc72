/*
 * split_walk.c: from a head to a chain: the descriptor table of a split ring, and indirect tables.
 *
 *   head ──> descriptor ──next──> descriptor ── ... ──> maybe one table ──> chain.c
 *
 * Every descriptor is copied once and then checked. On the queue's worker; takes no lock, allocates
 * nothing.
 */
#include "base/num.h"
#include "virtqueue/chain.h"
#include "virtqueue/split.h"

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
static const char *walk_table(struct tn_vq *vq, struct tn_growth *growth,
                              const struct tn_segment *at, uint32_t direct)
{
    struct tn_chain *chain = growth->chain;
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
        why = tn_chain_add(growth, tn_from_le64(desc->addr), tn_from_le32(desc->len),
                           (flags & TN_DESC_F_WRITE) != 0);
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

const char *tn_split_walk(struct tn_vq *vq, struct tn_chain *chain, struct tn_segment at,
                          uint32_t room)
{
    struct tn_growth growth = {
        .chain = chain, .view = vq->view, .scratch = vq->iov, .room = room, .spare = TN_CHAIN_MAX
    };

    for (uint32_t direct = 0;;) {
        const char *why;

        chain->descriptors++;
        if ((at.flags & TN_DESC_F_INDIRECT) != 0) {
            return walk_table(vq, &growth, &at, direct);
        }
        why = tn_chain_add(&growth, at.gpa, at.bytes, (at.flags & TN_DESC_F_WRITE) != 0);
        if (tn_unlikely(why != NULL)) {
            return why;
        }
        if ((at.flags & TN_DESC_F_NEXT) == 0) {
            return NULL;
        }
        if (tn_unlikely(at.next >= vq->size)) {
            return "a descriptor's next is outside the descriptor table"; /* SPLIT-14 */
        }
        if (tn_unlikely(++direct == vq->limit)) {
            return vq->limit == vq->size ? "a chain of descriptors forms a loop"     /* SPLIT-13 */
                                         : "a chain has more than 1024 descriptors"; /* SPLIT-08 */
        }
        at = tn_split_read(&vq->desc[at.next]);
    }
}
