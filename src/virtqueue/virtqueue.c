/*
 * virtqueue.c: the queue as an object: its configuration is checked, its memory is taken, its state
 * is told.
 *
 *   tn_vq_check   any thread, makes nothing
 *   tn_vq_new     everything that pop and push will ever need is allocated here
 *   the rest      one call into split.c each: the place where packed rings would branch off
 *
 * On the queue's worker, except for tn_vq_check.
 */
#include "virtqueue/virtqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "virtqueue/split.h"

/* What can be said without looking at memory (SPLIT-01..03). */
static int check_shape(const struct tn_vq_config *config, struct tn_split_area areas[3])
{
    if (!tn_is_power_of_2(config->size) || config->size > TN_VQ_MAX_SIZE) {
        return tn_error(-EINVAL,
                        "queue size %u: the driver has to choose a power of 2 from 1 to %d",
                        config->size, TN_VQ_MAX_SIZE);
    }
    tn_split_areas(config, areas);
    for (int i = 0; i < 3; i++) {
        if (!tn_is_aligned(areas[i].gpa, areas[i].align)) {
            return tn_error(-EINVAL, "%s at 0x%llx: the driver has to align it to %u",
                            areas[i].name, (unsigned long long)areas[i].gpa, areas[i].align);
        }
    }
    return 0;
}

int tn_vq_check(const struct tn_vq_config *config, struct tenon_mem *mem)
{
    struct tn_split_area areas[3];
    int error = check_shape(config, areas);

    for (int i = 0; error == 0 && i < 3; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): error is 0, so areas are filled */
        if (!tn_mem_has(mem, areas[i].gpa, areas[i].bytes, areas[i].write)) {
            error = tn_error(-EFAULT,
                             "%s at 0x%llx, %llu bytes: it has to lie in guest memory in one piece",
                             areas[i].name, (unsigned long long)areas[i].gpa,
                             (unsigned long long)areas[i].bytes);
        }
    }
    return error;
}

static bool allocate(struct tn_vq *vq, bool indirect)
{
    vq->heads = calloc((vq->size + 63) / 64, sizeof(*vq->heads));
    vq->iov = calloc(vq->max_iovecs, sizeof(*vq->iov));
    if (indirect) {
        vq->table = calloc(TN_CHAIN_MAX, sizeof(*vq->table));
    }
    return vq->heads != NULL && vq->iov != NULL && (!indirect || vq->table != NULL);
}

/* Where we are in both rings; with a record, it knows better than the caller (VU-77). */
static int find_position(struct tn_vq *vq, const struct tn_vq_config *config)
{
    uint16_t used = config->next_avail;
    int error;

    if (config->used_from_ring || config->inflight != NULL) {
        used = tn_split_used_in_ring(vq);
    }
    vq->next_avail = config->next_avail;
    if (config->inflight != NULL) {
        error =
            tn_inflight_open(&vq->record, config->inflight, config->inflight_bytes, vq->size, used);
        if (error != 0) {
            return error;
        }
        vq->inflight = &vq->record;
        vq->again_count = vq->record.again_count;
        if (!vq->record.fresh) {
            vq->next_avail = (uint16_t)(used + vq->again_count);
        }
    }
    vq->used_idx = vq->published = vq->told = used;
    vq->avail_seen = vq->next_avail;
    return 0;
}

static struct tn_vq *new_vq(const struct tn_vq_config *config, struct tn_view *view)
{
    struct tn_vq *vq = aligned_alloc(TN_VQ_LINE, tn_round_up(sizeof(*vq), TN_VQ_LINE));
    uint32_t longest;

    if (vq == NULL) {
        return NULL;
    }
    memset(vq, 0, sizeof(*vq));
    vq->view = view;
    vq->size = config->size;
    vq->mask = (uint16_t)(config->size - 1);
    vq->event_idx = config->event_idx;
    vq->desc_gpa = config->desc_gpa;
    vq->driver_gpa = config->driver_gpa;
    vq->device_gpa = config->device_gpa;
    vq->limit = (uint32_t)tn_min_u64(config->size, TN_CHAIN_MAX);
    longest = config->indirect ? TN_CHAIN_MAX : vq->limit;
    /*
     * One for each descriptor, and as many as the longest chain's again for buffers that cross
     * regions.
     */
    vq->max_iovecs = longest + TN_CHAIN_MAX;
    return vq;
}

