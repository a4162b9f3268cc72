/*
 * link_ends.h: one end of a link as a test holds it: a port, frames to send and the number of each,
 * and what came back of them. Frames carry numbers, so that each can be seen to arrive whole, once
 * and in order, or to come back.
 */
#ifndef TESTS_UNIT_LINK_ENDS_H
#define TESTS_UNIT_LINK_ENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "link/link.h"
#include "tenon/worker.h"

enum { END_FRAMES = 1500, END_BYTES = 100 };

struct end_frame {
    struct tenon_frame frame; /* first */
    struct iovec iov[2];
    uint32_t number;
    uint8_t bytes[END_BYTES];
};

struct end {
    struct tenon_link *link;
    const struct tenon_link_ops *ops;
    struct tenon_worker *worker;
    struct tenon_port *port;
    unsigned watched;
    /* what was told */
    unsigned readable, writable, changes;
    bool reads; /* ready reads all */
    /* sending */
    struct end_frame *frames; /* [END_FRAMES] */
    struct end_frame *stock[END_FRAMES];
    unsigned left;
    uint32_t number;
    struct end_frame *under_way[END_FRAMES]; /* those that the link has, in order, in a ring */
    unsigned first, last;                    /* counted on and on */
    unsigned accepted, dropped, given;       /* given: the other end had them within send */
    unsigned came_back, arrived_there, canceled, down, pulled;
    /* receiving */
    uint32_t last_here;
    unsigned received;
    unsigned at_once; /* takes so many of those that it is given without asking */
    bool wrong;       /* something that must not be */
    void (*on_ready)(struct end *end, unsigned events);
    void (*on_sent)(struct end *end);
};

static inline void end_fill(struct end_frame *frame, uint32_t number)
{
    frame->number = number;
    memcpy(frame->bytes, &number, sizeof(number));
    memset(frame->bytes + sizeof(number), (int)(number % 251), END_BYTES - sizeof(number));
    frame->iov[0] = (struct iovec){ frame->bytes, 1 + number % (END_BYTES - 1) };
    frame->iov[1] =
        (struct iovec){ frame->bytes + frame->iov[0].iov_len, END_BYTES - frame->iov[0].iov_len };
    frame->frame =
        (struct tenon_frame){ .iov = frame->iov, .iov_count = 2, .bytes = END_BYTES, .result = 1 };
}

