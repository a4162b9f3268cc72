/*
 * test_ctrl.c: commands of the control queue in any framing, and those that are none: what is wrong
 * is answered ERR, and has changed nothing (NET-50..52; conformance list 50 and 58).
 */
#include "ctrl_rig.h"

#include "base/shared.h"

enum { COMMAND_MAX = 400 };

struct command {
    uint8_t bytes[COMMAND_MAX];
    uint32_t count;
    unsigned features[2]; /* one of them is enough */
};

#define COMMAND(feature, ...)                                                                      \
    {                                                                                              \
        { __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }),                                 \
        {                                                                                          \
            feature, feature                                                                       \
        }                                                                                          \
    }
#define MAC(n) 2, 0, 0, 0, 0, n
#define KEY40                                                                                      \
    40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, \
        26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40

/* One of each kind, all of them right, and each of them changes something. */
static const struct command commands[] = {
    COMMAND(TN_NET_F_CTRL_RX, 0, 0, 1),
    COMMAND(TN_NET_F_CTRL_RX, 0, 1, 1),
    COMMAND(TN_NET_F_CTRL_RX_EXTRA, 0, 2, 1),
    COMMAND(TN_NET_F_CTRL_RX_EXTRA, 0, 3, 1),
    COMMAND(TN_NET_F_CTRL_RX_EXTRA, 0, 4, 1),
    COMMAND(TN_NET_F_CTRL_RX_EXTRA, 0, 5, 1),
    COMMAND(TN_NET_F_CTRL_RX, 1, 0, 1, 0, 0, 0, MAC(1), 2, 0, 0, 0, MAC(2), MAC(3)),
    { { 1, 1, MAC(9) }, 8, { TN_NET_F_CTRL_MAC_ADDR, TN_NET_F_CTRL_RX } },
    COMMAND(TN_NET_F_CTRL_VLAN, 2, 0, 7, 1),
    COMMAND(TN_NET_F_CTRL_VLAN, 2, 1, 7, 1),
    COMMAND(TN_NET_F_GUEST_ANNOUNCE, 3, 0),
    COMMAND(TN_NET_F_MQ, 4, 0, 3, 0),
    COMMAND(TN_NET_F_RSS, 4, 1, 63, 0, 0, 0, 1, 0, 1, 0, 2, 0, 3, 0, 4, 0, KEY40),
    COMMAND(TN_NET_F_HASH_REPORT, 4, 2, 7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 0xaa, 0xbb),
    COMMAND(TN_NET_F_CTRL_GUEST_OFFLOADS, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0),
    COMMAND(TN_NET_F_NOTF_COAL, 6, 0, 9, 0, 0, 0, 8, 0, 0, 0),
    COMMAND(TN_NET_F_NOTF_COAL, 6, 1, 7, 0, 0, 0, 6, 0, 0, 0),
    COMMAND(TN_NET_F_VQ_NOTF_COAL, 6, 2, 3, 0, 0xff, 0xff, 5, 0, 0, 0, 4, 0, 0, 0),
    COMMAND(TN_NET_F_VQ_NOTF_COAL, 6, 3, 3, 0, 0xff, 0xff),
};
enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

/* ---- that nothing has changed ---- */

struct state {
    struct net_rules rules;
    struct net_coalesce coalesce[2 + 2 * PAIRS];
    bool announce;
};

static struct state *look(const struct rig *rig)
{
    struct state *state = calloc(1, sizeof(*state));
    const struct net *net = rig->net;

    assert_non_null(state);
    memcpy(&state->rules, &net->rules, sizeof(state->rules));
    for (unsigned i = 0; i < 2; i++) {
        state->coalesce[i].frames = net->coalesce[i].frames;
        state->coalesce[i].us = net->coalesce[i].us;
    }
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        state->coalesce[2 + i].frames = net->coalesce_queue[i].frames;
        state->coalesce[2 + i].us = net->coalesce_queue[i].us;
    }
    state->announce = net->announce;
    return state;
}