int tn_vq_new(const struct tn_vq_config *config, struct tn_view *view, struct tn_vq **out)
{
    struct tn_split_area areas[3];
    struct tn_vq *vq = NULL;
    int error = check_shape(config, areas);

    if (error != 0) {
        return error;
    }
    vq = new_vq(config, view);
    if (vq == NULL || !allocate(vq, config->indirect)) {
        error = tn_error(-ENOMEM, "no memory for a queue of %u entries", config->size);
        goto fail;
    }
    if (!tn_split_bind(vq)) {
        error = tn_error(-EFAULT, "a ring of the queue does not lie in guest memory in one piece, "
                                  "or that memory begins at an odd address in this process");
        goto fail;
    }
    error = find_position(vq, config);
    if (error != 0) {
        goto fail;
    }
    tn_split_begin(vq);
    *out = vq;
    return 0;

fail:
    tn_vq_free(vq);
    return error;
}

void tn_vq_free(struct tn_vq *vq)
{
    if (vq == NULL) {
        return;
    }
    if (vq->inflight != NULL) {
        tn_inflight_close(vq->inflight);
    }
    free(vq->heads);
    free(vq->iov);
    free(vq->table);
    free(vq);
}

bool tn_vq_remap(struct tn_vq *vq)
{
    if (!tn_split_bind(vq)) {
        tn_vq_break_once(vq, "a ring is not in guest memory any more");
        return false;
    }
    return true;
}

uint32_t tn_vq_max_iovecs(const struct tn_vq *vq)
{
    return vq->max_iovecs;
}

enum tn_pop tn_vq_pop(struct tn_vq *vq, struct tn_chain *chain)
{
    return tn_split_pop(vq, chain, vq->iov, vq->max_iovecs);
}

enum tn_pop tn_vq_pop_into(struct tn_vq *vq, struct tn_chain *chain, struct iovec *iov,
                           uint32_t room)
{
    return tn_split_pop(vq, chain, iov, room);
}

void tn_vq_unpop(struct tn_vq *vq, const struct tn_chain *chain)
{
    tn_split_unpop(vq, chain->head, chain->again);
}

bool tn_vq_push(struct tn_vq *vq, uint16_t head, uint32_t written)
{
    return tn_split_push(vq, head, written);
}

void tn_vq_forget(struct tn_vq *vq, uint16_t head)
{
    tn_split_forget(vq, head);
}

uint32_t tn_vq_unpublished(const struct tn_vq *vq)
{
    return (uint16_t)(vq->used_idx - vq->published);
}

void tn_vq_show(struct tn_vq *vq)
{
    tn_split_show(vq);
}

bool tn_vq_wants_interrupt(struct tn_vq *vq)
{
    return tn_split_wants_interrupt(vq);
}

bool tn_vq_publish(struct tn_vq *vq)
{
    tn_split_show(vq);
    return tn_split_wants_interrupt(vq);
}

void tn_vq_kicks_off(struct tn_vq *vq)
{
    tn_split_kicks_off(vq);
}

bool tn_vq_kicks_on(struct tn_vq *vq)
{
    return tn_split_kicks_on(vq);
}

void tn_vq_kicks_back(struct tn_vq *vq)
{
    tn_split_kicks_back(vq);
}

bool tn_vq_has_more(const struct tn_vq *vq)
{
    return tn_split_has_more(vq);
}

uint16_t tn_vq_next_avail(const struct tn_vq *vq)
{
    return vq->next_avail;
}

uint32_t tn_vq_in_flight(const struct tn_vq *vq)
{
    return vq->in_flight;
}

const char *tn_vq_broken(const struct tn_vq *vq)
{
    return vq->broken;
}

void tn_vq_break(struct tn_vq *vq, const char *why)
{
    tn_vq_break_once(vq, why);
}
