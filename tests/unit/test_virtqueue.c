/*
 * test_virtqueue.c: the queue as an object: which configurations are taken, where it starts, how it
 * breaks, how it is moved.
 */
#include <errno.h>

#include "ring_model.h"
#include "tenon/base.h"

static int check_both(struct model *m)
{
    struct tn_vq *vq = NULL;
    int checked = tn_vq_check(&m->config, m->mem);
    int made = tn_vq_new(&m->config, &m->view, &vq);

    assert_int_equal(checked, made); /* what the check lets through, starts */
    tn_vq_free(vq);
    return checked;
}

/* SPLIT-02, SPLIT-03, A21, K14: nothing is rounded, nothing is cut to 16 bits. */
static void test_sizes(void **state)
{
    static const uint32_t bad[] = { 0,     3,     5,     255,        300,       32767,
                                    32769, 65536, 65792, 0x80000000, UINT32_MAX };
    struct model m;

    (void)state;
    model_open(&m, 32768, 0);
    for (uint32_t size = 1; size <= 32768; size *= 2) {
        m.config.size = size;
        assert_int_equal(check_both(&m), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        m.config.size = bad[i];
        assert_int_equal(check_both(&m), -EINVAL);
        assert_non_null(strstr(tenon_error(), "queue size"));
    }
    model_close(&m);
}

/* SPLIT-01, SPLIT-03, B22 */
static void test_alignment(void **state)
{
    struct model m;
    struct tn_vq_config good;

    (void)state;
    model_open(&m, 8, 0);
    good = m.config;
    for (unsigned off = 1; off < 16; off++) {
        m.config = good;
        m.config.desc_gpa += off;
        assert_int_equal(check_both(&m), -EINVAL);
        m.config = good;
        m.config.driver_gpa += off;
        assert_int_equal(check_both(&m), off % 2 == 0 ? 0 : -EINVAL);
        m.config = good;
        m.config.device_gpa += off;
        assert_int_equal(check_both(&m), off % 4 == 0 ? 0 : -EINVAL);
    }
    model_close(&m);
}

static void check_end(struct model *m, uint64_t *gpa, uint64_t bytes, unsigned align)
{
    uint64_t good = *gpa;
    uint64_t end = m->base + m->bytes;

    *gpa = end - tn_round_up(bytes, align);
    assert_int_equal(check_both(m), 0);
    *gpa = tn_round_down(end - bytes + align, align); /* at most `align` too far */
    assert_int_equal(check_both(m), -EFAULT);
    *gpa = end;
    assert_int_equal(check_both(m), -EFAULT);
    *gpa = m->base - align;
    assert_int_equal(check_both(m), -EFAULT);
    *gpa = UINT64_MAX - align + 1; /* wraps 2^64 */
    assert_int_equal(check_both(m), -EFAULT);
    *gpa = good;
}

/* SPLIT-01: exactly these sizes, the event words included, fit at the end of memory. */
static void test_areas_at_the_end_of_memory(void **state)
{
    struct model m;

    (void)state;
    for (uint32_t size = 1; size <= 32768; size *= 4) {
        model_open(&m, size, 0x40000000);
        check_end(&m, &m.config.desc_gpa, TN_DESC_BYTES(size), 16);
        check_end(&m, &m.config.driver_gpa, TN_AVAIL_BYTES(size), 2);
        check_end(&m, &m.config.device_gpa, TN_USED_BYTES(size), 4);
        model_close(&m);
    }
}

/* Conformance 19: the used ring in memory that devices may not write; the other two may lie
 * there. */
static void test_used_ring_in_rom(void **state)
{
    static uint8_t rom[65536] __attribute__((aligned(4096)));
    struct model m;
    struct tn_vq_config good;

    (void)state;
    model_open(&m, 8, 0x40000000);
    model_region(&m, 0, rom, sizeof(rom), TENON_REGION_READ_ONLY);
    good = m.config;
    m.config.desc_gpa = 0;
    m.config.driver_gpa = 4096;
    assert_int_equal(check_both(&m), 0);
    m.config = good;
    m.config.device_gpa = 8192;
    assert_int_equal(check_both(&m), -EFAULT);
    model_close(&m);
}

/* Rings are required to lie in one piece. */
static void test_ring_over_two_regions(void **state)
{
    static uint8_t low[4096], high[8192] __attribute__((aligned(4096)));
    struct model m;

    (void)state;
    model_open(&m, 256, 0x40000000);
    model_region(&m, 0x1000, high + 4096, 4096, 0);
    model_region(&m, 0x2000, low, 4096, 0);
    m.config.desc_gpa = 0x1800;
    assert_int_equal(check_both(&m), -EFAULT);
    model_close(&m);
}

/* An embedder's region may begin anywhere; our loads may not. */
static void test_region_at_an_odd_host_address(void **state)
{
    static uint8_t raw[8192] __attribute__((aligned(16)));
    struct tn_vq *vq = NULL;
    struct model m;

    (void)state;
    model_open(&m, 4, 0x40000000);
    model_region(&m, 0x1000, raw + 1, 4096, 0);
    m.config.driver_gpa = 0x1000;
    assert_int_equal(tn_vq_new(&m.config, &m.view, &vq), -EFAULT);
    assert_null(vq);
    model_close(&m);
}

/* A bad configuration touches nothing (SPLIT-03). */
static void test_refused_config_touches_no_memory(void **state)
{
    struct model m;

    (void)state;
    model_open(&m, 8, 0);
    memset(m.ram, 0x5a, m.bytes);
    m.config.driver_gpa = m.base + m.bytes;
    assert_int_equal(check_both(&m), -EFAULT);
    for (uint64_t i = 0; i < m.bytes; i++) {
        assert_int_equal(m.ram[i], 0x5a);
    }
    model_close(&m);
}

/* BASIC-43: a fresh queue starts at 0, whatever is in memory; a continued one where it is told
 * (VU-37). */
static void test_start_position(void **state)
{
    struct model m;
    struct tn_chain chain;

    (void)state;
    model_open(&m, 4, 0);
    m.used->idx = tn_to_le16(7);
    m.used->flags = tn_to_le16(1); /* left by a back-end that died */
    model_start(&m);
    assert_int_equal(tn_vq_next_avail(m.vq), 0);
    assert_int_equal(tn_from_le16(m.used->flags), 0); /* SPLIT-39 */
    model_desc(&m, 2, m.data_gpa, 1, 0, 0);
    model_offer(&m, 2);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    tn_vq_push(m.vq, 2, 0);
    tn_vq_publish(m.vq);
    assert_int_equal(tn_from_le16(m.used->idx), 1);
    assert_int_equal(tn_from_le32(m.used->ring[0].id), 2);
    model_kill(&m);

    m.config.next_avail = 65535;
    m.config.used_from_ring = true;
    m.used->idx = tn_to_le16(65533);
    m.avail_idx = 65535;
    model_start(&m);
    model_offer(&m, 2);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(tn_vq_next_avail(m.vq), 0);
    tn_vq_push(m.vq, 2, 0);
    tn_vq_publish(m.vq);
    assert_int_equal(tn_from_le16(m.used->idx), 65534);
    assert_int_equal(tn_from_le32(m.used->ring[65533 % 4].id), 2);
    model_close(&m);
}

/* What a broken queue still does: nothing. */
static void test_broken_queue_writes_nothing(void **state)
{
    struct model m;
    struct tn_chain chain;
    uint8_t before[MODEL_PAGE];

    (void)state;
    for (int event_idx = 0; event_idx <= 1; event_idx++) {
        model_new(&m, 8, event_idx != 0);
        for (uint16_t i = 0; i < 3; i++) {
            model_desc(&m, i, m.data_gpa, 1, TN_DESC_F_WRITE, 0);
            model_offer(&m, i);
            assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
        }
        tn_vq_push(m.vq, 0, 1);
        memcpy(before, m.used, sizeof(before));
        tn_vq_break(m.vq, "no place for a status");
        tn_vq_break(m.vq, "a later reason");
        assert_string_equal(tn_vq_broken(m.vq), "no place for a status");
        tn_vq_push(m.vq, 1, 1);
        tn_vq_forget(m.vq, 2);
        assert_int_equal(tn_vq_in_flight(m.vq), 0);
        assert_false(tn_vq_publish(m.vq));
        tn_vq_kicks_off(m.vq);
        assert_false(tn_vq_kicks_on(m.vq));
        assert_memory_equal(before, m.used, sizeof(before));
        model_expect_broken(&m, "no place");
        model_close(&m);
    }
}

/* Memory moves: same guest addresses, other pointers; then the rings are gone. */
static void test_remap(void **state)
{
    struct model m;
    struct tn_chain chain;
    uint8_t *moved;

    (void)state;
    model_new(&m, 8, false);
    model_desc(&m, 0, m.data_gpa, 4, 0, 0);
    model_offer(&m, 0);
    moved = mmap(NULL, m.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(moved != MAP_FAILED);
    memcpy(moved, m.ram, m.bytes);
    assert_int_equal(tenon_mem_remove(m.mem, m.base, m.bytes), 0);
    model_region(&m, m.base, moved, m.bytes, 0);
    assert_true(tn_vq_remap(m.vq));
    memset(m.ram, 0xff, m.bytes);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_ptr_equal(chain.iov[0].iov_base, moved + (m.data_gpa - m.base));

    assert_int_equal(tenon_mem_remove(m.mem, m.base, m.bytes), 0);
    tn_view_refresh(&m.view);
    assert_false(tn_vq_remap(m.vq));
    tn_vq_push(m.vq, 0, 0); /* touches no ring */
    assert_false(tn_vq_publish(m.vq));
    model_expect_broken(&m, "not in guest memory any more");
    munmap(moved, m.bytes);
    model_close(&m);
}

static void test_max_iovecs(void **state)
{
    struct model m;

    (void)state;
    for (uint32_t size = 1; size <= 32768; size *= 2) {
        model_open(&m, size, 0);
        model_start(&m);
        assert_int_equal(tn_vq_max_iovecs(m.vq), 2 * TN_CHAIN_MAX);
        model_kill(&m);
        m.config.indirect = false;
        model_start(&m);
        assert_int_equal(tn_vq_max_iovecs(m.vq),
                         TN_CHAIN_MAX + (size < TN_CHAIN_MAX ? size : TN_CHAIN_MAX));
        model_close(&m);
    }
    tn_vq_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_areas_at_the_end_of_memory),
        cmocka_unit_test(test_used_ring_in_rom),
        cmocka_unit_test(test_ring_over_two_regions),
        cmocka_unit_test(test_region_at_an_odd_host_address),
        cmocka_unit_test(test_refused_config_touches_no_memory),
        cmocka_unit_test(test_start_position),
        cmocka_unit_test(test_broken_queue_writes_nothing),
        cmocka_unit_test(test_remap),
        cmocka_unit_test(test_max_iovecs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
