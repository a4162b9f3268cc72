/*
 * test_mmio_registers.c: the register file and the status machine of virtio-mmio: items 1 to 11 of
 * the conformance list, MMIO-01..45, BASIC-01..47.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>
#include <pthread.h>

#include "harness.h"

enum {
    ACK = TN_STATUS_ACKNOWLEDGE,
    DRIVER = ACK | TN_STATUS_DRIVER,
    AGREED = DRIVER | TN_STATUS_FEATURES_OK,
    LIVE = AGREED | TN_STATUS_DRIVER_OK
};

static uint32_t get(struct rig *rig, uint64_t offset)
{
    return tnd_mmio_get(rig->driver, offset);
}

static void set(struct rig *rig, uint64_t offset, uint32_t value)
{
    tnd_mmio_set(rig->driver, offset, value);
}

static uint32_t status(struct rig *rig)
{
    return get(rig, TN_MMIO_STATUS);
}

/* Writes Status and says what it reads then. */
static uint32_t step(struct rig *rig, uint32_t value)
{
    set(rig, TN_MMIO_STATUS, value);
    return status(rig);
}

static struct rig *fresh(void **state)
{
    struct rig_options o = { .no_start = true };
    return rig_new(state, &o);
}

static void driver_features(struct rig *rig, uint32_t word, uint32_t value)
{
    set(rig, TN_MMIO_DRIVER_FEATURES_SEL, word);
    set(rig, TN_MMIO_DRIVER_FEATURES, value);
}

static uint32_t device_features(struct rig *rig, uint32_t word)
{
    set(rig, TN_MMIO_DEVICE_FEATURES_SEL, word);
    return get(rig, TN_MMIO_DEVICE_FEATURES);
}

/* From nothing to FEATURES_OK with these bits; whether the device agreed. */
static bool agrees(struct rig *rig, uint64_t low)
{
    assert_int_equal(step(rig, 0), 0);
    step(rig, ACK);
    assert_int_equal(step(rig, DRIVER), DRIVER);
    driver_features(rig, 0, (uint32_t)low);
    driver_features(rig, 1, (uint32_t)(low >> 32));
    return step(rig, AGREED) == AGREED;
}

static const uint64_t V1 = 1ull << TN_F_VERSION_1;

/* A ring that is placed and not yet told to the device. */
static struct tnd_ring *place_ring(struct rig *rig, unsigned queue, uint32_t size)
{
    struct tnd_ring **ring = &rig->driver->queues[queue].ring;
    assert_int_equal(tnd_ring_new(rig->ram, 0, size, 0, ring), 0);
    if (queue >= rig->driver->queue_count) {
        rig->driver->queue_count = queue + 1;
    }
    return *ring;
}

static void tell_ring(struct rig *rig, unsigned queue, const struct tnd_ring *ring)
{
    tnd_mmio_queue_registers(rig->driver, queue, ring->size, ring->desc_gpa, ring->avail_gpa,
                             ring->used_gpa);
}

static uint32_t ready(struct rig *rig, uint32_t value)
{
    set(rig, TN_MMIO_QUEUE_READY, value);
    return get(rig, TN_MMIO_QUEUE_READY);
}

/* ---- item 1 ---- */

static void item01_identity_MMIO_01_02_03_04(void **state)
{
    struct rig *rig = fresh(state);
    assert_int_equal(get(rig, TN_MMIO_MAGIC_VALUE), 0x74726976);
    assert_int_equal(get(rig, TN_MMIO_VERSION), 2);
    assert_int_equal(get(rig, TN_MMIO_DEVICE_ID), 2);
    uint32_t vendor = get(rig, TN_MMIO_VENDOR_ID);
    assert_int_equal(vendor, 0x4e4e4554);
    assert_int_equal(get(rig, TN_MMIO_VENDOR_ID), vendor);
    assert_int_equal(status(rig), 0); /* BASIC-01 */
}

static bool is_readable(uint64_t offset)
{
    static const uint16_t readable[] = { 0x000, 0x004, 0x008, 0x00c, 0x010, 0x034, 0x044, 0x060,
                                         0x070, 0x0b0, 0x0b4, 0x0b8, 0x0bc, 0x0c0, 0x0fc };
    for (unsigned i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
        if (readable[i] == offset) {
            return true;
        }
    }
    return false;
}

static void item01_other_offsets_read_0_MMIO_42(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    for (uint64_t offset = 0; offset < 0x100; offset += 4) {
        if (!is_readable(offset)) {
            assert_int_equal(get(rig, offset), 0);
        }
    }
    for (unsigned i = 0; i < 4; i++) { /* writes of what cannot be written */
        uint32_t before = get(rig, i * 4);
        set(rig, i * 4, ~before);
        assert_int_equal(get(rig, i * 4), before);
    }
    set(rig, TN_MMIO_DEVICE_FEATURES, 0);
    set(rig, TN_MMIO_QUEUE_SIZE_MAX, 1);
    set(rig, TN_MMIO_INTERRUPT_STATUS, 3);
    set(rig, TN_MMIO_CONFIG_GENERATION, 77);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_SIZE_MAX), 256);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), 0);
    rig_check_alive(rig, 0);
}

static void item01_other_widths_are_refused_MMIO_40(void **state)
{
    static const uint8_t ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    static const uint8_t zero[8] = { 0 };
    struct rig *rig = fresh(state);
    for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
        for (unsigned shift = 0; shift < 4; shift++) {
            uint8_t got[8];
            if (bytes == 4 && shift == 0) {
                continue;
            }
            memset(got, 0xaa, sizeof(got));
            tnd_mmio_get_raw(rig->driver, TN_MMIO_MAGIC_VALUE + shift, got, bytes);
            assert_memory_equal(got, zero, bytes);
            tnd_mmio_set_raw(rig->driver, TN_MMIO_STATUS + shift, ones, bytes);
            assert_int_equal(status(rig), 0);
        }
    }
    assert_int_equal(step(rig, ACK), ACK);
    tnd_mmio_set_raw(rig->driver, TN_MMIO_STATUS, zero, 1); /* no reset by a byte */
    assert_int_equal(status(rig), ACK);
}

