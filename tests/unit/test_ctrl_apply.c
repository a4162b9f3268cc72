/*
 * test_ctrl_apply.c: commands whose queues are on other workers: answered when all pairs follow,
 * and whatever happens to the device meanwhile. Five workers: a pair each, and the control queue.
 *
 * Workers have no thread, so each step happens when the test turns the worker whose step it is.
 */
#include "ctrl_rig.h"

enum { CTRL_WORKER = PAIRS };

static const uint8_t promiscuous[] = { 0, 0, 1 }, ordinary[] = { 0, 0, 0 }, two[] = { 4, 0, 2, 0 };

static bool follows(const struct rig *rig, unsigned pair)
{
    return rig->net->open[pair]->rules.filter.promiscuous;
}

/* The workers of these pairs turn until they have nothing to do, and that of the control queue. */
static void turn(struct rig *rig, unsigned pairs)
{
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        while ((i == CTRL_WORKER || pairs >> i & 1) && rig_turn(rig, i)) {
        }
    }
}

static struct rig *begin(void)
{
    struct rig *rig = rig_live(WORKERS_MAX);

    assert_ptr_equal(rig->device->queues[rig->ctrl]->worker, rig->workers[CTRL_WORKER]);
    rig_send_command(rig, promiscuous, sizeof(promiscuous));
    turn(rig, 0);
    assert_false(rig_answered(rig));
    return rig;
}

static void check_answer(struct rig *rig)
{
    assert_true(rig_answered(rig));
    assert_int_equal(rig->used_bytes, 1);
    assert_int_equal(*rig_at(rig, IN_GPA), TN_NET_OK);
}

static void answered_when_all_follow(void **state)
{
    (void)state;
    for (unsigned last = 0; last < PAIRS; last++) {
        struct rig *rig = begin();
        for (unsigned pair = 0; pair < PAIRS; pair++) {
            assert_false(follows(rig, pair));
            if (pair != last) {
                turn(rig, 1u << pair);
                assert_true(follows(rig, pair));
                assert_false(rig_answered(rig));
                assert_int_equal(*rig_at(rig, IN_GPA), UNTOUCHED);
            }
        }
        unsigned irqs = rig->irqs[rig->ctrl];
        turn(rig, 1u << last);
        check_answer(rig);
        assert_int_equal(rig->irqs[rig->ctrl], irqs + 1);
        rig_end(rig);
    }
}

/* All at once: what needs no other worker is over in the turn in which it came. */
static void one_worker(void **state)
{
    struct rig *rig = rig_live(1);
    (void)state;

    uint64_t turns = tn_count_read(&rig->device->queues[4]->counts[TN_COUNT_TURNS]);
    rig_send_command(rig, promiscuous, sizeof(promiscuous));
    rig_turn(rig, 0);
    check_answer(rig);
    assert_true(follows(rig, 0) && follows(rig, 3));
    rig_run(rig);
    /* queues that wait for the link look what the rules mean for them */
    assert_true(tn_count_read(&rig->device->queues[4]->counts[TN_COUNT_TURNS]) > turns);
    rig_end(rig);
}

/* The queue takes no second one, kicked or not, until the first is answered; then it goes on. */
static void one_at_a_time(void **state)
{
    struct rig *rig = begin();
    (void)state;

    struct tn_desc *descs = (void *)rig_at(rig, RAM_GPA + rig->ctrl * (uint64_t)PAGE);
    struct tn_avail *avail = (void *)((uint8_t *)descs + AVAIL);
    memcpy(rig_at(rig, OUT_GPA + 64), two, sizeof(two));
    descs[8] = (struct tn_desc){ tn_to_le64(OUT_GPA + 64), tn_to_le32(sizeof(two)),
                                 tn_to_le16(TN_DESC_F_NEXT), tn_to_le16(9) };
    descs[9] = (struct tn_desc){
        tn_to_le64(IN_GPA + 64), tn_to_le32(1), tn_to_le16(TN_DESC_F_WRITE), { 0 }
    };
    avail->ring[1] = tn_to_le16(8);
    avail->idx = tn_to_le16(2);
    tenon_bus_queue_kick(rig->device, rig->ctrl);
    turn(rig, 7); /* all but the last pair */
    assert_int_equal(rig->device->queues[rig->ctrl]->in_flight, 1);
    assert_int_equal(rig->net->rules.pairs, 1);
    turn(rig, 8);
    const struct tn_used *used = (void *)((uint8_t *)descs + USED);
    assert_int_equal(tn_from_le16(used->idx), 1);
    assert_int_equal(rig->net->rules.pairs, 2);
    rig_run(rig);
    assert_int_equal(tn_from_le16(used->idx), 2);
    assert_int_equal(*rig_at(rig, IN_GPA + 64), TN_NET_OK);
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        assert_int_equal(rig->net->open[pair]->rules.pairs, 2);
    }
    rig_end(rig);
}

static void stopped(void *opaque, unsigned queue, uint16_t next_avail)
{
    (void)queue;
    (void)next_avail;
    (*(unsigned *)opaque)++;
}

