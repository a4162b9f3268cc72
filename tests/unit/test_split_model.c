/*
 * test_split_model.c: a long random run of a friendly driver against a model of it. Chains of
 * random shape, direct and indirect, served in random order, some put back; each head has to come
 * out as it went in and to come back exactly once (SPLIT-30).
 */
#include "ring_model.h"

enum { SIZE = 64, SHAPE_MAX = 9, CHAINS = 150000 };

/* One buffer that the driver offers. */
struct piece {
    uint64_t gpa;
    uint32_t bytes;
    bool write;
};

struct offer {
    struct piece pieces[SHAPE_MAX];
    uint32_t count, direct; /* the last count - direct of them in a table */
    uint16_t ring[SHAPE_MAX + 1];
    uint32_t used; /* table entries of the ring that it takes */
    uint32_t written;
    enum { FREE, OFFERED, TAKEN, ANSWERED } state;
};

struct run {
    struct model m;
    uint64_t seed;
    struct offer offers[SIZE]; /* by head */
    uint16_t free[SIZE];
    uint32_t free_count;
    uint16_t taken[SIZE]; /* in flight in the device, any order */
    uint32_t taken_count;
    uint16_t order[SIZE]; /* offered, not yet popped */
    uint32_t order_next, order_end;
    uint64_t offered, returned;
};

static uint32_t below(struct run *run, uint32_t limit)
{
    run->seed = run->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(run->seed >> 33) % limit;
}

static void shape(struct run *run, struct offer *offer)
{
    uint32_t readable;

    offer->count = 1 + below(run, SHAPE_MAX);
    offer->direct = below(run, 2) == 0 ? offer->count : below(run, offer->count);
    readable = below(run, offer->count + 1);
    for (uint32_t i = 0; i < offer->count; i++) {
        offer->pieces[i] =
            (struct piece){ run->m.data_gpa + 65536 + below(run, 65536),
                            below(run, 8) == 0 ? 0 : 1 + below(run, 4096), i >= readable };
    }
    offer->used = offer->direct + (offer->direct < offer->count ? 1 : 0);
}

static unsigned flags_of(const struct piece *piece, bool last)
{
    return (piece->write ? TN_DESC_F_WRITE : 0) | (last ? 0 : TN_DESC_F_NEXT);
}

/* Writes the table of an offer, at a place of its head's own. */
static void write_table(struct run *run, const struct offer *offer, uint64_t gpa)
{
    struct tn_desc *table = model_host(&run->m, gpa);

    for (uint32_t i = offer->direct; i < offer->count; i++) {
        const struct piece *piece = &offer->pieces[i];
        table[i - offer->direct] =
            model_make(piece->gpa, piece->bytes, flags_of(piece, i + 1 == offer->count),
                       i - offer->direct + 1);
    }
}

/* False: the ring has no room for this shape. */
static bool offer_one(struct run *run)
{
    struct offer next = { 0 };
    struct offer *offer;
    uint16_t head;

    shape(run, &next);
    if (next.used > run->free_count) {
        return false;
    }
    for (uint32_t i = 0; i < next.used; i++) {
        uint32_t pick = below(run, run->free_count);
        next.ring[i] = run->free[pick];
        run->free[pick] = run->free[--run->free_count];
    }
    head = next.ring[0];
    for (uint32_t i = 0; i < next.direct; i++) {
        model_desc(&run->m, next.ring[i], next.pieces[i].gpa, next.pieces[i].bytes,
                   flags_of(&next.pieces[i], i + 1 == next.used), next.ring[i + 1]);
    }
    if (next.direct < next.count) {
        uint64_t gpa = run->m.data_gpa + (uint64_t)head * 256;
        write_table(run, &next, gpa);
        model_desc(&run->m, next.ring[next.direct], gpa, 16 * (next.count - next.direct),
                   TN_DESC_F_INDIRECT | below(run, 2) * TN_DESC_F_WRITE, 0);
    }
    offer = &run->offers[head];
    assert_int_equal(offer->state, FREE);
    *offer = next;
    offer->state = OFFERED;
    run->order[run->order_end++ % SIZE] = head;
    run->offered++;
    model_entry(&run->m, head);
    return true;
}

