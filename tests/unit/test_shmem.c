/*
 * test_shmem.c: the inflight region: made, taken over, refused, cut off.
 */
#include "vu_rig.h"

#include <signal.h>

#include "needs.h"
#include "tenon/mem.h"
#include "virtqueue/virtqueue.h"

static struct answer get(struct rig *rig, uint16_t queues, uint16_t size, uint32_t bytes)
{
    struct tn_vu_inflight ask = { .queues = queues, .queue_size = size };
    struct answer answer;

    rig_send(rig, TN_VU_GET_INFLIGHT_FD, 9, &ask, bytes, NULL, 0);
    rig_expect(rig, TN_VU_GET_INFLIGHT_FD, &answer);
    return answer;
}

static void *map(int fd, uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

/*
 * 20 bytes, and 24 as QEMU sends; what comes is zero, large enough, and cannot be cut off (VU-73).
 */
static void test_vu73_get(void **state)
{
    struct rig rig;

    (void)state;
    for (uint32_t bytes = 20; bytes <= 24; bytes += 4) {
        rig_open(&rig);
        rig_protocol(&rig);
        struct answer answer = get(&rig, 3, 128, bytes);
        const struct tn_vu_inflight *said = &answer.payload.inflight;
        assert_int_equal(answer.header.size, bytes);
        assert_int_equal(said->queues, 3);
        assert_int_equal(said->queue_size, 128);
        assert_int_equal(said->mmap_offset, 0);
        /* room for the largest ring, though QEMU's queue-size is smaller */
        assert_int_equal(said->mmap_size, 3 * tn_inflight_bytes(FAKE_QUEUE_MAX));
        assert_true(answer.fd >= 0);
        uint8_t *at = map(answer.fd, said->mmap_size);
        for (uint64_t i = 0; i < said->mmap_size; i++) {
            assert_int_equal(at[i], 0);
        }
        assert_int_equal(ftruncate(answer.fd, 0), -1);
        munmap(at, said->mmap_size);
        close(answer.fd);
        rig_close(&rig);
    }
}

static void test_vu75_each_queue_has_its_part(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    struct answer answer = get(&rig, 2, 256, 24);
    uint8_t *at = map(answer.fd, answer.payload.inflight.mmap_size);
    rig_start(&rig, 1);
    const struct tenon_ring *ring = &rig.device.queues[1].ring;
    assert_int_equal(ring->inflight_bytes, tn_inflight_bytes(256));
    ((uint8_t *)ring->inflight)[0] = 0x77;
    assert_int_equal(at[tn_inflight_bytes(256)], 0x77);
    rig_start(&rig, 2); /* the front-end did not ask for it */
    assert_null(rig.device.queues[2].ring.inflight);
    munmap(at, answer.payload.inflight.mmap_size);
    close(answer.fd);
    rig_close(&rig);
}

static uint64_t set(struct rig *rig, const struct tn_vu_inflight *given, int fd)
{
    return rig_tell_fds(rig, TN_VU_SET_INFLIGHT_FD, given, sizeof(*given), &fd, 1);
}

/* What one process made the next one finds, part for part (VU-74). */
static void test_vu74_a_restarted_back_end(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    struct answer answer = get(&rig, 4, 64, 24);
    struct tn_vu_inflight given = answer.payload.inflight;
    struct tn_inflight_split *part = tn_inflight_part(&rig.server->inflight, 3, &(size_t){ 0 });
    part->version = 1;
    part->desc_num = FAKE_QUEUE_MAX;
    part->used_idx = 1234;
    rig_hang_up(&rig);
    rig_connect(&rig);
    rig_protocol(&rig);
    rig_features(&rig);
    rig_memory(&rig);
    assert_int_equal(set(&rig, &given, answer.fd), 0);
    rig_start(&rig, 3);
    const struct tn_inflight_split *found = rig.device.queues[3].ring.inflight;
    assert_int_equal(found->used_idx, 1234);
    close(answer.fd);
    rig_close(&rig);
}

/* Of another back-end: exactly the size that the queue size needs, or rounded up to pages. */
static void test_vu74_regions_of_others(void **state)
{
    const uint64_t need = 2 * tn_inflight_bytes(128);
    const uint64_t sizes[] = { need, (need + 4095) & ~UINT64_C(4095) };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rig rig;
        struct tn_vu_inflight given = { sizes[i], 0x1040, 2, 128, 0 };

        rig_ready(&rig);
        int fd = rig_memfd(0x10000);
        assert_int_equal(set(&rig, &given, fd), 0);
        uint8_t *at = map(fd, 0x10000);
        rig_start(&rig, 1);
        ((uint8_t *)rig.device.queues[1].ring.inflight)[3] = 0x42;
        assert_int_equal(at[0x1040 + tn_inflight_bytes(128) + 3], 0x42);
        munmap(at, 0x10000);
        close(fd);
        rig_close(&rig);
    }
}

/* A ring that such a region has no room for runs, without a record, and says so. */
static void test_ring_larger_than_a_record_of_others(void **state)
{
    struct rig rig;
    struct tn_vu_inflight given = { tn_inflight_bytes(16), 0, 1, 16, 0 };

    (void)state;
    rig_ready(&rig);
    int fd = rig_memfd(0x1000);
    assert_int_equal(set(&rig, &given, fd), 0);
    close(fd);
    rig_start(&rig, 0); /* 64 entries */
    assert_null(rig.device.queues[0].ring.inflight);
    assert_int_equal(rig.warnings, 1);
    rig_close(&rig);
}