static bool is_as(const struct rig *rig, struct state *before)
{
    struct state *now = look(rig);
    bool same = memcmp(now, before, sizeof(*now)) == 0;

    free(now);
    return same;
}

static uint64_t refused(const struct rig *rig)
{
    return tn_count_read(&rig->device->queues[rig->ctrl]->counts[NET_COUNT_REFUSED]);
}

/* A command that is still done after all that a test did. */
static void check_alive(struct rig *rig)
{
    uint64_t was = rig->net->rules.filter.vlans[63];

    assert_int_equal(RIG_COMMAND(rig, 2, (was >> 63 & 1) != 0, 0xff, 0x0f), TN_NET_OK);
    assert_int_equal(rig->net->rules.filter.vlans[63] >> 63, !(was >> 63));
}

/* ---- tests ---- */

static void each_command_is_done(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct rig *rig = rig_live(1);
        bool get = commands[i].bytes[0] == 6 && commands[i].bytes[1] == 3;
        if (commands[i].bytes[0] == 2 && commands[i].bytes[1] == 1) {
            assert_int_equal(RIG_COMMAND(rig, 2, 0, 7, 1), TN_NET_OK);
        }
        rig->net->announce = true;
        struct state *before = look(rig);
        assert_int_equal(rig_command(rig, commands[i].bytes, commands[i].count), TN_NET_OK);
        assert_int_equal(rig->used_bytes, get ? 9 : 1); /* NET-51 */
        assert_true(is_as(rig, before) == get);
        assert_int_equal(tn_count_read(&rig->device->queues[rig->ctrl]->counts[NET_COUNT_COMMANDS]),
                         commands[i].bytes[0] == 2 && commands[i].bytes[1] == 1 ? 2 : 1);
        free(before);
        rig_end(rig);
    }
}

/* Bytes in pieces of at most `piece`, with an empty descriptor in front of piece number `empty`. */
static void pieces(struct rig *rig, uint64_t gpa, uint32_t bytes, uint32_t piece, bool write,
                   unsigned empty, bool empty_writes)
{
    unsigned number = 0;

    for (uint32_t at = 0; at < bytes; at += piece, number++) {
        if (number == empty) {
            rig_desc(rig, gpa, 0, empty_writes);
        }
        rig_desc(rig, gpa + at, bytes - at < piece ? bytes - at : piece, write);
    }
    if (number == empty) {
        rig_desc(rig, NOWHERE, 0, empty_writes);
    }
}