static void stop(struct rig *rig, unsigned queue, bool drop, unsigned *stops)
{
    assert_int_equal(tenon_bus_queue_stop(rig->device, queue, drop, stopped, stops), 0);
}

/* A pair that closes before it has followed is not waited for; also the last one. */
static void a_pair_that_closes(void **state)
{
    (void)state;
    for (unsigned open = 0; open < 2; open++) {
        struct rig *rig = begin();
        unsigned stops = 0;
        turn(rig, open ? 13 : 1);
        stop(rig, 2, false, &stops);
        stop(rig, 3, false, &stops);
        /* the stops come before the post in this turn or behind it: both end the same way */
        turn(rig, 2);
        assert_int_equal(stops, 2);
        assert_null(rig->net->open[1]);
        turn(rig, 15);
        check_answer(rig);
        /* and back again, with the rules of now */
        assert_int_equal(rig_start(rig, 2), 0);
        rig_run(rig);
        assert_true(follows(rig, 1));
        rig_end(rig);
    }
}

/*
 * A pair closes, and opens again at once, between the command and its post; with threads that can
 * happen at any moment. What the post finds is not the pair that it was for.
 */
static void a_pair_that_closes_in_between(void **state)
{
    (void)state;
    for (unsigned followed = 0; followed < 2; followed++) {
        struct rig *rig = begin();
        struct net_pair *pair = rig->net->open[1];
        turn(rig, followed ? 2 : 0);
        net_rules_leave(pair);
        assert_null(rig->net->open[1]);
        turn(rig, 2);
        net_rules_join(pair);
        assert_true(follows(rig, 1));
        turn(rig, 2 | 1 | 4);
        assert_false(rig_answered(rig)); /* the last pair has not followed */
        turn(rig, 8);
        check_answer(rig);
        rig_end(rig);
    }
    for (unsigned last = 0; last < 2; last++) { /* it was the last that was waited for */
        struct rig *rig = begin();
        struct net_pair *pair = rig->net->open[1];
        turn(rig, last ? 13 : 5);
        net_rules_leave(pair);
        net_rules_join(pair);
        turn(rig, 2);
        assert_int_equal(rig_answered(rig), last);
        rig_end(rig);
    }
}

/* What was received by the old rules is shown first: in this turn, or in the next. */
static void a_pair_with_frames_in_its_hands(void **state)
{
    (void)state;
    for (unsigned closes = 0; closes < 2; closes++) {
        struct rig *rig = rig_live(WORKERS_MAX);
        uint8_t *page = rig_at(rig, RAM_GPA + 2 * (uint64_t)PAGE);
        struct tn_vq *vq = rig->device->queues[2]->vq;
        struct tn_chain chain;
        struct tn_avail *avail = (void *)(page + AVAIL);
        *(struct tn_desc *)(void *)page = (struct tn_desc){
            tn_to_le64(IN_GPA), tn_to_le32(64), tn_to_le16(TN_DESC_F_WRITE), { 0 }
        };
        avail->idx = tn_to_le16(1);
        assert_int_equal(tn_vq_pop(vq, &chain), TN_POP_CHAIN);
        tn_vq_push(vq, chain.head, 12);
        rig_send_command(rig, promiscuous, sizeof(promiscuous));
        turn(rig, 0);
        turn(rig, 13);
        rig_turn(rig, 1);
        assert_true(follows(rig, 1));
        turn(rig, 0);
        assert_false(rig_answered(rig));
        if (closes) {
            net_rules_leave(rig->net->open[1]);
            turn(rig, 0);
            check_answer(rig);
            net_rules_join(rig->device->queues[2]->type_data);
            rig_send_command(rig, ordinary, sizeof(ordinary));
        }
        rig_run(rig);
        check_answer(rig);
        assert_int_equal(follows(rig, 1), !closes);
        tn_vq_publish(vq);
        rig_end(rig);
    }
}

/* It has closed and opened again, all before the post that was for the one before it. */
static void a_pair_that_opens(void **state)
{
    struct rig *rig = rig_live(WORKERS_MAX);
    unsigned stops = 0;
    (void)state;

    stop(rig, 2, false, &stops);
    stop(rig, 3, false, &stops); /* on their way first */
    rig_send_command(rig, promiscuous, sizeof(promiscuous));
    turn(rig, 0);
    while (stops < 2) {
        assert_true(rig_turn(rig, 1));
    }
    assert_int_equal(rig_start(rig, 2), 0);
    turn(rig, 2);
    assert_true(follows(rig, 1));
    assert_false(rig_answered(rig));
    turn(rig, 15);
    check_answer(rig);
    rig_send_command(rig, ordinary, sizeof(ordinary)); /* and all goes on */
    rig_run(rig);
    check_answer(rig);
    assert_false(follows(rig, 1));
    rig_end(rig);
}

