/*
 * test_chain.c: from descriptors to iovecs: directions, totals, holes, crossings of regions.
 */
#include "ring_model.h"
#include "virtqueue/chain.h"

enum { PART = 4096, GPA = 0x10000, ROM = 0x80000 };

/* Three neighbours in the guest, apart in this process; then a gap; then a region that devices may
 * not write. */
struct parts {
    struct model m;
    uint8_t *host[3];
    uint8_t *rom;
    struct iovec iov[16];
    struct tn_chain chain;
    struct tn_growth growth;
};

static uint8_t memory[8 * PART] __attribute__((aligned(4096)));

static int setup(void **state)
{
    struct parts *p = test_malloc(sizeof(*p));

    model_open(&p->m, 1, 0x40000000);
    for (int i = 0; i < 3; i++) {
        p->host[i] = memory + 2 * i * PART;
        model_region(&p->m, GPA + (uint64_t)i * PART, p->host[i], PART, 0);
    }
    p->rom = memory + 7 * PART;
    model_region(&p->m, ROM, p->rom, PART, TENON_REGION_READ_ONLY);
    p->growth = (struct tn_growth){
        .chain = &p->chain, .view = &p->m.view, .scratch = p->iov, .room = 16, .spare = 8
    };
    tn_chain_begin(&p->chain, p->iov, 3);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct parts *p = *state;

    model_close(&p->m);
    test_free(p);
    return 0;
}

static const char *add(struct parts *p, uint64_t gpa, uint32_t bytes, bool write)
{
    return tn_chain_add(&p->growth, gpa, bytes, write);
}

static void test_readable_then_writable(void **state)
{
    struct parts *p = *state;

    assert_null(add(p, GPA + 1, 16, false));
    assert_null(add(p, GPA + 100, 7, false));
    assert_null(add(p, GPA + 512, 512, true));
    assert_null(add(p, GPA + 9, 1, true));
    assert_int_equal(p->chain.readable, 2);
    assert_int_equal(p->chain.writable, 2);
    assert_int_equal(p->chain.readable_bytes, 23);
    assert_int_equal(p->chain.writable_bytes, 513);
    assert_int_equal(p->chain.head, 3);
    assert_false(p->chain.holes);
    assert_ptr_equal(p->iov[0].iov_base, p->host[0] + 1);
    assert_ptr_equal(p->iov[1].iov_base, p->host[0] + 100);
    assert_ptr_equal(p->iov[2].iov_base, p->host[0] + 512);
    assert_int_equal(p->iov[3].iov_len, 1);
    assert_int_equal(p->growth.spare, 8);
}

/* The first two are at home in the small place; a third one, a crossing or a hole is not. */
static void test_it_outgrows_its_place(void **state)
{
    struct parts *p = *state;

    for (int i = 0; i < 3; i++) {
        struct iovec place[2] = { 0 };
        tn_chain_begin(&p->chain, place, 3);
        p->growth.room = 2;
        assert_null(add(p, GPA + 1, 16, false)); /* the first one is not where the last one was */
        assert_null(add(p, GPA + 50, 50, true));
        tn_chain_begin(&p->chain, place, 3);
        p->growth.room = 2;
        assert_null(add(p, GPA + 1, 16, false));
        assert_ptr_equal(p->chain.iov, place);
        if (i > 0) {
            assert_null(add(p, GPA + 100, 10, true));
            assert_ptr_equal(p->chain.iov, place);
            assert_ptr_equal(place[1].iov_base, p->host[0] + 100);
        }
        assert_null(i == 0 ? add(p, GPA + PART - 8, 16, true) : add(p, GPA + 200, 20, true));
        assert_ptr_equal(p->chain.iov, p->iov);
        assert_null(add(p, i == 2 ? 0x1000 : GPA + 300, 30, true));
        assert_int_equal(p->chain.writable, 3);
        assert_int_equal(p->chain.writable_bytes, i == 0 ? 46 : 60);
        assert_ptr_equal(p->iov[0].iov_base, p->host[0] + 1);
        assert_int_equal(p->iov[0].iov_len, 16);
        assert_ptr_equal(p->iov[1].iov_base, p->host[0] + (i == 0 ? PART - 8 : 100));
        assert_ptr_equal(p->iov[3].iov_base, i == 2 ? NULL : p->host[0] + 300);
        assert_int_equal(p->chain.holes, i == 2);
    }
}

/* SPLIT-12 */
static void test_readable_after_writable_is_broken(void **state)
{
    struct parts *p = *state;

    assert_null(add(p, GPA, 1, true));
    assert_string_equal(add(p, GPA, 1, false),
                        "a device-readable descriptor follows a device-writable one");
    assert_int_equal(p->chain.readable, 0);
}

/* The order holds for holes too: they are buffers like others. */
static void test_readable_after_writable_hole_is_broken(void **state)
{
    struct parts *p = *state;

    assert_null(add(p, 0, 1, true));
    assert_non_null(add(p, 0, 1, false));
}