/* However it is cut, and wherever an empty descriptor stands, of either direction (K16). */
static void any_framing(void **state)
{
    struct rig *rig = rig_live(1);
    (void)state;

    for (uint32_t piece = 1; piece <= 5; piece++) {
        for (unsigned empty = 0; empty <= 14; empty++) {
            for (unsigned way = 0; way < 4; way++) {
                uint8_t on = !(rig->net->rules.filter.vlans[1] & 1);
                const uint8_t command[] = { 2, !on, 64, 0 };
                rig_put(rig, command, sizeof(command));
                pieces(rig, OUT_GPA, 4, piece, false, empty, way & 1);
                pieces(rig, IN_GPA, 9, piece, true, empty - 5u, way & 2);
                rig_offer(rig);
                rig_run(rig);
                assert_true(rig_answered(rig));
                assert_int_equal(rig->used_bytes, 1);
                assert_int_equal(*rig_at(rig, IN_GPA), TN_NET_OK);
                assert_int_equal(*rig_at(rig, IN_GPA + 1), UNTOUCHED);
                assert_int_equal(rig->net->rules.filter.vlans[1] & 1, on);
            }
        }
    }
    /* a result in single bytes */
    assert_int_equal(RIG_COMMAND(rig, 6, 2, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8), TN_NET_OK);
    rig_put(rig, (const uint8_t[]){ 6, 3, 3, 0, 0, 0 }, 6);
    pieces(rig, OUT_GPA, 6, 1, false, 2, true);
    pieces(rig, IN_GPA, 9, 1, true, 3, false);
    rig_offer(rig);
    rig_run(rig);
    assert_true(rig_answered(rig));
    assert_int_equal(rig->used_bytes, 9);
    assert_memory_equal(rig_at(rig, IN_GPA), ((const uint8_t[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8 }), 9);
    rig_end(rig);
}

/* Nothing is done that cannot be answered: not at all, or not in memory that may be written. */
static void no_place_for_an_ack(void **state)
{
    struct rig *rig = rig_live(1);
    struct state *before = look(rig);
    (void)state;

    for (unsigned way = 0; way < 6; way++) {
        uint64_t had = refused(rig);
        rig_put(rig, commands[0].bytes, commands[0].count);
        if (way != 5) {
            rig_desc(rig, OUT_GPA, commands[0].count, false);
        }
        switch (way) {
        case 1:
            rig_desc(rig, IN_GPA, 0, true); /* empty */
            break;
        case 2:
            rig_desc(rig, NOWHERE, 1, true);
            break;
        case 3:
            rig_desc(rig, ROM_GPA, 1, true);
            break;
        case 4: /* the first byte is the ack's, whatever follows */
            rig_desc(rig, NOWHERE, 1, true);
            rig_desc(rig, IN_GPA, 1, true);
            break;
        case 5: /* nothing at all */
            rig_desc(rig, OUT_GPA, 0, false);
            break;
        default:
            break;
        }
        rig_offer(rig);
        rig_run(rig);
        assert_true(rig_answered(rig));
        assert_int_equal(rig->used_bytes, 0);
        assert_int_equal(*rig_at(rig, IN_GPA), UNTOUCHED);
        assert_true(is_as(rig, before));
        assert_int_equal(refused(rig), had + 1);
    }
    assert_int_equal(rig->broken, 0);
    check_alive(rig);
    free(before);
    rig_end(rig);
}

static void check_refused(struct rig *rig, const struct state *before, const void *bytes,
                          uint32_t count)
{
    uint64_t had = refused(rig);

    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    assert_true(is_as(rig, (struct state *)(uintptr_t)before));
    assert_int_equal(refused(rig), had + 1);
}

/* One byte less, and fewer, down to none; one more, and many. */
static void data_of_another_length(void **state)
{
    struct rig *rig = rig_live(1);
    struct state *before = look(rig);
    (void)state;

    for (unsigned i = 0; i < COMMANDS; i++) {
        struct command longer = commands[i];
        for (uint32_t count = 0; count < commands[i].count; count++) {
            check_refused(rig, before, commands[i].bytes, count);
        }
        check_refused(rig, before, longer.bytes, longer.count + 1);
        check_refused(rig, before, longer.bytes, COMMAND_MAX);
    }
    check_alive(rig);
    free(before);
    rig_end(rig);
}

/* Whatever byte of it lies where no memory is; and a result that does. */
static void data_outside_of_memory(void **state)
{
    struct rig *rig = rig_live(1);
    struct state *before = look(rig);
    (void)state;

    for (unsigned i = 0; i < COMMANDS; i++) {
        for (uint32_t hole = 0; hole < commands[i].count; hole++) {
            rig_put(rig, commands[i].bytes, commands[i].count);
            pieces(rig, OUT_GPA, hole, COMMAND_MAX, false, 9, false);
            rig_desc(rig, NOWHERE, 1, false);
            pieces(rig, OUT_GPA + hole + 1, commands[i].count - hole - 1, COMMAND_MAX, false, 9,
                   false);
            rig_desc(rig, IN_GPA, 16, true);
            rig_offer(rig);
            rig_run(rig);
            assert_true(rig_answered(rig));
            assert_int_equal(rig->used_bytes, 1);
            /* the standard gives no meaning to what is reserved, but it has to be there */
            assert_int_equal(*rig_at(rig, IN_GPA), TN_NET_ERR);
            assert_true(is_as(rig, before));
        }
    }
    for (unsigned way = 0; way < 3; way++) {
        rig_put(rig, (const uint8_t[]){ 6, 3, 3, 0, 0, 0 }, 6);
        rig_desc(rig, OUT_GPA, 6, false);
        rig_desc(rig, IN_GPA, way == 0 ? 8 : 1, true);
        if (way != 0) {
            rig_desc(rig, way == 1 ? NOWHERE : ROM_GPA, 8, true);
        }
        rig_offer(rig);
        rig_run(rig);
        assert_true(rig_answered(rig));
        assert_int_equal(rig->used_bytes, 1);
        assert_int_equal(*rig_at(rig, IN_GPA), TN_NET_ERR);
    }
    free(before);
    rig_end(rig);
}

static void commands_that_do_not_exist(void **state)
{
    static const unsigned known[] = { 6, 2, 2, 1, 3, 1, 4 };
    struct rig *rig = rig_live(1);
    struct state *before = look(rig);
    uint8_t bytes[10] = { 0 };
    (void)state;

    for (unsigned class_ = 0; class_ < 256; class_++) {
        for (unsigned command = class_ < 7 ? known[class_] : 0; command < 256; command++) {
            bytes[0] = (uint8_t)class_;
            bytes[1] = (uint8_t)command;
            check_refused(rig, before, bytes, command % 2 ? 2 : sizeof(bytes));
        }
    }
    check_alive(rig);
    free(before);
    rig_end(rig);
}

static void what_was_not_negotiated(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct rig *rig = rig_new(1);
        uint64_t features[2];
        tenon_bus_features(rig->device, features);
        features[0] &= ~(rig_bit(TN_F_EVENT_IDX) | rig_bit(commands[i].features[0]) |
                         rig_bit(commands[i].features[1]));
        rig_negotiate(rig, features[0]);
        for (unsigned queue = 0; queue < QUEUES; queue++) {
            assert_int_equal(rig_start(rig, queue), 0);
        }
        rig_run(rig);
        rig->net->announce = true;
        struct state *before = look(rig);
        check_refused(rig, before, commands[i].bytes, commands[i].count);
        free(before);
        rig_end(rig);
    }
}