/* The chain is in flight: a stop answers it first, a pause too. */
static void the_control_queue_stops(void **state)
{
    struct rig *rig = begin();
    unsigned stops = 0;
    (void)state;

    stop(rig, rig->ctrl, false, &stops);
    turn(rig, 0);
    assert_int_equal(stops, 0);
    turn(rig, 15);
    assert_int_equal(stops, 1);
    check_answer(rig);
    rig_end(rig);

    rig = begin();
    assert_int_equal(tenon_device_pause_begin(rig->device, NULL, NULL), 0);
    turn(rig, 0);
    assert_int_equal(tenon_device_pause(rig->device, 0), -ETIMEDOUT);
    turn(rig, 15);
    check_answer(rig);
    assert_int_equal(tenon_device_pause(rig->device, 5000), 0);
    rig_send_command(rig, ordinary, sizeof(ordinary));
    rig_run(rig);
    assert_false(rig_answered(rig));
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_run(rig);
    check_answer(rig);
    rig_end(rig);
}

/* A reset of the ring: nothing is written any more, and the next one begins as new. */
static void the_control_queue_is_reset(void **state)
{
    struct rig *rig = begin();
    unsigned stops = 0;
    (void)state;

    stop(rig, rig->ctrl, true, &stops);
    turn(rig, 0);
    assert_int_equal(stops, 0);
    turn(rig, 15);
    assert_int_equal(stops, 1);
    assert_false(rig_answered(rig));
    assert_int_equal(*rig_at(rig, IN_GPA), UNTOUCHED);
    assert_int_equal(rig_start(rig, rig->ctrl), 0);
    rig_run(rig);
    assert_int_equal(rig_command(rig, ordinary, sizeof(ordinary)), TN_NET_OK);
    rig_end(rig);
}

/* A reset of the device, heard by the workers in any order; nothing is left behind. */
static void the_device_is_reset(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 32; order++) {
        struct rig *rig = begin();
        uint64_t features[2];
        tenon_bus_features(rig->device, features);
        turn(rig, order & 15);
        tenon_bus_quiet(rig->device, NULL, NULL);
        turn(rig, order & 15);
        if (order & 16) {
            turn(rig, 15 & ~order);
        }
        rig_run(rig);
        assert_true(tenon_bus_is_quiet(rig->device));
        assert_false(rig->net->rules.filter.promiscuous);
        assert_null(rig->net->command.slot);
        assert_int_equal(rig->opened, 0);
        assert_int_equal(*rig_at(rig, IN_GPA), order == 15 || order == 31 ? TN_NET_OK : UNTOUCHED);
        rig_negotiate(rig, features[0] & ~rig_bit(TN_F_EVENT_IDX));
        for (unsigned queue = 0; queue < QUEUES; queue++) {
            assert_int_equal(rig_start(rig, queue), 0);
        }
        rig_run(rig);
        assert_int_equal(rig_command(rig, two, sizeof(two)), TN_NET_OK);
        assert_int_equal(rig->net->open[3]->rules.pairs, 2);
        rig_end(rig);
    }
}

/* Its worker has not come to start it yet, but the driver may set what it likes. */
static void a_queue_that_is_about_to_start(void **state)
{
    static const uint8_t set[] = { 6, 2, 2, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0 };
    struct rig *rig = rig_live(WORKERS_MAX);
    unsigned stops = 0;
    (void)state;

    stop(rig, 2, false, &stops);
    rig_run(rig);
    assert_int_equal(rig_start(rig, 2), 0);
    rig_send_command(rig, set, sizeof(set));
    turn(rig, 0);
    turn(rig, 13); /* the queue's own worker has slept until now */
    turn(rig, 15);
    check_answer(rig);
    assert_int_equal(rig->device->queues[2]->irq.coalesce.frames, 5);
    assert_int_equal(rig->device->queues[2]->irq.coalesce.ns, 6000);
    rig_end(rig);
}

/* One pair cannot: that is the answer, and the others follow all the same. */
static void a_link_that_cannot(void **state)
{
    static const uint8_t no_offloads[] = { 5, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct rig *rig = rig_live(WORKERS_MAX);
    (void)state;

    rig_send_command(rig, no_offloads, sizeof(no_offloads));
    turn(rig, 0);
    turn(rig, 1);
    rig->recv_error = -EIO;
    turn(rig, 2);
    rig->recv_error = 0;
    turn(rig, 15);
    assert_true(rig_answered(rig));
    assert_int_equal(*rig_at(rig, IN_GPA), TN_NET_ERR);
    assert_int_equal(rig->recv_can[3], 0);
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered_when_all_follow),
        cmocka_unit_test(one_worker),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(a_pair_that_closes),
        cmocka_unit_test(a_pair_that_closes_in_between),
        cmocka_unit_test(a_pair_with_frames_in_its_hands),
        cmocka_unit_test(a_pair_that_opens),
        cmocka_unit_test(the_control_queue_stops),
        cmocka_unit_test(the_control_queue_is_reset),
        cmocka_unit_test(the_device_is_reset),
        cmocka_unit_test(a_queue_that_is_about_to_start),
        cmocka_unit_test(a_link_that_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