/* The number of a frame that has arrived; 0: it is not whole. */
static inline uint32_t end_number(const struct tenon_frame *frame)
{
    uint8_t copy[END_BYTES];
    uint32_t number, at = 0;

    for (unsigned i = 0; i < frame->iov_count && at < END_BYTES; i++) {
        memcpy(copy + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
        at += (uint32_t)frame->iov[i].iov_len;
    }
    memcpy(&number, copy, sizeof(number));
    for (unsigned i = sizeof(number); i < END_BYTES; i++) {
        if (copy[i] != number % 251) {
            return 0;
        }
    }
    return frame->bytes == END_BYTES && at == END_BYTES ? number : 0;
}

static inline void end_take(struct end *end, struct tenon_frame *frame)
{
    uint32_t number = end_number(frame);

    end->wrong |= number <= end->last_here || frame->result != 1;
    end->last_here = number;
    frame->result = 0;
}

/* Looks at most `count` times 16 frames; reads at most `count`. */
static inline unsigned end_read(struct end *end, unsigned count)
{
    struct tenon_frame *some[16];
    unsigned done = 0;

    while (done < count) {
        unsigned shown = end->ops->peek(end->port, some, 16);
        unsigned taken = shown < count - done ? shown : count - done;
        for (unsigned i = 0; i < taken; i++) {
            end_take(end, some[i]);
        }
        end->ops->take(end->port, taken);
        end->received += taken;
        done += taken;
        if (taken == 0) {
            break;
        }
    }
    return done;
}

static inline void end_watch(struct end *end, unsigned events)
{
    end->watched = events;
    end->ops->watch(end->port, events);
}

static inline void end_ready(void *opaque, unsigned events)
{
    struct end *end = opaque;

    end->wrong |= (events & ~end->watched) != 0 || !tenon_worker_here(end->worker);
    end->readable += (events & TENON_READABLE) != 0;
    end->writable += (events & TENON_WRITABLE) != 0;
    if (end->reads && (events & TENON_READABLE) != 0) {
        end_read(end, UINT32_MAX);
    }
    if (end->on_ready) {
        end->on_ready(end, events);
    }
}

static inline void end_sent(void *opaque, struct tenon_frame *frames)
{
    struct end *end = opaque;
    unsigned canceled = 0, again = 0;

    end->wrong |= !tenon_worker_here(end->worker);
    for (struct tenon_frame *at = frames; at; at = at->next) {
        canceled += at->result == -ECANCELED;
    }
    end->last -= canceled;
    while (frames) {
        struct end_frame *frame = (struct end_frame *)(void *)frames;
        frames = frames->next;
        if (frame->frame.result == -ECANCELED) { /* the last ones */
            end->wrong |= frame != end->under_way[(end->last + again++) % END_FRAMES];
        } else {
            end->wrong |= frame != end->under_way[end->first++ % END_FRAMES];
        }
        end->came_back++;
        end->arrived_there += frame->frame.result == 0;
        end->down += frame->frame.result == -ENETDOWN;
        end->stock[end->left++] = frame;
    }
    end->canceled += canceled;
    if (end->on_sent) {
        end->on_sent(end);
    }
}

static inline void end_changed(void *opaque)
{
    struct end *end = opaque;

    end->wrong |= !tenon_worker_here(end->worker);
    end->changes++;
}

static inline unsigned end_deliver(void *opaque, struct tenon_frame *const *frames, unsigned count)
{
    struct end *end = opaque;

    count = count < end->at_once ? count : end->at_once;
    for (unsigned i = 0; i < count; i++) {
        end_take(end, frames[i]);
    }
    end->received += count;
    return count;
}

static const struct tenon_port_events end_events = {
    .ready = end_ready, .sent = end_sent, .changed = end_changed, .deliver = end_deliver
};

/* Sends at most `count`: how many were taken (dropped and given ones are among them). */
static inline unsigned end_send(struct end *end, unsigned count)
{
    struct tenon_frame *some[64];
    unsigned all = 0;

    while (all < count && end->left != 0) {
        unsigned asked = count - all < 64 ? count - all : 64, kept = UINT32_MAX, taken;
        asked = asked < end->left ? asked : end->left;
        for (unsigned i = 0; i < asked; i++) {
            end_fill(end->stock[end->left - 1 - i], end->number + 1 + i);
            some[i] = &end->stock[end->left - 1 - i]->frame;
        }
        taken = end->ops->send(end->port, some, asked, &kept);
        end->wrong |= taken > asked || (taken != 0 && kept > taken);
        end->left -= taken;
        for (unsigned i = 0; i < taken; i++) {
            struct end_frame *frame = (struct end_frame *)(void *)some[i];
            if (i >= kept) {
                end->under_way[end->last++ % END_FRAMES] = frame;
                end->accepted++;
                continue;
            }
            end->wrong |= frame->frame.result != 0 && frame->frame.result != -ENETDOWN;
            end->given += frame->frame.result == 0;
            end->dropped += frame->frame.result != 0;
            end->stock[end->left++] = frame;
        }
        end->number += asked;
        all += taken;
        if (taken < asked) {
            break;
        }
    }
    return all;
}

/* Takes back the last ones; how many. */
static inline unsigned end_cancel(struct end *end, unsigned count)
{
    unsigned got = end->ops->cancel(end->port, count);

    end->wrong |= got > end->last - end->first;
    for (unsigned i = 0; i < got; i++) {
        struct end_frame *frame = end->under_way[--end->last % END_FRAMES];
        end->wrong |= frame->frame.result != 1;
        end->stock[end->left++] = frame;
    }
    end->pulled += got;
    return got;
}

static inline void end_open(struct end *end, unsigned pair, struct tenon_worker *worker)
{
    if (!end->frames) {
        end->frames = calloc(END_FRAMES, sizeof(*end->frames));
        assert_non_null(end->frames);
        for (unsigned i = 0; i < END_FRAMES; i++) {
            end->stock[i] = &end->frames[i];
        }
        end->left = END_FRAMES;
    }
    end->ops = tn_link_ops(end->link);
    end->worker = worker;
    assert_int_equal(tn_port_open(end->link, pair, worker, &end_events, end, &end->port), 0);
}

static inline void end_close(struct end *end)
{
    if (end->port) {
        end->ops->close(end->port);
        end->port = NULL;
    }
}

/* Every frame that was accepted has come back, and nothing was wrong. */
static inline void end_drop(struct end *end)
{
    end_close(end);
    assert_false(end->wrong);
    assert_int_equal(end->accepted, end->came_back + end->pulled);
    assert_int_equal(end->came_back, end->arrived_there + end->canceled + end->down);
    free(end->frames);
    end->frames = NULL;
}

#endif
