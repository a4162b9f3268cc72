/*
 * test_memory_disk.c: a disk in memory: copies, zeroes, discards, refusals, and random operations
 * against a model.
 */
#include "disk_rig.h"

enum { MIB = 1 << 20 };

static void open_memory(struct rig *rig, void *base, uint64_t bytes, bool read_only)
{
    struct tenon_disk *disk = NULL;

    assert_int_equal(tenon_disk_open_memory(base, bytes, read_only, &disk), 0);
    rig_open(rig, disk);
}

static void test_new_memory_is_zero_and_keeps_what_is_written(void **state)
{
    struct rig rig;
    uint8_t in[1024], out[1024];

    (void)state;
    memset(in, 0x5a, sizeof(in));
    memset(out, 1, sizeof(out));
    open_memory(&rig, NULL, MIB, false);
    assert_int_equal(rig_read(&rig, 0, sizeof(out), out), 0);
    for (size_t i = 0; i < sizeof(out); i++) {
        assert_int_equal(out[i], 0);
    }
    assert_int_equal(rig_write(&rig, MIB - 1024, 1024, in), 0);
    assert_int_equal(rig_read(&rig, MIB - 1024, 1024, out), 0);
    assert_memory_equal(in, out, sizeof(in));
    rig_close(&rig);
}

static void test_info(void **state)
{
    struct tenon_disk *disk = NULL;
    struct tenon_disk_info info;
    uint8_t own[1000];
    const char *why = NULL;

    (void)state;
    assert_int_equal(tenon_disk_open_memory(own, sizeof(own), false, &disk), 0);
    info = rig_info(disk);
    assert_int_equal(info.bytes, 512); /* the tail is no whole sector */
    assert_int_equal(info.block_bytes, 512);
    assert_false(info.can_discard); /* memory of somebody else is not given back */
    assert_false(info.can_flush);
    assert_true(info.can_zero);
    assert_string_equal(tenon_disk_engine(disk, &why), "memory");
    assert_true(strlen(why) > 0);
    tenon_disk_close(disk);
    assert_int_equal(tenon_disk_open_memory(own, 511, false, &disk), -EINVAL);
    assert_int_equal(tenon_disk_open_memory(NULL, 0, false, &disk), -EINVAL);
    assert_int_equal(tenon_disk_open_memory(NULL, UINT64_MAX, false, &disk), -ENOMEM);
}

static void test_every_alignment_of_memory(void **state)
{
    struct rig rig;
    _Alignas(16) uint8_t in[1024 + 16], out[1024 + 16];
    uint32_t random = 7;

    (void)state;
    open_memory(&rig, NULL, MIB, false);
    for (unsigned shift = 0; shift < 16; shift++) {
        fill_random(&random, in, sizeof(in));
        memset(out, 0xee, sizeof(out));
        assert_int_equal(rig_write(&rig, 512, 1024, in + shift), 0);
        assert_int_equal(rig_read(&rig, 512, 1024, out + (15 - shift)), 0);
        assert_memory_equal(in + shift, out + (15 - shift), 1024);
        assert_int_equal(out[15 - shift + 1024], 0xee);
    }
    rig_close(&rig);
}

static void test_refusals(void **state)
{
    struct rig rig;
    uint8_t data[1024] = { 0 };
    struct iovec hole[2] = { { data, 512 }, { NULL, 512 } };
    struct iovec twice[2] = { { data, 512 }, { data, 512 } };

    (void)state;
    open_memory(&rig, NULL, 4096, true);
    assert_int_equal(rig_write(&rig, 0, 512, data), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, 0, 0, 512, NULL), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, 0, 0, 512, NULL), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(rig_read(&rig, 4096, 512, data), -EINVAL);
    assert_int_equal(rig_read(&rig, 3584, 1024, data), -EINVAL);
    assert_int_equal(rig_read(&rig, UINT64_MAX - 511, 512, data), -EINVAL);
    assert_int_equal(rig_read(&rig, 1, 512, data), -EINVAL);
    assert_int_equal(rig_read(&rig, 0, 100, data), -EINVAL);
    assert_int_equal(rig_io(&rig, 5, 0, 0, 512, data), -EINVAL);
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, 1024, hole, 2), -EFAULT);
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, 512, twice, 2), -EINVAL);
    rig_close(&rig);
}

static void test_random_against_a_model(void **state)
{
    enum { BYTES = 256 * 1024 };
    uint8_t *model = calloc(1, BYTES), *data = malloc(BYTES);
    uint32_t random = 42;
    struct rig rig;

    (void)state;
    open_memory(&rig, NULL, BYTES, false);
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t at = next_random(&random) % (BYTES / 512) * 512;
        uint64_t bytes = (next_random(&random) % 64 + 1) * 512;

        bytes = bytes > BYTES - at ? BYTES - at : bytes;
        switch (next_random(&random) % 4) {
        case 0:
            fill_random(&random, data, bytes);
            assert_int_equal(rig_write(&rig, at, bytes, data), 0);
            memcpy(model + at, data, bytes);
            break;
        case 1:
            assert_int_equal(
                rig_io(&rig, TENON_IO_ZEROES, i % 2 ? TENON_IO_UNMAP : 0, at, bytes, NULL), 0);
            memset(model + at, 0, bytes);
            break;
        case 2:
            assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, 0, at, bytes, NULL), 0);
            memset(model + at, 0, bytes); /* ours does: this one is a promise of no one else's */
            break;
        default:
            assert_int_equal(rig_read(&rig, at, bytes, data), 0);
            assert_memory_equal(data, model + at, bytes);
        }
    }
    assert_int_equal(rig_read(&rig, 0, BYTES, data), 0);
    assert_memory_equal(data, model, BYTES);
    rig_close(&rig);
    free(model);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_memory_is_zero_and_keeps_what_is_written),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_every_alignment_of_memory),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_random_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