/* A right command with some bytes changed, cut anywhere: OK, or ERR and all is as it was. */
static void mutations(void **state)
{
    struct rig *rig = rig_live(1);
    unsigned acks[2] = { 0 };
    (void)state;

    srand(11);
    for (unsigned round = 0; round < 20000; round++) {
        struct command command = commands[(unsigned)rand() % COMMANDS];
        for (int changes = rand() % 4; changes > 0; changes--) {
            unsigned at = (unsigned)rand() % (rand() % 2 ? 8 : command.count);
            command.bytes[at] =
                (uint8_t)(rand() % 2 ? rand() : command.bytes[at] ^ 1 << rand() % 8);
        }
        if (rand() % 8 == 0) {
            command.count = (uint32_t)rand() % COMMAND_MAX;
        }
        struct state *before = look(rig);
        rig_put(rig, command.bytes, command.count);
        pieces(rig, OUT_GPA, command.count, 8 + (uint32_t)rand() % 64, false, (unsigned)rand() % 8,
               rand() % 2);
        rig_desc(rig, IN_GPA, 1 + (uint32_t)rand() % 16, true);
        rig_offer(rig);
        rig_run(rig);
        assert_true(rig_answered(rig));
        uint8_t ack = *rig_at(rig, IN_GPA);
        assert_true(ack <= TN_NET_ERR);
        assert_true(ack == TN_NET_OK || is_as(rig, before));
        assert_true(ack == TN_NET_OK || rig->used_bytes == 1);
        assert_in_range(rig->net->rules.pairs, 1, PAIRS);
        acks[ack]++;
        free(before);
    }
    assert_true(acks[0] > 1000 && acks[1] > 1000);
    assert_int_equal(rig->broken, 0);
    check_alive(rig);
#ifdef TN_READ_ONCE
    assert_int_equal(tn_read_once_violations(), 0);
#endif
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_is_done),    cmocka_unit_test(any_framing),
        cmocka_unit_test(no_place_for_an_ack),     cmocka_unit_test(data_of_another_length),
        cmocka_unit_test(data_outside_of_memory),  cmocka_unit_test(commands_that_do_not_exist),
        cmocka_unit_test(what_was_not_negotiated), cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
