/*
 * test_merge.c: how a turn is sorted, against a model that looks at all pairs: who goes on where
 * who ends stands behind it, a run stands where its first to arrive stood, and nothing else moves.
 */
#include "blk_parts.h"

enum { REQUESTS = 150, ROUNDS = 3000, BLOCK = 8 };

struct turn {
    struct tn_queue queue;
    struct tn_list list;
    struct blk_request request[REQUESTS]; /* in order of arrival */
    unsigned count;
    uint32_t random;
};

static uint32_t dice(struct turn *t, uint32_t sides)
{
    t->random = t->random * 1664525u + 1013904223u;
    return (t->random >> 8) % sides;
}

static void add(struct turn *t, uint32_t type, uint64_t block)
{
    struct blk_request *r = &t->request[t->count++];

    *r = (struct blk_request){
        .slot.queue = &t->queue, .type = type, .sector = block * BLOCK, .data_bytes = BLOCK * 512
    };
    r->range_count = type == TN_BLK_T_IN || type == TN_BLK_T_FLUSH ? 0 : 1;
    r->ranges[0] = (struct blk_range){ block * BLOCK * 512, BLOCK * 512 };
    tn_list_append(&t->list, &r->link);
}

/* Reads and changes of blocks, each block at most once: so nothing meets. */
static void fill(struct turn *t, unsigned count, unsigned blocks)
{
    static const uint32_t types[] = { TN_BLK_T_IN, TN_BLK_T_IN, TN_BLK_T_OUT, TN_BLK_T_OUT,
                                      TN_BLK_T_WRITE_ZEROES };
    bool taken[512] = { false };

    t->count = 0;
    tn_list_init(&t->list);
    while (t->count < count) {
        uint32_t block = dice(t, blocks);
        if (!taken[block]) {
            taken[block] = true;
            add(t, types[dice(t, 5)], block);
            t->request[t->count - 1].stable = dice(t, 8) == 0;
            t->request[t->count - 1].alone = dice(t, 16) == 0;
        } else if (dice(t, 8) == 0) {
            add(t, TN_BLK_T_FLUSH, block);
        }
    }
}

static bool goes_on(const struct blk_request *a, const struct blk_request *b)
{
    return (a->type == TN_BLK_T_IN || a->type == TN_BLK_T_OUT) && a->type == b->type &&
           a->stable == b->stable && !a->alone && !b->alone && a->sector + BLOCK == b->sector;
}

/* The one of [first, end) that goes on where `a` ends, or in front of it; `count`: none. */
static unsigned neighbour(const struct turn *t, unsigned a, unsigned first, unsigned end,
                          bool behind)
{
    for (unsigned i = first; i < end; i++) {
        const struct blk_request *x = &t->request[a], *y = &t->request[i];
        if (behind ? goes_on(x, y) : goes_on(y, x)) {
            return i;
        }
    }
    return t->count;
}

/* One window, a whole turn of the device, after the other. */
static unsigned sort_by_looking(const struct turn *t, unsigned *order)
{
    bool placed[REQUESTS] = { false };
    unsigned done = 0;

    for (unsigned first = 0; first < t->count; first += TN_TURN_BUDGET) {
        unsigned end = first + TN_TURN_BUDGET < t->count ? first + TN_TURN_BUDGET : t->count;
        for (unsigned i = first; i < end; i++) {
            unsigned part = i, before;
            while (!placed[i] && (before = neighbour(t, part, first, end, false)) != t->count) {
                part = before;
            }
            for (; part != t->count && !placed[part]; part = neighbour(t, part, first, end, true)) {
                placed[part] = true;
                order[done++] = part;
            }
        }
    }
    return done;
}

static void expect(struct turn *t, const unsigned *order)
{
    struct tn_list *link = t->list.next;

    for (unsigned i = 0; i < t->count; i++, link = link->next) {
        const struct blk_request *found = TN_CONTAINER_OF(link, struct blk_request, link);
        assert_int_equal(found - t->request, order[i]);
    }
    assert_ptr_equal(link, &t->list);
}

static void as_a_model_sorts(void **state)
{
    struct turn *t = calloc(1, sizeof(*t));
    unsigned order[REQUESTS];

    (void)state;
    assert_non_null(t);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 1 + dice(t, REQUESTS);
        fill(t, count, count + dice(t, 512 - count));
        assert_int_equal(sort_by_looking(t, order), t->count);
        blk_merge_order(&t->list);
        expect(t, order);
    }
    free(t);
}

/* Two that start at the same place have a neighbour each. */
static void the_same_place_twice(void **state)
{
    static const unsigned pairs[] = { 0, 3, 1, 2, 4 };
    struct turn *t = calloc(1, sizeof(*t));

    (void)state;
    assert_non_null(t);
    tn_list_init(&t->list);
    add(t, TN_BLK_T_IN, 4);
    add(t, TN_BLK_T_IN, 9);
    add(t, TN_BLK_T_IN, 4);
    add(t, TN_BLK_T_IN, 5);
    add(t, TN_BLK_T_IN, 5);
    blk_merge_order(&t->list);
    expect(t, pairs); /* 4 and 5, 9, and 4 and 5 once more */
    free(t);
}

/* A read of what another one changes: nothing moves, wherever in the turn the two are. */
static void who_meets_moves_nobody(void **state)
{
    struct turn *t = calloc(1, sizeof(*t));
    unsigned order[REQUESTS];

    (void)state;
    assert_non_null(t);
    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(t, 1 + dice(t, TN_TURN_BUDGET - 2), 80);
        add(t, TN_BLK_T_IN, 300);
        if (t->count >= TN_TURN_BUDGET) {
            continue;
        }
        add(t, dice(t, 2) ? TN_BLK_T_OUT : TN_BLK_T_DISCARD, 300);
        for (unsigned i = 0; i < t->count; i++) {
            order[i] = i;
        }
        blk_merge_order(&t->list);
        expect(t, order);
    }
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_a_model_sorts),
        cmocka_unit_test(the_same_place_twice),
        cmocka_unit_test(who_meets_moves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