static void no_shared_memory_MMIO_20_21_22(void **state)
{
    static const uint32_t ids[] = { 0, 1, 255, 0xffffffff };
    struct rig *rig = fresh(state);
    for (unsigned i = 0; i < 4; i++) {
        set(rig, TN_MMIO_SHM_SEL, ids[i]);
        for (uint64_t offset = TN_MMIO_SHM_LEN_LOW; offset <= TN_MMIO_SHM_BASE_HIGH; offset += 4) {
            assert_int_equal(get(rig, offset), 0xffffffff);
        }
    }
}

/* ---- item 2 ---- */

static void item02_the_order_BASIC_01_07(void **state)
{
    struct rig *rig = fresh(state);
    assert_int_equal(step(rig, ACK), ACK);
    assert_int_equal(step(rig, DRIVER), DRIVER);
    driver_features(rig, 1, 1);
    assert_int_equal(step(rig, AGREED), AGREED);
    tell_ring(rig, 0, place_ring(rig, 0, 16));
    assert_int_equal(ready(rig, 1), 1);
    assert_int_equal(step(rig, LIVE), LIVE);
    rig_check_alive(rig, 0);
}

static void item02_skipped_steps_are_refused_BASIC_07(void **state)
{
    struct rig *rig = fresh(state);
    static const uint32_t from[] = { 0, ACK, DRIVER, AGREED };
    for (unsigned f = 0; f < 4; f++) {
        for (uint32_t value = 1; value < 256; value++) {
            uint32_t legal_next = f == 0 ? ACK : f == 1 ? DRIVER : f == 2 ? AGREED : LIVE;
            if (value == legal_next || value & TN_STATUS_FAILED) {
                continue;
            }
            step(rig, 0);
            for (unsigned i = 1; i <= f; i++) {
                if (i == 3) {
                    driver_features(rig, 1, 1);
                }
                step(rig, from[i]);
            }
            assert_int_equal(status(rig), from[f]);
            uint32_t now = step(rig, value);
            /*
             * More than one step at once is refused; bits that are set stay; none appears that was
             * not written.
             */
            assert_int_equal(now, from[f]);
        }
    }
}

static void item02_nothing_runs_without_the_steps_BASIC_02(void **state)
{
    struct rig *rig = fresh(state);
    struct tnd_ring *ring = place_ring(rig, 0, 16);
    struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
    assert_int_equal(tnd_blk_add(rig->driver, 0, &r), 0);
    tnd_ring_publish(ring);
    set(rig, TN_MMIO_STATUS, LIVE); /* all at once */
    tell_ring(rig, 0, ring);
    set(rig, TN_MMIO_QUEUE_READY, 1);
    set(rig, TN_MMIO_STATUS, ACK | TN_STATUS_DRIVER_OK);
    tnd_notify(rig->driver, 0);
    tnd_settle(rig->driver, 10);
    assert_int_equal(tnd_raw_used_idx(ring), 0);
    assert_int_equal(tnd_mmio_raised(rig->driver), 0);
    tnd_blk_forget(rig->driver, &r);
}

/* ---- item 3 ---- */

static void item03_version_1_is_required_BASIC_12_18(void **state)
{
    struct rig *rig = fresh(state);
    assert_false(agrees(rig, 0));
    assert_int_equal(status(rig), DRIVER);
    assert_false(agrees(rig, 1ull << TN_BLK_F_FLUSH));
    assert_true(agrees(rig, V1));
}

static void item03_bits_that_were_not_offered_BASIC_12(void **state)
{
    struct rig *rig = fresh(state);
    uint64_t offered = device_features(rig, 0) | (uint64_t)device_features(rig, 1) << 32;
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_int_equal(agrees(rig, V1 | 1ull << bit), (offered >> bit & 1) != 0);
    }
    for (uint32_t word = 2; word < 8; word++) { /* MMIO-08: words beyond the offered ones */
        step(rig, 0);
        step(rig, ACK);
        step(rig, DRIVER);
        driver_features(rig, 1, 1);
        driver_features(rig, word, 4);
        assert_int_equal(step(rig, AGREED), DRIVER);
    }
}

static void item03_features_are_fixed_after_features_ok_BASIC_19(void **state)
{
    struct rig *rig = fresh(state);
    assert_true(agrees(rig, V1));
    driver_features(rig, 0, 0xffffffff);
    driver_features(rig, 1, 0);
    tell_ring(rig, 0, place_ring(rig, 0, 16));
    assert_int_equal(ready(rig, 1), 1);
    assert_int_equal(step(rig, LIVE), LIVE);
    rig_check_alive(rig, 0);
    /* FLUSH was not accepted in time: it is no command of this device now (BLK-27). */
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_UNSUPP);
    driver_features(rig, 1, 1u << (TN_F_RING_RESET - 32)); /* nor is this one (MMIO-35) */
    set(rig, TN_MMIO_QUEUE_SEL, 0);
    set(rig, TN_MMIO_QUEUE_RESET, 1);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 1);
    rig_check_alive(rig, 0);
}

static void item03_words_are_independent_MMIO_07(void **state)
{
    struct rig *rig = fresh(state);
    step(rig, ACK);
    step(rig, DRIVER);
    driver_features(rig, 1, 0xffffffff); /* wrong, and replaced below */
    driver_features(rig, 0, 0xffffffff);
    driver_features(rig, 0, 0);
    driver_features(rig, 1, 1);
    assert_int_equal(step(rig, AGREED), AGREED);
}

