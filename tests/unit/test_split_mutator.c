/*
 * test_split_mutator.c: a driver that rewrites descriptors, an indirect table and the available
 * ring while the device reads them (SPLIT-19). What comes out of a pop was checked on a private
 * copy: it stays inside guest memory, and says the same however often one looks at it.
 */
#include <pthread.h>

#include "ring_model.h"

enum { SIZE = 16, POPS = 100000 };

struct mutator {
    struct model m;
    bool stop;
    uint64_t seed;
};

static uint32_t below(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % limit;
}

static void scribble_desc(struct mutator *mutator, struct tn_desc *desc)
{
    static const uint32_t lengths[] = { 0, 1, 16, 16, 32, 48, 64, 4096, 65536, UINT32_MAX };
    static const uint16_t flags[] = { 0, 0, 1, 1, 2, 3, 4, 4, 5, 6 };
    struct model *m = &mutator->m;
    uint64_t *seed = &mutator->seed;
    uint64_t gpa = below(seed, 4) == 0 ? m->base + below(seed, UINT32_MAX)
                                       : m->data_gpa + 256 * (uint64_t)below(seed, 4);

    __atomic_store_n(&desc->addr.raw, tn_to_le64(gpa).raw, __ATOMIC_RELAXED);
    __atomic_store_n(&desc->len.raw, tn_to_le32(lengths[below(seed, 10)]).raw, __ATOMIC_RELAXED);
    tn_shared_store16(&desc->flags, flags[below(seed, 10)]);
    tn_shared_store16(&desc->next, (uint16_t)below(seed, SIZE + 1));
}

static void *mutator_main(void *opaque)
{
    struct mutator *mutator = opaque;
    struct model *m = &mutator->m;
    struct tn_desc *table = model_host(m, m->data_gpa);

    while (!__atomic_load_n(&mutator->stop, __ATOMIC_RELAXED)) {
        scribble_desc(mutator, &m->desc[below(&mutator->seed, SIZE)]);
        scribble_desc(mutator, &table[below(&mutator->seed, 64)]);
        tn_shared_store16(&m->avail->ring[below(&mutator->seed, SIZE)],
                          (uint16_t)below(&mutator->seed, SIZE));
    }
    return NULL;
}

static void check_chain(struct model *m, const struct tn_chain *chain)
{
    uint64_t bytes = 0;

    assert_true(chain->readable + chain->writable <= tn_vq_max_iovecs(m->vq));
    for (uint32_t i = 0; i < chain->readable + chain->writable; i++) {
        const uint8_t *base = chain->iov[i].iov_base;
        bytes += chain->iov[i].iov_len;
        assert_int_not_equal(chain->iov[i].iov_len, 0);
        assert_true(base == NULL
                        ? chain->holes
                        : base >= m->ram && tn_range_within((uint64_t)(base - m->ram),
                                                            chain->iov[i].iov_len, m->bytes));
    }
    assert_int_equal(bytes, chain->readable_bytes + chain->writable_bytes);
}

static void test_driver_rewrites_everything_meanwhile(void **state)
{
    static struct mutator mutator;
    struct model *m = &mutator.m;
    struct tn_chain chain;
    pthread_t thread;
    uint32_t chains = 0;
    uint32_t broken = 0;

    (void)state;
    mutator.seed = 3;
    model_new(m, SIZE, true);
    assert_int_equal(pthread_create(&thread, NULL, mutator_main, &mutator), 0);
    /* On a busy machine the other thread may come late: go on until both have been seen. */
    for (uint32_t i = 0; i < POPS || (i < 1000 * POPS && (chains == 0 || broken == 0)); i++) {
        enum tn_pop got;
        tn_shared_store16(&m->avail->idx, (uint16_t)(tn_vq_next_avail(m->vq) + 1));
        got = tn_vq_pop(m->vq, &chain);
        if (got == TN_POP_CHAIN) {
            chains++;
            check_chain(m, &chain);
            tn_vq_push(m->vq, chain.head, 1);
            tn_vq_publish(m->vq);
        } else if (got == TN_POP_BROKEN) {
            broken++;
            model_kill(m);
            model_start(m);
        }
    }
    __atomic_store_n(&mutator.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    print_message("%u chains, broken %u times\n", chains, broken);
    assert_true(chains != 0 && broken != 0);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_driver_rewrites_everything_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
