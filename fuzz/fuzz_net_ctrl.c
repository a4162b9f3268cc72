/*
 * fuzz_net_ctrl.c: commands of a network device's control queue, right and wrong ones, in any
 * framing, while queues stop and start, workers turn in any order, and the device is reset.
 *
 *   input ──> command, how it is cut ──> control queue ──> pairs, each on a worker or all on one
 *         └─> which worker turns next, stops, starts, resets
 *
 * Claims: each command is answered once, with the ack, result and length that a second reading of
 * the standard gives it (net_ctrl_oracle.c), and has that effect, or none; when it is answered OK
 * every open pair follows; nothing is written beyond the used length, or after a reset; one command
 * at a time; everything comes to an end.
 */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "net_ctrl_oracle.h"
#include "net_ctrl_rig.h"

enum { INPUT_MAX = 4096, COMMAND_MAX = 0x1000, ROOM_MAX = 24, PIECES_MAX = 40 };

struct world {
    struct ctrl_rig rig;
    struct input in;
    struct ctrl_oracle oracle;
    bool running[ORACLE_QUEUES];
    /* the command that is under way, and what must be answered */
    bool pending;
    uint32_t used;
    uint8_t answer[ROOM_MAX];
    bool ending; /* the control queue is being reset: nobody may be answered */
};

static const uint8_t mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };

static void answered(struct world *w)
{
    uint32_t used;

    if (!ctrl_rig_answered(&w->rig, &used)) {
        return;
    }
    FUZZ_CHECK(w->pending && used == w->used);
    FUZZ_CHECK(memcmp(ctrl_rig_at(&w->rig, CTRL_IN_GPA), w->answer, ROOM_MAX) == 0);
    w->pending = false;
    if (w->ending) {
        return;
    }
    ctrl_oracle_check(&w->oracle, w->rig.net);
    for (unsigned i = 0; i < ORACLE_PAIRS; i++) {
        const struct net_pair *pair = w->rig.net->open[i];
        FUZZ_CHECK(!pair || memcmp(&pair->rules, &w->rig.net->rules, sizeof(pair->rules)) == 0);
    }
}

static void turn(struct world *w)
{
    ctrl_rig_turn(&w->rig, input_u8(&w->in));
    answered(w);
}

/* Everything comes to its end. */
static void settle(struct world *w)
{
    FUZZ_CHECK(ctrl_rig_settle(&w->rig));
    answered(w);
    FUZZ_CHECK(!w->pending || w->ending);
    if (w->pending) {
        FUZZ_CHECK(*ctrl_rig_at(&w->rig, CTRL_IN_GPA) == CTRL_UNTOUCHED);
        w->pending = false;
    }
    w->ending = false;
}

/* ---- commands ---- */

static uint32_t put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> 8 * i);
    }
    return bytes;
}

static uint32_t make_macs(struct input *in, uint8_t *to)
{
    uint32_t at = 0;

    for (unsigned table = 0; table < 2; table++) {
        uint32_t count = input_u8(in) % 70;
        at += put(to + at, count, 4);
        for (uint32_t i = 0; i < count; i++) {
            at += put(to + at, i * 0x10101u + input_u8(in), 6);
        }
    }
    return at;
}

static uint32_t make_key(struct input *in, uint8_t *to)
{
    uint32_t bytes = input_u8(in) % 42;

    to[0] = (uint8_t)bytes;
    memset(to + 1, input_u8(in), bytes);
    return 1 + bytes;
}

static uint32_t make_rss(struct input *in, uint8_t *to)
{
    uint32_t at = put(to, input_u16(in) & 0x1ff, 4), length = 1u << input_u8(in) % 8;

    at += put(to + at, length - 1, 2);
    for (uint32_t i = 0; i <= length; i++) {
        at += put(to + at, input_u8(in) % (ORACLE_PAIRS + (input_rare(in) ? 1 : 0)), 2);
    }
    at += put(to + at, 1 + input_u8(in) % ORACLE_PAIRS, 2);
    return at + make_key(in, to + at);
}

/* One that is right, if the driver may use it at all. */
static uint32_t make(struct input *in, uint8_t *to)
{
    uint8_t kind = input_u8(in) % 13, byte = input_u8(in);
    uint32_t at = 2;

    static const uint8_t classes[13] = { 0, 1, 1, 2, 3, 4, 4, 4, 5, 6, 6, 6, 0 };
    static const uint8_t numbers[13] = { 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 2, 3, 0 };
    to[0] = classes[kind];
    to[1] = numbers[kind];
    switch (kind) {
    case 0:
    case 12:
        to[1] = byte % 6;
        return at + put(to + at, byte >> 7, 1);
    case 1:
        return at + make_macs(in, to + at);
    case 2:
        return at + put(to + at, input_u64(in), 6);
    case 3:
        to[1] = byte & 1;
        return at + put(to + at, input_u16(in) & 0xfff, 2);
    case 5:
        return at + put(to + at, byte % (ORACLE_PAIRS + 2), 2);
    case 6:
        return at + make_rss(in, to + at);
    case 7:
        at += put(to + at, input_u16(in) & 0x1ff, 4);
        at += put(to + at, input_u64(in), 8);
        return at + make_key(in, to + at);
    case 8:
        return at + put(to + at, input_u64(in) & UINT64_C(0xc0000000000382), 8);
    case 9:
        to[1] = byte & 1;
        return at + put(to + at, input_u64(in), 8);
    case 10:
        at += put(to + at, byte % (ORACLE_QUEUES + 1), 4);
        return at + put(to + at, input_u64(in), 8);
    case 11:
        return at + put(to + at, byte % (ORACLE_QUEUES + 1), 4);
    default:
        return at;
    }
}