static void item03_offered_words_MMIO_05_06_BASIC_13(void **state)
{
    struct rig *rig = fresh(state);
    uint64_t allowed =
        1ull << TN_BLK_F_SIZE_MAX | 1ull << TN_BLK_F_SEG_MAX | 1ull << TN_BLK_F_BLK_SIZE |
        1ull << TN_BLK_F_FLUSH | 1ull << TN_BLK_F_TOPOLOGY | 1ull << TN_BLK_F_CONFIG_WCE |
        1ull << TN_BLK_F_MQ | 1ull << TN_BLK_F_DISCARD | 1ull << TN_BLK_F_WRITE_ZEROES |
        1ull << TN_F_INDIRECT_DESC | 1ull << TN_F_EVENT_IDX | V1 | 1ull << TN_F_RING_RESET;
    uint64_t offered = device_features(rig, 0) | (uint64_t)device_features(rig, 1) << 32;
    /* BASIC-17, BASIC-27, BASIC-47, BASIC-49, BLK-47, BLK-60, MMIO-43: exactly these. */
    assert_true(offered == allowed);
    static const uint32_t beyond[] = { 2, 3, 4, 0x10000, 0x80000000, 0xffffffff };
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(device_features(rig, beyond[i]), 0);
    }
}

static void item03_any_subset_again_and_again_BASIC_11_14(void **state)
{
    struct rig *rig = fresh(state);
    uint64_t offered = device_features(rig, 0) | (uint64_t)device_features(rig, 1) << 32;
    uint32_t x = 1;
    for (unsigned i = 0; i < 300; i++) {
        x = x * 1664525u + 1013904223u;
        uint64_t subset = ((uint64_t)x << 32 | (x * 2654435761u)) & offered;
        assert_true(agrees(rig, subset | V1));
    }
    assert_true(agrees(rig, offered));
}

/* ---- item 4 ---- */

static void item04_bits_stay_BASIC_06_08(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    static const uint32_t values[] = { ACK,
                                       DRIVER,
                                       AGREED,
                                       TN_STATUS_DRIVER,
                                       TN_STATUS_DRIVER_OK,
                                       LIVE,
                                       LIVE | TN_STATUS_NEEDS_RESET,
                                       LIVE | 16,
                                       LIVE | 32 };
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(step(rig, values[i]), LIVE);
    }
    rig_check_alive(rig, 0);
}

static void item04_failed_is_always_taken_BASIC_09(void **state)
{
    static const uint32_t from[] = { 0, ACK, DRIVER, AGREED };
    struct rig *rig = fresh(state);
    for (unsigned f = 0; f < 4; f++) {
        step(rig, 0);
        for (unsigned i = 1; i <= f; i++) {
            if (i == 3) {
                driver_features(rig, 1, 1);
            }
            step(rig, from[i]);
        }
        assert_int_equal(step(rig, from[f] | TN_STATUS_FAILED), from[f] | TN_STATUS_FAILED);
        for (uint32_t i = 1; i < 4; i++) {
            assert_int_equal(step(rig, from[i]), from[f] | TN_STATUS_FAILED);
        }
    }
}

static void item04_no_work_after_failed_BASIC_09(void **state)
{
    struct rig *rig = fresh(state);
    tnd_mmio_kick_by_fd(rig->driver, true); /* a kick that does not pass the registers */
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
    assert_int_equal(step(rig, LIVE | TN_STATUS_FAILED), LIVE | TN_STATUS_FAILED);
    tnd_settle(rig->driver, 10);
    struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
    uint16_t used = tnd_raw_used_idx(rig->driver->queues[0].ring);
    assert_int_equal(tnd_blk_add(rig->driver, 0, &r), 0);
    tnd_ring_publish(rig->driver->queues[0].ring);
    tnd_notify(rig->driver, 0);
    tnd_settle(rig->driver, 20);
    assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), used);
    tnd_blk_forget(rig->driver, &r);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- item 5 ---- */

static void item05_queue_registers_before_features_ok_MMIO_38(void **state)
{
    struct rig *rig = fresh(state);
    struct tnd_ring *ring = place_ring(rig, 0, 16);
    for (unsigned i = 0; i < 3; i++) {
        tell_ring(rig, 0, ring);
        assert_int_equal(ready(rig, 1), 0);
        step(rig, i == 0 ? ACK : DRIVER);
    }
    driver_features(rig, 1, 1);
    assert_int_equal(step(rig, AGREED), AGREED);
    assert_int_equal(ready(rig, 1), 0); /* what was written before has no effect now either */
    tell_ring(rig, 0, ring);
    assert_int_equal(ready(rig, 1), 1);
}

static void item05_sizes_MMIO_11_37(void **state)
{
    static const uint32_t bad[] = { 0,     3,     100,        255,        257,       512,
                                    32768, 65536, 65536 + 16, 0x80000000, 0xffffffff };
    struct rig *rig = fresh(state);
    struct tnd_ring *ring = place_ring(rig, 0, 256);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(agrees(rig, V1));
        tell_ring(rig, 0, ring);
        set(rig, TN_MMIO_QUEUE_SIZE, bad[i]);
        assert_int_equal(ready(rig, 1), 0);
    }
    for (uint32_t size = 1; size <= 256; size *= 2) {
        assert_true(agrees(rig, V1));
        tell_ring(rig, 0, ring);
        set(rig, TN_MMIO_QUEUE_SIZE, size);
        assert_int_equal(ready(rig, 1), 1);
    }
}