/* SPLIT-18, conformance 15: in every position, both directions, also outside memory. */
static void test_empty_buffers_are_nothing(void **state)
{
    struct parts *p = *state;

    for (int i = 0; i < 256; i++) {
        assert_null(add(p, GPA, 0, (i & 1) != 0));
        assert_null(add(p, UINT64_MAX, 0, (i & 1) == 0));
    }
    assert_null(add(p, GPA, 5, false));
    assert_null(add(p, GPA, 0, true));
    assert_null(add(p, GPA, 6, false));
    assert_null(add(p, GPA, 5, true));
    assert_null(add(p, GPA, 0, false));
    assert_null(add(p, GPA, 5, true));
    assert_int_equal(p->chain.readable, 2);
    assert_int_equal(p->chain.writable, 2);
    assert_false(p->chain.holes);
}

/* SPLIT-16 */
static void test_buffer_over_three_regions_is_three_iovecs(void **state)
{
    struct parts *p = *state;

    assert_null(add(p, GPA, 3, false));
    assert_null(add(p, GPA + PART - 10, PART + 30, true));
    assert_int_equal(p->chain.readable, 1);
    assert_int_equal(p->chain.writable, 3);
    assert_int_equal(p->chain.writable_bytes, PART + 30);
    assert_ptr_equal(p->iov[1].iov_base, p->host[0] + PART - 10);
    assert_int_equal(p->iov[1].iov_len, 10);
    assert_ptr_equal(p->iov[2].iov_base, p->host[1]);
    assert_int_equal(p->iov[2].iov_len, PART);
    assert_ptr_equal(p->iov[3].iov_base, p->host[2]);
    assert_int_equal(p->iov[3].iov_len, 20);
    assert_int_equal(p->growth.spare, 6);
}

static void check_hole(struct parts *p, uint64_t gpa, uint32_t bytes, bool write)
{
    uint32_t at = p->chain.readable + p->chain.writable;

    p->chain.holes = false;
    assert_null(add(p, gpa, bytes, write));
    assert_true(p->chain.holes);
    assert_int_equal(p->chain.readable + p->chain.writable, at + 1);
    assert_null(p->iov[at].iov_base);
    assert_int_equal(p->iov[at].iov_len, bytes);
}

/* SPLIT-16: outside, running out of memory, wrapping 2^64. The ring is not at fault. */
static void test_outside_memory_is_a_hole(void **state)
{
    struct parts *p = *state;

    check_hole(p, 0, 1, false);
    check_hole(p, GPA - 1, 2, false);
    check_hole(p, GPA + 3 * PART - 1, 2, false);
    p->chain.readable_bytes = 0; /* make room below 2^32 */
    check_hole(p, GPA + PART, UINT32_MAX, false);
    p->chain.readable_bytes = 0;
    check_hole(p, UINT64_MAX, 1, false);
    check_hole(p, UINT64_MAX - 5, 4096, true);
    assert_null(add(p, GPA, 5, true));
    assert_int_equal(p->chain.readable, 5);
    assert_int_equal(p->chain.writable, 2);
    assert_int_equal(p->growth.spare, 8);
}

static void test_write_to_rom_is_a_hole_and_read_is_not(void **state)
{
    struct parts *p = *state;

    assert_null(add(p, ROM, 8, false));
    assert_false(p->chain.holes);
    check_hole(p, ROM, 8, true);
}

/* SPLIT-17: sums in 64 bits, and a chain beyond 2^32 is refused. */
static void test_more_than_4_gib_is_broken(void **state)
{
    struct parts *p = *state;

    check_hole(p, GPA, UINT32_MAX, false);
    assert_null(add(p, GPA, 1, true));
    assert_int_equal(p->chain.readable_bytes + p->chain.writable_bytes, UINT64_C(1) << 32);
    assert_string_equal(add(p, GPA, 1, true), "a chain is longer than 2^32 bytes");
    assert_string_equal(add(p, GPA, UINT32_MAX, true), "a chain is longer than 2^32 bytes");
}

/* A buffer that crosses more regions than the scratch has room for cannot overflow it: it becomes a
 * hole. */
static void test_too_many_crossings_is_a_hole(void **state)
{
    struct parts *p = *state;

    p->growth.spare = 3;
    assert_null(add(p, GPA, 3 * PART, true));
    assert_int_equal(p->growth.spare, 1);
    check_hole(p, GPA, 3 * PART, true);
    assert_null(add(p, GPA, 2 * PART, true));
    assert_int_equal(p->growth.spare, 0);
    check_hole(p, GPA, 2 * PART, true);
    assert_null(add(p, GPA, PART, true));
    assert_int_equal(p->chain.writable, 3 + 1 + 2 + 1 + 1);
    assert_int_equal(p->chain.writable_bytes, (3 + 3 + 2 + 2 + 1) * PART);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_readable_then_writable),
        CASE(test_it_outgrows_its_place),
        CASE(test_readable_after_writable_is_broken),
        CASE(test_readable_after_writable_hole_is_broken),
        CASE(test_empty_buffers_are_nothing),
        CASE(test_buffer_over_three_regions_is_three_iovecs),
        CASE(test_outside_memory_is_a_hole),
        CASE(test_write_to_rom_is_a_hole_and_read_is_not),
        CASE(test_more_than_4_gib_is_broken),
        CASE(test_too_many_crossings_is_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