static void check_chain(struct run *run, const struct offer *offer, const struct tn_chain *chain)
{
    uint32_t at = 0;
    uint32_t writable = 0;

    for (uint32_t i = 0; i < offer->count; i++) {
        const struct piece *piece = &offer->pieces[i];
        if (piece->bytes == 0) {
            continue;
        }
        assert_ptr_equal(chain->iov[at].iov_base, model_host(&run->m, piece->gpa));
        assert_int_equal(chain->iov[at].iov_len, piece->bytes);
        writable += piece->write;
        at++;
    }
    assert_int_equal(chain->readable + chain->writable, at);
    assert_int_equal(chain->writable, writable);
    assert_int_equal(chain->descriptors, offer->count + (offer->direct < offer->count));
    assert_false(chain->holes);
}

static void pop_some(struct run *run)
{
    struct tn_chain chain;

    for (uint32_t i = below(run, 8); i != 0; i--) {
        enum tn_pop got = tn_vq_pop(run->m.vq, &chain);
        if (run->order_next == run->order_end) {
            assert_int_equal(got, TN_POP_EMPTY);
            return;
        }
        assert_int_equal(got, TN_POP_CHAIN);
        assert_int_equal(chain.head, run->order[run->order_next % SIZE]);
        check_chain(run, &run->offers[chain.head], &chain);
        if (below(run, 5) == 0) {
            tn_vq_unpop(run->m.vq, &chain);
            continue;
        }
        run->order_next++;
        assert_int_equal(run->offers[chain.head].state, OFFERED);
        run->offers[chain.head].state = TAKEN;
        run->taken[run->taken_count++] = chain.head;
    }
    assert_int_equal(tn_vq_in_flight(run->m.vq), run->taken_count);
}

static void answer_some(struct run *run)
{
    while (run->taken_count != 0 && below(run, 4) != 0) {
        uint32_t pick = below(run, run->taken_count);
        uint16_t head = run->taken[pick];
        run->taken[pick] = run->taken[--run->taken_count];
        run->offers[head].state = ANSWERED;
        run->offers[head].written = below(run, UINT32_MAX);
        tn_vq_push(run->m.vq, head, run->offers[head].written);
    }
}

/* The driver gets everything that was published, each head once. */
static void return_all(struct run *run)
{
    uint32_t id, len;

    tn_vq_publish(run->m.vq);
    while (model_take(&run->m, &id, &len)) {
        struct offer *offer;
        assert_true(id < SIZE);
        offer = &run->offers[id];
        assert_int_equal(offer->state, ANSWERED);
        assert_int_equal(len, offer->written);
        for (uint32_t i = 0; i < offer->used; i++) {
            run->free[run->free_count++] = offer->ring[i];
        }
        offer->state = FREE;
        run->returned++;
    }
}

static void test_random_chains_against_a_model(void **state)
{
    static struct run run;

    (void)state;
    run.seed = 4711;
    model_open(&run.m, SIZE, 0);
    model_begin_at(&run.m, 60000);
    model_start(&run.m);
    for (uint16_t i = 0; i < SIZE; i++) {
        run.free[run.free_count++] = i;
    }
    while (run.offered < CHAINS) {
        for (uint32_t i = below(&run, 6); i != 0 && offer_one(&run); i--) {
        }
        model_show(&run.m);
        pop_some(&run);
        answer_some(&run);
        if (below(&run, 3) == 0) {
            return_all(&run);
        }
    }
    while (run.returned < run.offered) {
        pop_some(&run);
        answer_some(&run);
        return_all(&run);
    }
    assert_int_equal(run.free_count, SIZE);
    assert_int_equal(tn_vq_in_flight(run.m.vq), 0);
    assert_int_equal(tn_vq_next_avail(run.m.vq), (uint16_t)(60000 + run.offered));
#ifdef TN_READ_ONCE
    assert_int_equal(tn_read_once_violations(), 0); /* SPLIT-19 */
#endif
    model_close(&run.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_chains_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