static void item05_addresses_MMIO_17_18_19_37_SPLIT_01_03(void **state)
{
    struct rig *rig = fresh(state);
    const uint64_t high_end = RIG_HIGH_GPA + 0x100000;
    const uint64_t d = TN_DESC_BYTES(16), a = TN_AVAIL_BYTES(16), u = TN_USED_BYTES(16);
    const struct {
        uint64_t desc, avail, used;
        uint32_t ready;
    } cases[] = {
        { 0x1000, 0x2000, 0x3000, 1 },
        { 0, 0x2000, 0x3000, 1 }, /* memory begins at 0 */
        { 0x1000, 0, 0x3000, 1 },
        { 0x1000, 0x2000, 0, 1 },
        { 0x1001, 0x2000, 0x3000, 0 },
        { 0x1008, 0x2000, 0x3000, 0 },
        { 0x1000, 0x2001, 0x3000, 0 },
        { 0x1000, 0x2002, 0x3000, 1 },
        { 0x1000, 0x2000, 0x3002, 0 },
        { 0x1000, 0x2000, 0x3004, 1 },
        { RIG_NOWHERE_GPA, 0x2000, 0x3000, 0 },
        { 0x1000, RIG_NOWHERE_GPA, 0x3000, 0 },
        { 0x1000, 0x2000, RIG_NOWHERE_GPA, 0 },
        { high_end - d, RIG_HIGH_GPA, RIG_HIGH_GPA + 0x1000, 1 },
        { high_end - d + 16, RIG_HIGH_GPA, RIG_HIGH_GPA + 0x1000, 0 },
        { RIG_HIGH_GPA, high_end - a, RIG_HIGH_GPA + 0x1000, 1 },
        { RIG_HIGH_GPA, high_end - a + 2, RIG_HIGH_GPA + 0x1000, 0 },
        { RIG_HIGH_GPA, RIG_HIGH_GPA + 0x1000, (high_end - u) & ~3ull, 1 },
        { RIG_HIGH_GPA, RIG_HIGH_GPA + 0x1000, ((high_end - u) & ~3ull) + 4, 0 },
        { UINT64_MAX - 15, 0x2000, 0x3000, 0 }, /* wraps */
        { 0x1000, UINT64_MAX - 1, 0x3000, 0 },
        { 0x1000, 0x2000, UINT64_MAX - 3, 0 },
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(agrees(rig, V1));
        tnd_mmio_queue_registers(rig->driver, 0, 16, cases[i].desc, cases[i].avail, cases[i].used);
        if (ready(rig, 1) != cases[i].ready) {
            fail_msg("case %u: QueueReady is not %u", i, cases[i].ready);
        }
    }
}

static void item05_halves_in_any_order_MMIO_17(void **state)
{
    struct rig *rig = fresh(state);
    assert_true(agrees(rig, V1));
    tnd_mmio_queue_registers(rig->driver, 0, 16, ~0ull, ~0ull, ~0ull);
    set(rig, TN_MMIO_QUEUE_DESC_HIGH, (uint32_t)(RIG_HIGH_GPA >> 32));
    set(rig, TN_MMIO_QUEUE_DESC_LOW, (uint32_t)RIG_HIGH_GPA);
    set(rig, TN_MMIO_QUEUE_DRIVER_LOW, (uint32_t)RIG_HIGH_GPA + 0x1000);
    set(rig, TN_MMIO_QUEUE_DEVICE_LOW, (uint32_t)RIG_HIGH_GPA + 0x2000);
    set(rig, TN_MMIO_QUEUE_DEVICE_HIGH, (uint32_t)(RIG_HIGH_GPA >> 32));
    assert_int_equal(ready(rig, 1), 0);
    set(rig, TN_MMIO_QUEUE_DRIVER_HIGH, (uint32_t)(RIG_HIGH_GPA >> 32));
    assert_int_equal(ready(rig, 1), 1);
}

static void item05_absent_queues_MMIO_10_39_BASIC_40(void **state)
{
    static const uint32_t absent[] = { 1, 2, 255, 256, 0xffff, 0x10000, 0x80000000, 0xffffffff };
    struct rig *rig = fresh(state);
    assert_true(agrees(rig, V1));
    for (unsigned i = 0; i < 8; i++) {
        tnd_mmio_queue_registers(rig->driver, absent[i], 16, 0x1000, 0x2000, 0x3000);
        assert_int_equal(get(rig, TN_MMIO_QUEUE_SIZE_MAX), 0);
        assert_int_equal(ready(rig, 1), 0);
        set(rig, TN_MMIO_QUEUE_RESET, 1);
        assert_int_equal(get(rig, TN_MMIO_QUEUE_RESET), 0);
    }
    set(rig, TN_MMIO_QUEUE_SEL, 0);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_SIZE_MAX), 256);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 0);
}

static void item05_registers_of_a_ready_queue_MMIO_38(void **state)
{
    struct rig *rig = fresh(state);
    assert_true(agrees(rig, V1));
    tell_ring(rig, 0, place_ring(rig, 0, 16));
    assert_int_equal(ready(rig, 1), 1);
    tnd_mmio_queue_registers(rig->driver, 0, 8, 0x4000, 0x5000, 0x6000);
    assert_int_equal(step(rig, LIVE), LIVE); /* starts what was ready, where it was */
    tnd_mmio_queue_registers(rig->driver, 0, 2, 0, 0, 0);
    rig_check_alive(rig, 0);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 1);
    rig_check_alive(rig, 0);
}

/* ---- item 6 ---- */

static void item06_sixteen_queues_MMIO_09(void **state)
{
    struct rig_options o = { .blk = { .queues = 16 }, .no_start = true };
    struct rig *rig = rig_new(state, &o);
    assert_true(agrees(rig, V1 | 1ull << TN_BLK_F_MQ));
    for (unsigned q = 0; q < 16; q++) {
        struct tnd_ring *ring = place_ring(rig, q, 1u << (2 + q % 5));
        tell_ring(rig, q, ring);
    }
    for (unsigned q = 0; q < 16; q += 3) { /* in another order, with other selectors between */
        set(rig, TN_MMIO_DEVICE_FEATURES_SEL, 7);
        set(rig, TN_MMIO_QUEUE_SEL, q);
        assert_int_equal(ready(rig, 1), 1);
    }
    for (unsigned q = 0; q < 16; q++) {
        set(rig, TN_MMIO_QUEUE_SEL, q);
        assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), q % 3 == 0);
        assert_int_equal(get(rig, TN_MMIO_QUEUE_SIZE_MAX), 256);
    }
    set(rig, TN_MMIO_QUEUE_SEL, 16);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_SIZE_MAX), 0);
    assert_int_equal(step(rig, LIVE), LIVE);
    for (unsigned q = 0; q < 16; q += 3) {
        rig_check_alive(rig, q);
    }
}

