/*
 * ring_model.h: a driver for one split ring, for the tests of src/virtqueue: it writes descriptors
 * and entries into memory of this process and reads the used ring, by the rules or, where a test
 * wants that, against them.
 *
 *   gpa base: | descriptor table | available ring | used ring | data ... |    each on its own pages
 *
 * Independent of driver/, which tests whole devices.
 */
#ifndef TN_TEST_RING_MODEL_H
#define TN_TEST_RING_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/shared.h"
#include "spec/vring.h"
#include "virtqueue/virtqueue.h"

enum { MODEL_PAGE = 4096, MODEL_DATA = 1 << 20 };

struct model {
    struct tenon_mem *mem;
    struct tn_view view;
    struct tn_vq_config config; /* change it before model_start */
    struct tn_vq *vq;
    uint8_t *ram;
    uint64_t base, bytes;
    uint64_t data_gpa;
    uint32_t size;
    struct tn_desc *desc;
    struct tn_avail *avail;
    struct tn_used *used;
    uint16_t avail_idx; /* as published by this driver */
    uint16_t used_seen;
};

static inline void model_changed(struct tn_view *view)
{
    (void)view;
}

static inline void model_region(struct model *m, uint64_t gpa, void *host, uint64_t bytes,
                                unsigned flags)
{
    struct tenon_region region = {
        .size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = host, .fd = -1, .flags = flags
    };
    assert_int_equal(tenon_mem_add(m->mem, &region), 0);
    tn_view_refresh(&m->view);
}

/* Memory, a view, a config; no queue yet. */
static inline void model_open(struct model *m, uint32_t size, uint64_t base)
{
    uint64_t desc = tn_round_up(TN_DESC_BYTES(size), MODEL_PAGE);
    uint64_t avail = tn_round_up(TN_AVAIL_BYTES(size), MODEL_PAGE);
    uint64_t used = tn_round_up(TN_USED_BYTES(size), MODEL_PAGE);

    memset(m, 0, sizeof(*m));
    m->size = size;
    m->base = base;
    m->bytes = desc + avail + used + MODEL_DATA;
    m->ram = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(m->ram != MAP_FAILED);
    m->desc = (struct tn_desc *)m->ram;
    m->avail = (struct tn_avail *)(m->ram + desc);
    m->used = (struct tn_used *)(m->ram + desc + avail);
    m->data_gpa = base + desc + avail + used;
    assert_int_equal(tenon_mem_new(&m->mem), 0);
    assert_int_equal(tn_view_open(&m->view, m->mem, model_changed), 0);
    model_region(m, base, m->ram, m->bytes, 0);
    m->config = (struct tn_vq_config){ .size = size,
                                       .desc_gpa = base,
                                       .driver_gpa = base + desc,
                                       .device_gpa = base + desc + avail,
                                       .indirect = true };
}

static inline void model_start(struct model *m)
{
    assert_int_equal(tn_vq_new(&m->config, &m->view, &m->vq), 0);
}

static inline void model_new(struct model *m, uint32_t size, bool event_idx)
{
    model_open(m, size, 0x40000000);
    m->config.event_idx = event_idx;
    model_start(m);
}

/* The back-end dies: what it had in its own memory is gone. */
static inline void model_kill(struct model *m)
{
    tn_vq_free(m->vq);
    m->vq = NULL;
}

static inline void model_close(struct model *m)
{
    tn_vq_free(m->vq);
    tn_view_close(&m->view);
    tenon_mem_free(m->mem);
    munmap(m->ram, m->bytes);
}

/* Host pointer of a guest address in the model's own region. */
static inline void *model_host(struct model *m, uint64_t gpa)
{
    return m->ram + (gpa - m->base);
}

static inline struct tn_desc model_make(uint64_t gpa, uint32_t len, unsigned flags, unsigned next)
{
    return (struct tn_desc){ tn_to_le64(gpa), tn_to_le32(len), tn_to_le16((uint16_t)flags),
                             tn_to_le16((uint16_t)next) };
}

static inline void model_desc(struct model *m, uint32_t i, uint64_t gpa, uint32_t len,
                              unsigned flags, unsigned next)
{
    m->desc[i] = model_make(gpa, len, flags, next);
}

/* Writes an entry that the device cannot see yet. */
static inline void model_entry(struct model *m, uint16_t head)
{
    tn_shared_store16(&m->avail->ring[m->avail_idx % m->size], head);
    m->avail_idx++;
}

static inline void model_show(struct model *m)
{
    tn_shared_store16_release(&m->avail->idx, m->avail_idx);
}

static inline void model_offer(struct model *m, uint16_t head)
{
    model_entry(m, head);
    model_show(m);
}

/* The next used element; false when there is none. */
static inline bool model_take(struct model *m, uint32_t *id, uint32_t *len)
{
    struct tn_used_elem *elem = &m->used->ring[m->used_seen % m->size];

    if (tn_shared_load16_acquire(&m->used->idx) == m->used_seen) {
        return false;
    }
    *id = tn_from_le32((le32){ __atomic_load_n(&elem->id.raw, __ATOMIC_RELAXED) });
    *len = tn_from_le32((le32){ __atomic_load_n(&elem->len.raw, __ATOMIC_RELAXED) });
    m->used_seen++;
    return true;
}

static inline le16 *model_used_event(struct model *m)
{
    return &m->avail->ring[m->size];
}

static inline le16 *model_avail_event(struct model *m)
{
    return (le16 *)(void *)&m->used->ring[m->size];
}

/* Every index and position begins at `idx` instead of 0. Before model_start. */
static inline void model_begin_at(struct model *m, uint16_t idx)
{
    m->avail->idx = tn_to_le16(idx);
    m->used->idx = tn_to_le16(idx);
    m->avail_idx = m->used_seen = idx;
    m->config.next_avail = idx;
}

/* One descriptor, offered, popped, pushed, not published. */
static inline void model_serve(struct model *m, uint16_t head, uint32_t written)
{
    struct tn_chain chain;

    model_desc(m, head, m->data_gpa + head, 1, TN_DESC_F_WRITE, 0);
    model_offer(m, head);
    assert_int_equal(tn_vq_pop(m->vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.head, head);
    tn_vq_push(m->vq, head, written);
}

static inline void model_expect_broken(struct model *m, const char *part)
{
    struct tn_chain chain;

    assert_int_equal(tn_vq_pop(m->vq, &chain), TN_POP_BROKEN);
    assert_non_null(tn_vq_broken(m->vq));
    if (strstr(tn_vq_broken(m->vq), part) == NULL) {
        fail_msg("broken by \"%s\", not by \"%s\"", tn_vq_broken(m->vq), part);
    }
    assert_int_equal(tn_vq_pop(m->vq, &chain), TN_POP_BROKEN); /* it stays so */
}

#endif