static void expect_set_refused(struct tn_vu_inflight given, int fd, const char *says)
{
    struct rig rig;

    rig_open(&rig);
    rig_protocol(&rig);
    rig_send(&rig, TN_VU_SET_INFLIGHT_FD, 9, &given, sizeof(given), &fd, 1);
    rig_expect_end(&rig, says);
    assert_null(rig.server->inflight.mapping);
    rig_close(&rig);
}

static void test_vu74_refused(void **state)
{
    const uint64_t need = tn_inflight_bytes(64);
    int fd = rig_memfd(0x10000), pipe_fds[2];

    (void)state;
    expect_set_refused((struct tn_vu_inflight){ need - 1, 0, 1, 64, 0 }, fd, "too small");
    expect_set_refused((struct tn_vu_inflight){ 0, 0, 1, 64, 0 }, fd, "too small");
    expect_set_refused((struct tn_vu_inflight){ need, 0, 2, 64, 0 }, fd, "too small");
    expect_set_refused((struct tn_vu_inflight){ need, 0x10000 - 8, 1, 64, 0 }, fd, "inside");
    expect_set_refused((struct tn_vu_inflight){ need, 4, 1, 64, 0 }, fd, "inside");
    expect_set_refused((struct tn_vu_inflight){ UINT64_MAX, 8, 1, 64, 0 }, fd, "inside");
    expect_set_refused((struct tn_vu_inflight){ need, UINT64_MAX - 7, 1, 64, 0 }, fd, "inside");
    expect_set_refused((struct tn_vu_inflight){ need, 0, 0, 64, 0 }, fd, "number of queues");
    expect_set_refused((struct tn_vu_inflight){ need, 0, FAKE_QUEUES + 1, 64, 0 }, fd,
                       "number of queues");
    expect_set_refused((struct tn_vu_inflight){ need, 0, 1, 0, 0 }, fd, "ring size");
    expect_set_refused((struct tn_vu_inflight){ need, 0, 1, 65, 0 }, fd, "ring size");
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    expect_set_refused((struct tn_vu_inflight){ need, 0, 1, 64, 0 }, pipe_fds[0], "no shared");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    struct tn_inflight_split *record = map(fd, 0x1000);
    record->version = 2;
    expect_set_refused((struct tn_vu_inflight){ need, 0, 1, 64, 0 }, fd, "version");
    record->version = 1;
    record->desc_num = 128;
    expect_set_refused((struct tn_vu_inflight){ need, 0, 1, 64, 0 }, fd, "another size");
    record->desc_num = 0;
    expect_set_refused((struct tn_vu_inflight){ need, 0, 1, 64, 0 }, fd, "another size");
    munmap(record, 0x1000);
    close(fd);
}

/* Many times, with one mapping and no descriptor kept (CVE-2020-10726, CVE-2022-0669). */
static void test_repeated_messages_leak_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    int before = rig_count_fds();
    for (int i = 0; i < 200; i++) {
        struct answer answer = get(&rig, 1, 64, 24);
        assert_int_equal(set(&rig, &answer.payload.inflight, answer.fd), 0);
        close(answer.fd);
    }
    assert_int_equal(rig_count_fds(), before);
    assert_int_equal(rig_count_maps(), 1);
    rig_close(&rig);
}

static void test_not_under_running_rings(void **state)
{
    struct rig rig;
    struct tn_vu_inflight ask = { .queues = 1, .queue_size = 64 };

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig_send(&rig, TN_VU_GET_INFLIGHT_FD, 1, &ask, sizeof(ask), NULL, 0);
    rig_expect_end(&rig, "rings run");
    rig_close(&rig);
}

/* What it records was dropped by the reset, and must not be done again (VU-58). */
static void test_reset_forgets_it(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    struct answer answer = get(&rig, 1, 64, 24);
    close(answer.fd);
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_STATUS, 0), 0);
    assert_null(rig.server->inflight.mapping);
    rig_features(&rig);
    rig_start(&rig, 0);
    assert_null(rig.device.queues[0].ring.inflight);
    rig_close(&rig);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (!tenon_sigbus(info)) {
        _exit(99);
    }
}

/* A file without seals is cut off under us: the session ends, the process goes on (VU-103). */
static void test_vu103_cut_off(void **state)
{
    struct rig rig;
    struct tn_vu_inflight given = { tn_inflight_bytes(64), 0, 1, 64, 0 };
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO }, before;
    char name[] = "/tmp/tenon-inflight-XXXXXX";

    (void)state;
    need_fault_address();
    assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
    rig_ready(&rig);
    int fd = mkostemp(name, O_CLOEXEC); /* a file that takes no seals */
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(ftruncate(fd, 0x1000), 0);
    assert_int_equal(set(&rig, &given, fd), 0);
    rig_start(&rig, 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    ((volatile uint8_t *)rig.device.queues[0].ring.inflight)[0] = 1;
    rig.device.ops.broken(rig.device.bus, 0, "it noticed");
    rig_crank(&rig);
    rig_expect_end(&rig, "cut off");
    rig_close(&rig);
    sigaction(SIGBUS, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu73_get),
        cmocka_unit_test(test_vu75_each_queue_has_its_part),
        cmocka_unit_test(test_vu74_a_restarted_back_end),
        cmocka_unit_test(test_vu74_regions_of_others),
        cmocka_unit_test(test_ring_larger_than_a_record_of_others),
        cmocka_unit_test(test_vu74_refused),
        cmocka_unit_test(test_repeated_messages_leak_nothing),
        cmocka_unit_test(test_not_under_running_rings),
        cmocka_unit_test(test_reset_forgets_it),
        cmocka_unit_test(test_vu103_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