/* ---- item 7 ---- */

static void item07_notify_before_driver_ok_BASIC_02_03_MMIO_44(void **state)
{
    struct rig *rig = fresh(state);
    assert_true(agrees(rig, V1));
    struct tnd_ring *ring = place_ring(rig, 0, 16);
    struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
    assert_int_equal(tnd_blk_add(rig->driver, 0, &r), 0);
    tnd_ring_publish(ring);
    tnd_ring_irq_on(ring);
    tell_ring(rig, 0, ring);
    tnd_notify(rig->driver, 0); /* not ready */
    assert_int_equal(ready(rig, 1), 1);
    tnd_notify(rig->driver, 0); /* ready, but not DRIVER_OK */
    tnd_settle(rig->driver, 10);
    assert_int_equal(tnd_raw_used_idx(ring), 0);
    assert_int_equal(tnd_mmio_raised(rig->driver), 0);
    /* DRIVER_OK: found without another kick. */
    assert_int_equal(step(rig, LIVE), LIVE);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
    assert_int_equal(r.status, TN_BLK_S_OK);
}

static void item07_notify_of_absent_queues_MMIO_13(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    static const uint32_t absent[] = { 1, 255, 256, 65536, 0x10000, 0xffffffff };
    for (unsigned i = 0; i < 6; i++) {
        set(rig, TN_MMIO_QUEUE_NOTIFY, absent[i]);
    }
    tnd_settle(rig->driver, 5);
    rig_check_alive(rig, 0);
}

static void item07_notify_of_a_stopped_queue_MMIO_32_36(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tnd_ring *ring = rig->driver->queues[0].ring;
    rig_check_alive(rig, 0);
    set(rig, TN_MMIO_QUEUE_SEL, 0);
    set(rig, TN_MMIO_QUEUE_READY, 0);
    for (unsigned i = 0; get(rig, TN_MMIO_QUEUE_READY) != 0 && i < 10000; i++) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 0);
    tnd_ring_clear(ring);
    struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
    assert_int_equal(tnd_blk_add(rig->driver, 0, &r), 0);
    tnd_ring_publish(ring);
    struct tnd_snapshot *before = tnd_ram_snapshot(rig->ram);
    uint64_t where;
    tnd_notify(rig->driver, 0);
    tnd_settle(rig->driver, 10);
    assert_true(tnd_snapshot_holds(before, &where));
    tnd_snapshot_free(before);
    tell_ring(rig, 0, ring);
    assert_int_equal(ready(rig, 1), 1);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
}

static void kick_by_ioeventfd(void **state)
{
    struct rig *rig = fresh(state);
    tnd_mmio_kick_by_fd(rig->driver, true);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    for (unsigned i = 0; i < 200; i++) {
        rig_check_alive(rig, 0);
    }
    assert_true(tenon_mmio_notify_fd(rig->window, 1) < 0);
}

/* ---- item 8 ---- */

static void item08_every_width_and_offset_BASIC_33_38_MMIO_25_41(void **state)
{
    struct rig *rig = fresh(state); /* readable before FEATURES_OK */
    uint8_t whole[256], got[8];
    for (unsigned i = 0; i < 256; i++) {
        tnd_mmio_get_raw(rig->driver, TN_MMIO_CONFIG + i, whole + i, 1);
    }
    for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
        for (unsigned i = 0; i + bytes <= 256; i++) {
            memset(got, 0xaa, sizeof(got));
            tnd_mmio_get_raw(rig->driver, TN_MMIO_CONFIG + i, got, bytes);
            assert_memory_equal(got, whole + i, bytes);
        }
    }
    for (unsigned i = sizeof(struct tn_blk_config); i < 256; i++) {
        assert_int_equal(whole[i], 0);
    }
    memset(got, 0xaa, sizeof(got)); /* partly past the end, far past it, and where sums wrap */
    tnd_mmio_get_raw(rig->driver, UINT64_MAX - 3, got, 4);
    tnd_mmio_get_raw(rig->driver, 0x100000000ull, got + 4, 4);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(got[i], 0);
    }
    assert_int_equal(tnd_blk_capacity(rig->driver), (8 << 20) / 512);
}

static void item08_writes_are_dropped_but_writeback_BASIC_39_BLK_09(void **state)
{
    struct rig *rig = fresh(state);
    uint8_t before[sizeof(struct tn_blk_config)], now[sizeof(before)];
    const unsigned writeback = offsetof(struct tn_blk_config, writeback);
    uint8_t value = 0;

    tnd_config_read(rig->driver, 0, before, sizeof(before));
    assert_int_equal(before[writeback], 1);
    tnd_config_write(rig->driver, writeback, &value, 1); /* before FEATURES_OK */
    tnd_config_read(rig->driver, 0, now, sizeof(now));
    assert_memory_equal(now, before, sizeof(now));
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    for (unsigned i = 0; i < sizeof(before); i++) {
        value = (uint8_t)(before[i] + 0x55);
        tnd_config_write(rig->driver, i, &value, 1);
    }
    uint64_t wide = ~0ull;
    tnd_mmio_set_raw(rig->driver, UINT64_MAX - 3, &wide, 4);
    tnd_mmio_set_raw(rig->driver, TN_MMIO_CONFIG + writeback, &wide,
                     4); /* 0xff is no value of it */
    tnd_config_read(rig->driver, 0, now, sizeof(now));
    assert_memory_equal(now, before, sizeof(now));
    for (unsigned i = 0; i < 4; i++) {
        value = i & 1;
        tnd_config_write(rig->driver, writeback, &value, 1);
        tnd_config_read(rig->driver, 0, now, sizeof(now));
        assert_int_equal(now[writeback], value);
    }
    value = 0;
    tnd_config_write(rig->driver, writeback, &value, 1);
    assert_int_equal(tnd_reset(rig->driver), 0); /* BLK-18, BASIC-32 */
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    tnd_config_read(rig->driver, 0, now, sizeof(now));
    assert_int_equal(now[writeback], 1);
}

