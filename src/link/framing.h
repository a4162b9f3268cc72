/*
 * framing.h: frames in a stream of bytes, each behind its length: 4 bytes, big-endian.
 *
 *   tn_inbox    what has come: read in large pieces, and shown frame by frame where it lies
 *   tn_outbox   what is being sent: many frames in one call, short ones copied into one run of
 *               bytes; and the rest of one that was cut off
 *
 * Knows neither whose socket it is nor what to do when it breaks (stream.c). One thread at a time.
 */
#ifndef TN_LINK_FRAMING_H
#define TN_LINK_FRAMING_H

#include "base/count.h"
#include "link/flat.h"

enum {
    TN_FRAMING_HEADER = 4,
    TN_INBOX_BYTES = 256 * 1024,
    TN_INBOX_FRAMES = 64,  /* that are shown at a time */
    TN_OUTBOX_FRAMES = 64, /* that are sent by one call */
    TN_OUTBOX_IOVECS = 1024,
    TN_OUTBOX_REST = TN_FRAMING_HEADER + TENON_FRAME_BYTES_MAX,
    TN_OUTBOX_BYTES = TN_OUTBOX_REST + TN_OUTBOX_FRAMES * (TN_FRAMING_HEADER + TN_FLAT_SHORT)
};

struct tn_inbox {
    uint8_t *data;
    size_t parsed, end; /* what was shown or taken ends, what was read ends */
    bool garbage;       /* at `parsed` is a length that no frame has */
    uint32_t length;    /* that one */
    unsigned first, shown;
    struct tn_count runts; /* frames without a header, which were passed over */
    struct tenon_frame frames[TN_INBOX_FRAMES];
    struct iovec iov[TN_INBOX_FRAMES];
};

int tn_inbox_open(struct tn_inbox *inbox); /* 0 or -ENOMEM */
void tn_inbox_close(struct tn_inbox *inbox);

/* As ops->peek and ops->take, of what was read already. */
unsigned tn_inbox_peek(struct tn_inbox *inbox, struct tenon_frame **frames, unsigned count);
void tn_inbox_take(struct tn_inbox *inbox, unsigned count);
/* Whether there is a whole frame. */
bool tn_inbox_any(struct tn_inbox *inbox);
/*
 * Reads more: how many bytes; 0: the end; or a negative errno. -ENOBUFS: frames have to be taken
 * first.
 */
ssize_t tn_inbox_read(struct tn_inbox *inbox, int fd);
/*
 * The stream has ended: forgets what is no whole frame, and garbage. Whole ones stay. Whether
 * anything was forgotten.
 */
bool tn_inbox_cut(struct tn_inbox *inbox);

struct tn_outbox {
    uint8_t *data;
    size_t at, end; /* in there, of the frame that was begun last: what is left of it */
    struct iovec iov[TN_OUTBOX_IOVECS];
};

int tn_outbox_open(struct tn_outbox *outbox);
void tn_outbox_close(struct tn_outbox *outbox);

/*
 * Sends frames: how many are done with, each with its result. *error: 0; -EAGAIN: the socket is
 * full; else what has broken the stream, or has to be waited for. A frame that was begun is done,
 * and what is left of it goes first in the next call (`count` may be 0).
 */
unsigned tn_outbox_send(struct tn_outbox *outbox, int fd, struct tenon_frame *const *frames,
                        unsigned count, int *error);
static inline bool tn_outbox_pending(const struct tn_outbox *outbox)
{
    return outbox->at != outbox->end;
}
/* The stream has ended: what is left of a frame has nowhere to go. Whether there was any. */
bool tn_outbox_drop(struct tn_outbox *outbox);

#endif
