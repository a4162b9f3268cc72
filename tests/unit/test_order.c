/*
 * test_order.c: who goes before whom, against a model that simply looks at all pairs: a write waits
 * for earlier writes that it overlaps, a flush for all earlier writes, and nobody for anything else
 * (BLK-21, BLK-37).
 */
#include "blk_parts.h"

enum { REQUESTS = 24, STEPS = 30000 };

struct model {
    struct tn_queue device_queue;
    struct blk_queue queue;
    struct blk_request *request[REQUESTS]; /* in order of arrival */
    bool going[REQUESTS];                  /* the disk has it */
    unsigned count;
    uint32_t random;
};

static uint32_t dice(struct model *m, uint32_t sides)
{
    m->random = m->random * 1664525u + 1013904223u;
    return (m->random >> 8) % sides;
}

static bool overlap(const struct blk_request *a, const struct blk_request *b)
{
    for (unsigned i = 0; i < a->range_count; i++) {
        for (unsigned j = 0; j < b->range_count; j++) {
            const struct blk_range *x = &a->ranges[i], *y = &b->ranges[j];
            if (x->offset < y->offset + y->bytes && y->offset < x->offset + x->bytes) {
                return true;
            }
        }
    }
    return false;
}

static bool may_go(const struct model *m, unsigned which)
{
    const struct blk_request *r = m->request[which];

    for (unsigned i = 0; i < which && r->type != TN_BLK_T_IN; i++) {
        const struct blk_request *earlier = m->request[i];
        bool write = earlier->type != TN_BLK_T_IN && earlier->type != TN_BLK_T_FLUSH;
        if (write && (r->type == TN_BLK_T_FLUSH || overlap(earlier, r))) {
            return false;
        }
    }
    return true;
}

static struct blk_request *make(struct model *m)
{
    static const uint32_t types[] = { TN_BLK_T_OUT, TN_BLK_T_OUT, TN_BLK_T_WRITE_ZEROES,
                                      TN_BLK_T_FLUSH, TN_BLK_T_IN };
    struct blk_request *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->slot.queue = &m->device_queue;
    r->type = types[dice(m, 5)];
    tn_list_init(&r->order);
    tn_list_init(&r->link);
    r->range_count = r->type == TN_BLK_T_FLUSH || r->type == TN_BLK_T_IN ? 0
                     : r->type == TN_BLK_T_OUT                           ? 1
                                                                         : 1 + dice(m, 3);
    for (unsigned i = 0; i < r->range_count; i++) {
        r->ranges[i] = (struct blk_range){ 512ull * dice(m, 40), 512ull * (1 + dice(m, 6)) };
    }
    return r;
}

static void check_going(const struct model *m)
{
    unsigned dormant = 0;

    for (unsigned i = 0; i < m->count; i++) {
        assert_int_equal(m->going[i], may_go(m, i));
        assert_int_equal(m->request[i]->dormant, !m->going[i]);
        dormant += !m->going[i];
    }
    assert_int_equal(m->device_queue.dormant, dormant);
}

static void arrive(struct model *m)
{
    unsigned i = m->count++;

    m->request[i] = make(m);
    m->going[i] = blk_order_enter(&m->queue, m->request[i]);
}

static void finish(struct model *m, unsigned which)
{
    struct blk_request *r = m->request[which];
    struct tn_list ready;
    struct tn_list *link;
    unsigned before = 0;

    tn_list_init(&ready);
    if (r->ordered) {
        blk_order_leave(&m->queue, r, &ready);
    }
    while ((link = tn_list_take_first(&ready)) != NULL) {
        struct blk_request *next = TN_CONTAINER_OF(link, struct blk_request, link);
        unsigned i = 0;
        while (m->request[i] != next) {
            i++;
        }
        assert_false(m->going[i]);
        m->going[i] = true;
        if (next->type != TN_BLK_T_FLUSH) {
            assert_true(i > before); /* in order of arrival */
            before = i;
        }
    }
    m->count--;
    for (unsigned i = which; i < m->count; i++) {
        m->request[i] = m->request[i + 1];
        m->going[i] = m->going[i + 1];
    }
    free(r);
}

static void as_the_model_says(void **state)
{
    struct model m = { .random = 17 };
    unsigned waited = 0, early = 0;
    (void)state;

    tn_list_init(&m.queue.order);
    for (unsigned step = 0; step < STEPS || m.count; step++) {
        if (step < STEPS && m.count < REQUESTS && dice(&m, 2)) {
            arrive(&m);
            waited += !m.going[m.count - 1];
        } else if (m.count) {
            unsigned i = dice(&m, m.count);
            while (!m.going[i] && dice(&m, 20)) { /* the first one always goes */
                i = dice(&m, i);
            }
            early += !m.going[i];
            finish(&m, i); /* also before its turn: its memory has gone (park.c) */
        }
        check_going(&m);
    }
    assert_true(waited > STEPS / 20 && early > STEPS / 200);
    assert_int_equal(m.queue.blocked, 0);
    assert_true(tn_list_empty(&m.queue.order));
}

/* With `dropping`, those that are let go end as well: nobody may be forgotten. */
static void a_chain_of_waiters_unravels(void **state)
{
    struct tn_queue device_queue = { .dormant = 0 };
    struct blk_queue queue = { .blocked = 0 };
    struct blk_request r[4] = { { .type = TN_BLK_T_OUT } };
    struct tn_list ready;
    (void)state;

    tn_list_init(&queue.order);
    for (unsigned i = 0; i < 4; i++) {
        r[i].slot.queue = &device_queue;
        r[i].type = i == 3 ? TN_BLK_T_FLUSH : TN_BLK_T_OUT;
        r[i].range_count = i != 3;
        r[i].ranges[0] = (struct blk_range){ 0, 512 };
        assert_int_equal(blk_order_enter(&queue, &r[i]), i == 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        tn_list_init(&ready);
        blk_order_leave(&queue, &r[i], &ready);
        struct tn_list *link = tn_list_take_first(&ready);
        assert_ptr_equal(link, &r[i + 1].link);
        assert_null(tn_list_take_first(&ready));
        assert_int_equal(device_queue.dormant, 2 - i);
    }
    assert_true(tn_list_empty(&queue.order));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_model_says),
        cmocka_unit_test(a_chain_of_waiters_unravels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