static void item08_generation_BASIC_35_36_37_BLK_40(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    uint32_t generation = get(rig, TN_MMIO_CONFIG_GENERATION);
    for (unsigned i = 0; i < 1000; i++) {
        get(rig, TN_MMIO_CONFIG + i % 64);
        assert_int_equal(get(rig, TN_MMIO_CONFIG_GENERATION), generation);
    }
    uint64_t irqs = tnd_config_irqs(rig->driver);
    pthread_mutex_lock(&rig->fake->lock);
    rig->fake->info.bytes = 4 << 20;
    pthread_mutex_unlock(&rig->fake->lock);
    assert_int_equal(tenon_blk_resized(rig->device), 0);
    tnd_settle(rig->driver, 5);
    assert_int_not_equal(get(rig, TN_MMIO_CONFIG_GENERATION), generation);
    assert_int_equal(tnd_config_irqs(rig->driver), irqs + 1);
    assert_int_equal(tnd_blk_capacity(rig->driver), (4 << 20) / 512);
    uint8_t sector[512];
    assert_int_equal(tnd_blk_read(rig->driver, 0, (4 << 20) / 512 - 1, sector, 512), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_read(rig->driver, 0, (4 << 20) / 512, sector, 512),
                     TN_BLK_S_IOERR); /* BLK-41 */
}

/* ---- item 9 ---- */

static void item09_reset_is_complete_BASIC_29_32_MMIO_29_30(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
    struct tnd_used used;

    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    tnd_ring_irq_on(rig->driver->queues[0].ring);
    assert_int_equal(tnd_poll_used(rig->driver, 0, &used), 0);
    tnd_blk_forget(rig->driver, &r);
    uint64_t end = tnd_now_ms() + 10000;
    while (tnd_mmio_level(rig->driver) == 0 && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(tnd_mmio_level(rig->driver), 1); /* nobody acknowledged it */
    set(rig, TN_MMIO_DEVICE_FEATURES_SEL, 1);
    uint64_t requests = rig_stat(rig, "requests", 0);
    assert_int_equal(step(rig, 0), 0);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), 0);
    assert_int_equal(tnd_mmio_level(rig->driver), 0);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 0);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_RESET), 0);
    set(rig, TN_MMIO_DRIVER_FEATURES,
        0xffffffff); /* the selector is 0 again: refused as before DRIVER */
    assert_true(get(rig, TN_MMIO_DEVICE_FEATURES) & 1u << TN_BLK_F_FLUSH); /* selector 0 */
    assert_true(agrees(rig, V1));
    assert_int_equal(ready(rig, 1), 0);                       /* sizes and addresses are gone */
    assert_int_equal(rig_stat(rig, "requests", 0), requests); /* counters survive */
}

static void item09_new_chains_after_reset_BASIC_43(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    for (unsigned i = 0; i < 20; i++) {
        rig_check_alive(rig, 0);
        rig_check_alive(rig, 0);
        tnd_notify(rig->driver, 0); /* a kick may still be on its way */
        assert_int_equal(tnd_reset(rig->driver), 0);
        struct tnd_setup setup = { .queue_size = 4u << i % 5 };
        assert_int_equal(tnd_start(rig->driver, &setup), 0);
    }
    rig_check_alive(rig, 0);
    assert_int_equal(rig->driver->queues[0].ring->bad_used, 0);
}

static void nothing_after_status_reads_0_BASIC_30(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    uint8_t sector[512];
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in = sector, .in_bytes = 512 };
    uint64_t where;

    fake_hold(rig->fake, true);
    memset(rig->image, 0x77, 512);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    while (fake_held(rig->fake) == 0) {
        tnd_pass(rig->driver);
    }
    set(rig, TN_MMIO_STATUS, 0);
    assert_int_not_equal(status(rig), 0); /* BASIC-31: the read still holds guest memory */
    assert_int_not_equal(step(rig, ACK), ACK);
    fake_release_all(rig->fake);
    uint64_t end = tnd_now_ms() + 10000;
    while (status(rig) != 0 && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(status(rig), 0);
    struct tnd_snapshot *before = tnd_ram_snapshot(rig->ram);
    uint64_t raised = tnd_mmio_raised(rig->driver);
    tnd_settle(rig->driver, 20);
    assert_true(tnd_snapshot_holds(before, &where));
    assert_int_equal(tnd_mmio_raised(rig->driver), raised);
    assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), 0);
    tnd_snapshot_free(before);
    tnd_blk_forget(rig->driver, &r);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- item 10 ---- */

