/*
 * flow.c: see flow.h. On the thread of the test.
 */
#include "flow.h"

#include "moved_clock.h"

enum { SECTOR = 512, MOST_BYTES = 1 << 20 };

struct flow *flow_new(struct rig *rig, unsigned queue, uint32_t type, uint32_t bytes,
                      unsigned depth)
{
    static uint8_t data[MOST_BYTES];
    struct flow *flow = calloc(1, sizeof(*flow));

    assert_non_null(flow);
    assert_true(depth <= FLOW_DEPTH && bytes <= MOST_BYTES);
    flow->rig = rig;
    flow->queue = queue;
    flow->type = type;
    flow->bytes = bytes;
    flow->depth = depth;
    flow->data = data;
    return flow;
}

static void send(struct flow *flow, unsigned i)
{
    bool out = flow->type == TN_BLK_T_OUT;

    flow->requests[i] = (struct tnd_blk_request){
        .type = flow->type,
        .sector = flow->sector + (uint64_t)i * (flow->bytes / SECTOR),
        .out = out ? flow->data : NULL,
        .out_bytes = out ? flow->bytes : 0,
        .in_bytes = flow->type == TN_BLK_T_IN ? flow->bytes : 0,
        .form = TND_INDIRECT,
    };
    assert_int_equal(tnd_blk_add(flow->rig->driver, flow->queue, &flow->requests[i]), 0);
    flow->busy[i] = true;
}

void flow_fill(struct flow *flow)
{
    for (unsigned i = 0; i < flow->depth; i++) {
        if (!flow->busy[i]) {
            send(flow, i);
        }
    }
    tnd_kick(flow->rig->driver, flow->queue);
}

unsigned flow_reap(struct flow *flow)
{
    unsigned done = 0;

    tnd_blk_reap(flow->rig->driver, flow->queue);
    for (unsigned i = 0; i < flow->depth; i++) {
        if (flow->busy[i] && flow->requests[i].done) {
            assert_int_equal(flow->requests[i].status, TN_BLK_S_OK);
            flow->busy[i] = false;
            done++;
        }
    }
    flow->done += done;
    return done;
}

void flow_settle(struct flow *const *flows, unsigned count)
{
    unsigned done;

    do {
        done = 0;
        clock_move(1); /* what a timer asks for in its own turn is for the next moment */
        for (unsigned i = 0; i < count; i++) {
            flow_fill(flows[i]);
            tnd_settle(flows[i]->rig->driver, 0);
        }
        for (unsigned i = 0; i < count; i++) {
            done += flow_reap(flows[i]);
        }
    } while (done != 0);
}

void flow_run(struct flow *const *flows, unsigned count, uint64_t ns, uint64_t step)
{
    for (uint64_t at = 0; at < ns; at += step) {
        clock_move(step);
        flow_settle(flows, count);
    }
}

void flow_lose(struct flow *flow)
{
    for (unsigned i = 0; i < FLOW_DEPTH; i++) {
        if (flow->busy[i]) {
            tnd_blk_forget(flow->rig->driver, &flow->requests[i]);
            flow->busy[i] = false;
        }
    }
}

void flow_free(struct flow *flow)
{
    flow_lose(flow);
    free(flow);
}