/* Cut into pieces, with empty ones between: from where on it lies nowhere, or `bytes`. */
static uint32_t cut(struct world *w, uint64_t gpa, uint32_t bytes, bool write)
{
    struct input *in = &w->in;
    uint32_t hole = bytes;
    unsigned pieces = 0;

    for (uint32_t at = 0; at < bytes; pieces++) {
        uint8_t choice = input_u8(in);
        uint32_t part = pieces < PIECES_MAX ? 1u + choice % 64 : bytes;
        part = part < bytes - at ? part : bytes - at;
        if (choice & 0x80) {
            ctrl_rig_desc(&w->rig, gpa, 0, choice & 0x40); /* K16 */
        }
        bool nowhere = input_rare(in);
        ctrl_rig_desc(&w->rig, nowhere ? CTRL_NOWHERE : gpa + at, part, write);
        hole = nowhere && hole == bytes ? at : hole;
        at += part;
    }
    return hole;
}

static void command(struct world *w)
{
    uint8_t bytes[COMMAND_MAX] = { 0 }, result[8] = { 0 };
    struct input *in = &w->in;
    uint32_t count = make(in, bytes), result_bytes = 0;

    if (input_rare(in)) {
        bytes[input_u8(in) % (count < 24 ? count : 24)] = input_u8(in);
    }
    if (input_rare(in)) {
        count = input_u8(in);
    }
    uint32_t room = input_u8(in) % ROOM_MAX;
    ctrl_rig_put(&w->rig, bytes, count, ROOM_MAX);
    bool whole = cut(w, CTRL_OUT_GPA, count, false) == count;
    uint32_t there = cut(w, CTRL_IN_GPA, room, true);
    if (count == 0 && room == 0) {
        ctrl_rig_desc(&w->rig, CTRL_OUT_GPA, 0, false);
    }
    memset(w->answer, CTRL_UNTOUCHED, sizeof(w->answer));
    w->pending = true;
    w->used = 0;
    if (there != 0) { /* else it is not done, either */
        w->answer[0] = TN_NET_ERR;
        if (whole) {
            w->answer[0] = ctrl_oracle_do(&w->oracle, bytes, count, there, result, &result_bytes);
        }
        memcpy(w->answer + 1, result, result_bytes);
        w->used = 1 + result_bytes;
    }
    ctrl_rig_offer(&w->rig);
    ctrl_rig_turn(&w->rig, w->rig.ctrl / 2); /* it is read now; what follows may take long */
    answered(w);
}

/* ---- the device ---- */

static void start(struct world *w)
{
    uint8_t choice = input_u8(&w->in);
    uint64_t features = choice == FUZZ_RARE ? input_u64(&w->in) : UINT64_MAX;

    features = ctrl_rig_negotiate(&w->rig, features);
    ctrl_oracle_begin(&w->oracle, features, mac);
    for (unsigned i = 0; i < ORACLE_QUEUES; i++) {
        w->running[i] = i == w->rig.ctrl || (i < w->rig.ctrl && !(choice & 1u << i));
        if (w->running[i]) {
            ctrl_rig_start(&w->rig, i);
            ctrl_oracle_enable(&w->oracle, i, true);
        }
    }
    settle(w);
    ctrl_oracle_check(&w->oracle, w->rig.net);
}

/* A data queue stops, or starts again; a command that is under way does not wait for it. */
static void toggle(struct world *w)
{
    unsigned queue = input_u8(&w->in) % w->rig.ctrl;

    if (!w->running[queue]) {
        settle(w); /* a start comes behind what the command does to the others */
        ctrl_rig_start(&w->rig, queue);
        settle(w);
        ctrl_oracle_enable(&w->oracle, queue, true);
    } else {
        ctrl_oracle_enable(&w->oracle, queue, false);
        ctrl_rig_stop(&w->rig, queue, input_u8(&w->in) & 1);
        if (w->pending) {
            turn(w);
        }
        settle(w);
    }
    w->running[queue] = !w->running[queue];
}

/* What a command had begun is in force all the same. */
static void reset_ctrl(struct world *w)
{
    w->ending = true;
    ctrl_rig_stop(&w->rig, w->rig.ctrl, true);
    turn(w);
    settle(w);
    ctrl_rig_start(&w->rig, w->rig.ctrl);
    settle(w);
    ctrl_oracle_check(&w->oracle, w->rig.net);
}

static void reset(struct world *w)
{
    w->ending = true;
    ctrl_rig_quiet(&w->rig);
    turn(w);
    turn(w);
    settle(w);
    FUZZ_CHECK(tenon_bus_is_quiet(w->rig.device) && !w->rig.net->command.slot);
    start(w);
}

static void act(struct world *w)
{
    uint8_t action = input_u8(&w->in) % 16;

    if (action < 9) {
        settle(w);
        command(w);
    } else if (action < 12) {
        turn(w);
    } else if (action == 12) {
        settle(w);
    } else if (action == 13) {
        toggle(w);
    } else if (action == 14) {
        reset_ctrl(w);
    } else {
        reset(w);
    }
    FUZZ_CHECK(w->rig.broken == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct world w;

    memset(&w, 0, sizeof(w));
    w.in = (struct input){ data, bytes < INPUT_MAX ? bytes : INPUT_MAX };
    ctrl_rig_open(&w.rig, input_u8(&w.in) & 1 ? ORACLE_PAIRS + 1 : 1, mac);
    start(&w);
    while (w.in.left != 0) {
        act(&w);
    }
    settle(&w);
    ctrl_rig_close(&w.rig);
    return 0;
}