static void item10_needs_reset_once_BASIC_04_05_06(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    rig_check_alive(rig, 0);
    uint64_t irqs = tnd_config_irqs(rig->driver);
    struct tnd_ring *ring = rig->driver->queues[0].ring;
    uint16_t used = tnd_raw_used_idx(ring);
    tnd_raw_avail_idx(ring, (uint16_t)(ring->next_avail + 1000));
    tnd_notify(rig->driver, 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    for (unsigned i = 0; i < 5; i++) {
        tnd_notify(rig->driver, 0);
        tnd_settle(rig->driver, 5);
    }
    assert_int_equal(status(rig), LIVE | TN_STATUS_NEEDS_RESET);
    assert_int_equal(tnd_config_irqs(rig->driver), irqs + 1);
    assert_int_equal(tnd_raw_used_idx(ring), used);
    assert_int_equal(step(rig, LIVE), LIVE | TN_STATUS_NEEDS_RESET);
    assert_int_equal(step(rig, ACK), LIVE | TN_STATUS_NEEDS_RESET);
    rig_await_event(rig, &rig->broken, 1);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
    assert_int_equal(tnd_config_irqs(rig->driver), irqs + 1);
}

/* ---- item 11 ---- */

static void interrupt_bits_MMIO_14_15_26_28(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
    struct tnd_used used;

    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), 0);
    assert_int_equal(tnd_mmio_level(rig->driver), 0);
    tnd_ring_irq_on(rig->driver->queues[0].ring);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    assert_int_equal(tnd_poll_used(rig->driver, 0, &used), 0);
    tnd_blk_forget(rig->driver, &r);
    for (unsigned i = 0; tnd_mmio_level(rig->driver) == 0 && i < 10000; i++) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), TN_MMIO_INT_USED_BUFFER);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS),
                     TN_MMIO_INT_USED_BUFFER); /* no side effect */
    assert_int_equal(tenon_blk_resized(rig->device), 0);
    tnd_settle(rig->driver, 5);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), 3);
    set(rig, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_USED_BUFFER);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), TN_MMIO_INT_CONFIG);
    assert_int_equal(tnd_mmio_level(rig->driver), 1);
    set(rig, TN_MMIO_INTERRUPT_ACK, 0);
    set(rig, TN_MMIO_INTERRUPT_ACK, 0xfffffffd);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), TN_MMIO_INT_CONFIG);
    set(rig, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_CONFIG);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), 0);
    assert_int_equal(tnd_mmio_level(rig->driver), 0);
}

/* The line is lowered late: an event has come between the acknowledgement and that. */
static void late_line(void *opaque, int level)
{
    static bool inside;
    struct rig *rig = opaque;
    if (level == 0 && !inside) {
        inside = true;
        tenon_blk_resized(rig->device);
        inside = false;
    }
    tnd_mmio_irq(rig->driver, level);
}

static void item11_event_between_acknowledgement_and_lowering_MMIO_27(void **state)
{
    struct rig_options o = { .irq = late_line };
    struct rig *rig = rig_new(state, &o);
    assert_int_equal(tenon_blk_resized(rig->device), 0);
    tnd_settle(rig->driver, 5);
    assert_int_equal(tnd_mmio_level(rig->driver), 1);
    set(rig, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_CONFIG);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), TN_MMIO_INT_CONFIG);
    assert_int_equal(tnd_mmio_level(rig->driver), 1); /* not lost: the line is up again */
}

/* The line is raised late: the driver, which looked meanwhile, has acknowledged the event. */
static void early_driver(void *opaque, int level)
{
    struct rig *rig = opaque;
    if (level == 1) {
        set(rig, TN_MMIO_INTERRUPT_ACK, get(rig, TN_MMIO_INTERRUPT_STATUS));
    }
    tnd_mmio_irq(rig->driver, level);
}

static void acknowledged_before_the_line_rises_MMIO_28(void **state)
{
    struct rig_options o = { .irq = early_driver };
    struct rig *rig = rig_new(state, &o);
    assert_int_equal(tenon_blk_resized(rig->device), 0);
    tnd_settle(rig->driver, 5);
    assert_int_equal(tnd_mmio_raised(rig->driver), 1);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), 0);
    assert_int_equal(tnd_mmio_level(rig->driver), 0); /* or a level-triggered guest would storm */
}

struct resizer {
    struct rig *rig;
    bool stop;
    unsigned done;
};

static void *resize_loop(void *opaque)
{
    struct resizer *r = opaque;
    while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
        if (tenon_blk_resized(r->rig->device) == 0) {
            r->done++;
        }
        struct timespec pause = { .tv_nsec = 20000 };
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/*
 * The device raises used-buffer bits, another thread config bits, this one acknowledges: a lost one
 * is a time-out.
 */
static void item11_interrupts_and_acknowledgements_MMIO_27(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct resizer resizer = { .rig = rig };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, resize_loop, &resizer), 0);
    for (unsigned i = 0; i < 20000; i++) {
        struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
    }
    __atomic_store_n(&resizer.stop, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    /* The last change: after it there is one config interrupt to be seen. */
    uint64_t before = tnd_config_irqs(rig->driver);
    assert_true(before > 0);
    assert_int_equal(tenon_blk_resized(rig->device), 0);
    assert_int_equal(tnd_config_irqs(rig->driver), before + 1);
    assert_int_equal(tnd_mmio_level(rig->driver), 0);
    assert_int_equal(get(rig, TN_MMIO_INTERRUPT_STATUS), 0);
}

/* ---- queue reset ---- */

