/*
 * inflight_rig.h: a driver (ring_model.h) whose device keeps an inflight record, for the tests of
 * it.
 *
 * "Killed" means: the queue object goes, ring and region stay as they are.
 */
#ifndef TN_TEST_INFLIGHT_RIG_H
#define TN_TEST_INFLIGHT_RIG_H

#include <errno.h>

#include "ring_model.h"
#include "spec/vhost_user.h"

enum { SIZE = 8, REGION = 64 + 16 * 64 };

static uint8_t region[REGION] __attribute__((aligned(64)));
static struct tn_inflight_split *const record = (struct tn_inflight_split *)region;

static inline void record_open(struct model *m, uint32_t size)
{
    memset(region, 0, sizeof(region));
    model_open(m, size, 0);
    m->config.inflight = region;
    m->config.inflight_bytes = tn_inflight_bytes((uint16_t)size);
    m->config.used_from_ring = true;
    for (uint32_t i = 0; i < size; i++) {
        model_desc(m, i, m->data_gpa + i, 1, TN_DESC_F_WRITE, 0);
    }
}

/* Offers heads first .. first + count - 1 and pops them. */
static inline void fetch(struct model *m, uint16_t first, uint16_t count)
{
    struct tn_chain chain;

    for (uint16_t i = 0; i < count; i++) {
        model_offer(m, (uint16_t)(first + i));
        assert_int_equal(tn_vq_pop(m->vq, &chain), TN_POP_CHAIN);
        assert_int_equal(chain.head, first + i);
    }
}

/* The next back-end; then what it pops has to be exactly this. */
static inline void expect_again(struct model *m, const char *heads)
{
    struct tn_chain chain;

    model_kill(m);
    m->config.next_avail = 12345; /* the record knows better (VU-77) */
    model_start(m);
    for (; *heads != '\0'; heads++) {
        assert_true(tn_vq_kicks_on(m->vq)); /* something waits, without a kick */
        assert_int_equal(tn_vq_pop(m->vq, &chain), TN_POP_CHAIN);
        assert_int_equal(chain.head, *heads - '0');
        assert_int_equal(record->desc[chain.head].inflight, 1);
    }
    assert_int_equal(tn_vq_pop(m->vq, &chain), TN_POP_EMPTY);
    assert_int_equal(tn_vq_next_avail(m->vq), m->avail_idx);
    assert_int_equal(record->used_idx, tn_from_le16(m->used->idx));
}

#endif
