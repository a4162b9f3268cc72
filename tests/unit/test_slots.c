/*
 * test_slots.c: slots and their iovecs: never handed out twice, all of them found again, and a free
 * arena takes the longest chain.
 */
#include "device_rig.h"

enum { SLOTS = 9, IOVECS = 300, GRANULE = 4 };

static void each_slot_once_and_all_come_back(void **state)
{
    struct tn_queue queue = { 0 };
    struct tn_slots slots;
    struct tn_slot *taken[SLOTS];
    (void)state;

    assert_int_equal(tn_slots_init(&slots, &queue, SLOTS, sizeof(struct tn_slot) + 5, 8), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SLOTS; i++) {
            taken[i] = tn_slots_take(&slots);
            assert_non_null(taken[i]);
            assert_ptr_equal(taken[i]->queue, &queue);
            assert_int_equal((uintptr_t)taken[i] % 16, 0); /* for what the type has behind it */
            for (unsigned j = 0; j < i; j++) {
                assert_ptr_not_equal(taken[i], taken[j]);
            }
        }
        assert_null(tn_slots_take(&slots));
        for (unsigned i = 0; i < SLOTS; i++) {
            tn_slots_give(&slots, taken[i]);
        }
    }
    /* The one that was used last is used next: its memory is in the cache. */
    assert_ptr_equal(tn_slots_take(&slots), taken[SLOTS - 1]);
    tn_slots_fini(&slots);
}

/* Against a map of who has which iovec. */
static void iovecs_never_overlap(void **state)
{
    struct tn_queue queue = { 0 };
    struct tn_slots slots;
    struct tn_slot *held[SLOTS] = { NULL };
    uint8_t owner[SLOTS * GRANULE + IOVECS] = { 0 };
    struct iovec *where[SLOTS];
    uint32_t size[SLOTS], random = 3;
    unsigned refused = 0;
    (void)state;

    assert_int_equal(tn_slots_init(&slots, &queue, SLOTS, sizeof(struct tn_slot), IOVECS), 0);
    for (unsigned step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u;
        unsigned i = (random >> 8) % SLOTS;
        if (held[i]) {
            for (uint32_t j = 0; j < size[i]; j++) {
                uint8_t *mine = &owner[where[i] + j - slots.iovecs];
                assert_int_equal(*mine, i + 1);
                *mine = 0;
            }
            tn_slots_give(&slots, held[i]);
            held[i] = NULL;
            continue;
        }
        held[i] = tn_slots_take(&slots);
        assert_non_null(held[i]);
        size[i] = (random >> 16) % (random % 5 ? 20 : IOVECS + 1);
        if (!tn_slots_take_iovecs(&slots, held[i], size[i], &where[i])) {
            tn_slots_give(&slots, held[i]);
            held[i] = NULL;
            refused++;
            continue;
        }
        for (uint32_t j = 0; j < size[i]; j++) {
            assert_in_range(where[i] + j - slots.iovecs, 0, SLOTS * GRANULE + IOVECS - 1);
            assert_int_equal(owner[where[i] + j - slots.iovecs], 0);
            owner[where[i] + j - slots.iovecs] = (uint8_t)(i + 1);
        }
    }
    assert_true(refused > 0);
    tn_slots_fini(&slots);
}

static void a_free_arena_takes_the_longest_chain(void **state)
{
    struct tn_queue queue = { 0 };
    struct tn_slots slots;
    struct iovec *iov;
    (void)state;

    for (uint32_t longest = GRANULE + 1; longest < 200; longest++) {
        assert_int_equal(tn_slots_init(&slots, &queue, 2, sizeof(struct tn_slot), longest), 0);
        struct tn_slot *slot = tn_slots_take(&slots), *other = tn_slots_take(&slots);
        assert_true(tn_slots_take_iovecs(&slots, slot, longest, &iov));
        assert_false(tn_slots_take_iovecs(&slots, other, GRANULE + 1, &iov)); /* full is full */
        assert_true(tn_slots_take_iovecs(&slots, other, 0, &iov));
        tn_slots_give(&slots, slot);
        assert_true(tn_slots_take_iovecs(&slots, other, longest, &iov));
        tn_slots_fini(&slots);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_slot_once_and_all_come_back),
        cmocka_unit_test(iovecs_never_overlap),
        cmocka_unit_test(a_free_arena_takes_the_longest_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