static void queue_reset_MMIO_23_33_34_BASIC_42_43_44(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE,
                             .blk = { .queues = 2 },
                             .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &o);
    uint8_t sector[512];
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in = sector, .in_bytes = 512 };
    uint64_t end = tnd_now_ms() + 10000;

    rig_check_alive(rig, 0);
    uint16_t used = tnd_raw_used_idx(rig->driver->queues[0].ring);
    fake_hold(rig->fake, true);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    while (fake_held(rig->fake) == 0) {
        tnd_pass(rig->driver);
    }
    set(rig, TN_MMIO_QUEUE_SEL, 0);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_RESET), 0);
    set(rig, TN_MMIO_QUEUE_RESET, 0); /* does nothing */
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 1);
    set(rig, TN_MMIO_QUEUE_RESET, 1);
    tnd_settle(rig->driver, 5);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_RESET), 1);
    fake_hold(rig->fake, false);
    rig_check_alive(rig, 1); /* the other queue works meanwhile */
    fake_release_all(rig->fake);
    set(rig, TN_MMIO_QUEUE_SEL, 0);
    while (get(rig, TN_MMIO_QUEUE_RESET) != 0 && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(get(rig, TN_MMIO_QUEUE_RESET), 0);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 0);
    assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), used);
    tnd_blk_forget(rig->driver, &r);
    assert_int_equal(ready(rig, 1), 0); /* its registers are at their defaults */
    tnd_ring_free(rig->driver->queues[0].ring);
    rig->driver->queues[0].ring = NULL;
    tell_ring(rig, 0, place_ring(rig, 0, 8)); /* BASIC-44: other size, other place */
    rig->driver->queues[0].ring->event_idx = true;
    assert_int_equal(ready(rig, 1), 1);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_RESET), 0);
    rig_check_alive(rig, 0);
    rig_check_alive(rig, 1);
}

static void queue_reset_without_the_feature_MMIO_35(void **state)
{
    struct rig_options o = { .setup = { .without = { 1ull << TN_F_RING_RESET } } };
    struct rig *rig = rig_new(state, &o);
    set(rig, TN_MMIO_QUEUE_SEL, 0);
    set(rig, TN_MMIO_QUEUE_RESET, 1);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_RESET), 0);
    assert_int_equal(get(rig, TN_MMIO_QUEUE_READY), 1);
    rig_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(item01_identity_MMIO_01_02_03_04, RIG_MMIO),
    RIG_TEST_ON(item01_other_offsets_read_0_MMIO_42, RIG_MMIO),
    RIG_TEST_ON(item01_other_widths_are_refused_MMIO_40, RIG_MMIO),
    RIG_TEST_ON(no_shared_memory_MMIO_20_21_22, RIG_MMIO),
    RIG_TEST_ON(item02_the_order_BASIC_01_07, RIG_MMIO),
    RIG_TEST_ON(item02_skipped_steps_are_refused_BASIC_07, RIG_MMIO),
    RIG_TEST_ON(item02_nothing_runs_without_the_steps_BASIC_02, RIG_MMIO),
    RIG_TEST_ON(item03_version_1_is_required_BASIC_12_18, RIG_MMIO),
    RIG_TEST_ON(item03_bits_that_were_not_offered_BASIC_12, RIG_MMIO),
    RIG_TEST_ON(item03_features_are_fixed_after_features_ok_BASIC_19, RIG_MMIO),
    RIG_TEST_ON(item03_words_are_independent_MMIO_07, RIG_MMIO),
    RIG_TEST_ON(item03_offered_words_MMIO_05_06_BASIC_13, RIG_MMIO),
    RIG_TEST_ON(item03_any_subset_again_and_again_BASIC_11_14, RIG_MMIO),
    RIG_TEST_ON(item04_bits_stay_BASIC_06_08, RIG_MMIO),
    RIG_TEST_ON(item04_failed_is_always_taken_BASIC_09, RIG_MMIO),
    RIG_TEST_ON(item04_no_work_after_failed_BASIC_09, RIG_MMIO),
    RIG_TEST_ON(item05_queue_registers_before_features_ok_MMIO_38, RIG_MMIO),
    RIG_TEST_ON(item05_sizes_MMIO_11_37, RIG_MMIO),
    RIG_TEST_ON(item05_addresses_MMIO_17_18_19_37_SPLIT_01_03, RIG_MMIO),
    RIG_TEST_ON(item05_halves_in_any_order_MMIO_17, RIG_MMIO),
    RIG_TEST_ON(item05_absent_queues_MMIO_10_39_BASIC_40, RIG_MMIO),
    RIG_TEST_ON(item05_registers_of_a_ready_queue_MMIO_38, RIG_MMIO),
    RIG_TEST_ON(item06_sixteen_queues_MMIO_09, RIG_MMIO),
    RIG_TEST_ON(item07_notify_before_driver_ok_BASIC_02_03_MMIO_44, RIG_MMIO),
    RIG_TEST_ON(item07_notify_of_absent_queues_MMIO_13, RIG_MMIO),
    RIG_TEST_ON(item07_notify_of_a_stopped_queue_MMIO_32_36, RIG_MMIO),
    RIG_TEST_ON(kick_by_ioeventfd, RIG_MMIO),
    RIG_TEST_ON(item08_every_width_and_offset_BASIC_33_38_MMIO_25_41, RIG_MMIO),
    RIG_TEST_ON(item08_writes_are_dropped_but_writeback_BASIC_39_BLK_09, RIG_MMIO),
    RIG_TEST_ON(item08_generation_BASIC_35_36_37_BLK_40, RIG_MMIO),
    RIG_TEST_ON(item09_reset_is_complete_BASIC_29_32_MMIO_29_30, RIG_MMIO),
    RIG_TEST_ON(item09_new_chains_after_reset_BASIC_43, RIG_MMIO),
    RIG_TEST_ON(nothing_after_status_reads_0_BASIC_30, RIG_MMIO),
    RIG_TEST_ON(item10_needs_reset_once_BASIC_04_05_06, RIG_MMIO),
    RIG_TEST_ON(interrupt_bits_MMIO_14_15_26_28, RIG_MMIO),
    RIG_TEST_ON(item11_event_between_acknowledgement_and_lowering_MMIO_27, RIG_MMIO),
    RIG_TEST_ON(acknowledged_before_the_line_rises_MMIO_28, RIG_MMIO),
    RIG_TEST_ON(item11_interrupts_and_acknowledgements_MMIO_27, RIG_MMIO | RIG_THREADS | RIG_URING),
    RIG_TEST_ON(queue_reset_MMIO_23_33_34_BASIC_42_43_44, RIG_MMIO),
    RIG_TEST_ON(queue_reset_without_the_feature_MMIO_35, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
