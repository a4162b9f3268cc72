/*
 * framing.c: see framing.h.
 *
 *   in     | taken | shown | whole frames | part of one |          |
 *                          ^ parsed                     ^ end      ^ TN_INBOX_BYTES
 *
 * A part of a frame moves to the front before more is read: once in a quarter of a MiB, so that no
 * frame ever lies in two pieces. Nothing moves while frames are shown.
 *
 *   out    | sent | rest of one | length, short frame | length | length, short frame |
 *                 ^ at          ^ end                         ^ a long one: where the guest has it
 *
 * Behind `end` lies what one call tries to send; what it did not begin is forgotten after it.
 */
#include "link/framing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/iov.h"
#include "base/num.h"

static uint32_t get_length(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_length(uint8_t *at, uint32_t length)
{
    at[0] = (uint8_t)(length >> 24);
    at[1] = (uint8_t)(length >> 16);
    at[2] = (uint8_t)(length >> 8);
    at[3] = (uint8_t)length;
}

/* ---- what comes ---- */

int tn_inbox_open(struct tn_inbox *inbox)
{
    inbox->data = malloc(TN_INBOX_BYTES);
    return inbox->data ? 0 : -ENOMEM;
}

void tn_inbox_close(struct tn_inbox *inbox)
{
    free(inbox->data);
}

/* Whether a whole frame is next. Passes over those that are too short to be one. */
static bool is_whole(struct tn_inbox *inbox)
{
    while (inbox->end - inbox->parsed >= TN_FRAMING_HEADER && !inbox->garbage) {
        uint32_t length = get_length(inbox->data + inbox->parsed);

        if (length == 0 || length > TENON_FRAME_BYTES_MAX) {
            inbox->garbage = true;
            inbox->length = length;
            break;
        }
        if (inbox->end - inbox->parsed - TN_FRAMING_HEADER < length) {
            break;
        }
        if (length >= TENON_FRAME_HEADER_BYTES) {
            return true;
        }
        inbox->parsed += TN_FRAMING_HEADER + length;
        tn_count_add(&inbox->runts, 1);
    }
    return false;
}

static void show(struct tn_inbox *inbox)
{
    unsigned n = (inbox->first + inbox->shown) % TN_INBOX_FRAMES;
    uint32_t length = get_length(inbox->data + inbox->parsed);

    inbox->iov[n].iov_base = inbox->data + inbox->parsed + TN_FRAMING_HEADER;
    inbox->iov[n].iov_len = length;
    inbox->frames[n] =
        (struct tenon_frame){ .iov = &inbox->iov[n], .iov_count = 1, .bytes = length };
    inbox->parsed += TN_FRAMING_HEADER + length;
    inbox->shown++;
}

unsigned tn_inbox_peek(struct tn_inbox *inbox, struct tenon_frame **frames, unsigned count)
{
    unsigned n;

    count = (unsigned)tn_min_u64(count, TN_INBOX_FRAMES);
    while (inbox->shown < count && is_whole(inbox)) {
        show(inbox);
    }
    for (n = 0; n < count && n < inbox->shown; n++) {
        frames[n] = &inbox->frames[(inbox->first + n) % TN_INBOX_FRAMES];
    }
    return n;
}

void tn_inbox_take(struct tn_inbox *inbox, unsigned count)
{
    inbox->first = (inbox->first + count) % TN_INBOX_FRAMES;
    inbox->shown -= count;
}

bool tn_inbox_any(struct tn_inbox *inbox)
{
    return inbox->shown != 0 || is_whole(inbox);
}

static void move_to_front(struct tn_inbox *inbox)
{
    if (inbox->shown == 0 && inbox->parsed != 0) {
        memmove(inbox->data, inbox->data + inbox->parsed, inbox->end - inbox->parsed);
        inbox->end -= inbox->parsed;
        inbox->parsed = 0;
    }
}

ssize_t tn_inbox_read(struct tn_inbox *inbox, int fd)
{
    ssize_t n;

    move_to_front(inbox);
    if (inbox->end == TN_INBOX_BYTES) {
        return -ENOBUFS;
    }
    n = recv(fd, inbox->data + inbox->end, TN_INBOX_BYTES - inbox->end, MSG_DONTWAIT);
    if (n < 0) {
        return -errno;
    }
    inbox->end += (size_t)n;
    return n;
}

bool tn_inbox_cut(struct tn_inbox *inbox)
{
    const uint64_t runts = tn_count_read(&inbox->runts); /* they will be passed over again */
    const size_t at = inbox->parsed;
    bool cut;

    /* Those that are whole, and were not shown yet, stay. */
    while (is_whole(inbox)) {
        inbox->parsed += TN_FRAMING_HEADER + get_length(inbox->data + inbox->parsed);
    }
    cut = inbox->parsed != inbox->end;
    inbox->end = inbox->parsed;
    inbox->parsed = at;
    inbox->garbage = false;
    tn_count_set(&inbox->runts, runts);
    return cut;
}

/* ---- what goes ---- */

int tn_outbox_open(struct tn_outbox *outbox)
{
    outbox->data = malloc(TN_OUTBOX_BYTES);
    return outbox->data ? 0 : -ENOMEM;
}

void tn_outbox_close(struct tn_outbox *outbox)
{
    free(outbox->data);
}

bool tn_outbox_drop(struct tn_outbox *outbox)
{
    bool any = tn_outbox_pending(outbox);

    outbox->at = outbox->end = 0;
    return any;
}

static bool is_short(const struct tenon_frame *frame)
{
    return frame->bytes <= TN_FLAT_SHORT;
}

/* `sent` bytes of the frame have gone, whose length lies at `where`: the others are the rest. */
static void keep_rest(struct tn_outbox *outbox, struct tenon_frame *frame, size_t where,
                      size_t sent)
{
    frame->result = 0;
    if (is_short(frame)) {
        outbox->at = where + sent;
        outbox->end = where + TN_FRAMING_HEADER + frame->bytes;
        return;
    }
    size_t header = sent < TN_FRAMING_HEADER ? TN_FRAMING_HEADER - sent : 0;
    size_t from = sent > TN_FRAMING_HEADER ? sent - TN_FRAMING_HEADER : 0;
    uint8_t length[TN_FRAMING_HEADER];

    put_length(length, frame->bytes);
    memcpy(outbox->data, length + TN_FRAMING_HEADER - header, header);
    outbox->at = 0;
    outbox->end = header + frame->bytes - from;
    if (!tn_iov_copy_from(outbox->data + header, frame->iov, frame->iov_count, from,
                          frame->bytes - from)) {
        memset(outbox->data + header, 0, frame->bytes - from); /* its length was promised */
    }
}

/* Whether it can be sent: 0 or why not. */
static int check(const struct tenon_frame *frame)
{
    if (frame->bytes > TENON_FRAME_BYTES_MAX) {
        return -EMSGSIZE;
    }
    return frame->bytes < TENON_FRAME_HEADER_BYTES ? -EINVAL : 0;
}

/* Only behind a rest at the front there is surely room for all that one call sends. */
static void move_rest(struct tn_outbox *outbox)
{
    size_t left = outbox->end - outbox->at;

    if (outbox->at != 0) {
        memmove(outbox->data, outbox->data + outbox->at, left);
        outbox->at = 0;
        outbox->end = left;
    }
}

/* One call's iovecs: the rest, then at most `most` frames that are good; how many of them. */
static unsigned gather(struct tn_outbox *outbox, struct tenon_frame *const *frames, unsigned most,
                       unsigned *iovecs)
{
    struct iovec *run = outbox->iov, *const end = outbox->iov + TN_OUTBOX_IOVECS;
    unsigned n = 0;

    if (most != 0) {
        move_rest(outbox);
    }
    *run = (struct iovec){ outbox->data + outbox->at, outbox->end - outbox->at };
    for (; n < most && n < TN_OUTBOX_FRAMES; n++) {
        const struct tenon_frame *frame = frames[n];
        uint8_t *to = (uint8_t *)run->iov_base + run->iov_len;

        if (check(frame) != 0 || (!is_short(frame) && frame->iov_count + 1 >= end - run)) {
            break;
        }
        put_length(to, frame->bytes);
        run->iov_len += TN_FRAMING_HEADER;
        if (is_short(frame)) {
            tn_flat_copy_from(to + TN_FRAMING_HEADER, frame);
            run->iov_len += frame->bytes;
        } else {
            memcpy(run + 1, frame->iov, frame->iov_count * sizeof(*frame->iov));
            run += 1 + frame->iov_count;
            *run = (struct iovec){ to + TN_FRAMING_HEADER, 0 };
        }
    }
    *iovecs = (unsigned)(run - outbox->iov) + (run->iov_len != 0 ? 1 : 0);
    return n;
}

/* `sent` bytes of the rest and of these frames have gone: how many frames are done. */
static unsigned account(struct tn_outbox *outbox, struct tenon_frame *const *frames, unsigned count,
                        size_t sent)
{
    size_t part = tn_min_u64(sent, outbox->end - outbox->at), where = outbox->end;
    unsigned n = 0;

    outbox->at += part;
    sent -= part;
    for (; n < count && sent >= TN_FRAMING_HEADER + frames[n]->bytes; n++) {
        sent -= TN_FRAMING_HEADER + frames[n]->bytes;
        where += TN_FRAMING_HEADER + (is_short(frames[n]) ? frames[n]->bytes : 0);
        frames[n]->result = 0;
    }
    if (n < count && sent != 0) {
        keep_rest(outbox, frames[n++], where, sent);
    }
    return n;
}

/* The first frame, which gather did not take. One in more pieces than a call takes goes by way of
 * the rest; others are no frames, and done with. */
static void take_apart(struct tn_outbox *outbox, struct tenon_frame *frame)
{
    frame->result = check(frame);
    if (frame->result == 0) {
        keep_rest(outbox, frame, 0, 0);
    }
}

unsigned tn_outbox_send(struct tn_outbox *outbox, int fd, struct tenon_frame *const *frames,
                        unsigned count, int *error)
{
    unsigned done = 0, most = count;

    *error = 0;
    while (done < count || tn_outbox_pending(outbox)) {
        struct msghdr message = { .msg_iov = outbox->iov };
        struct tenon_frame *const *left = done < count ? frames + done : NULL;
        unsigned iovecs;
        unsigned batch = gather(outbox, left, most < count - done ? most : count - done, &iovecs);
        size_t bytes = tn_iov_bytes(outbox->iov, iovecs);
        ssize_t n;

        if (iovecs == 0) {
            take_apart(outbox, frames[done++]);
            continue;
        }
        message.msg_iovlen = iovecs;
        n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            done += account(outbox, left, batch, (size_t)n);
            most = count;
            if ((size_t)n < bytes) {
                *error = -EAGAIN;
                break;
            }
        } else if (errno == EFAULT && batch != 0) {
            /* Memory that is gone; which frame's, one at a time tells. Nothing of it went. */
            if (batch == 1 && !tn_outbox_pending(outbox)) {
                frames[done++]->result = -EFAULT;
            }
            most = batch == 1 && tn_outbox_pending(outbox) ? 0 : 1;
        } else if (errno != EINTR) {
            *error = -errno;
            break;
        }
    }
    return done;
}
