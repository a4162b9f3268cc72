/*
 * vring.h: the split virtqueue's layout in guest memory (section 2.7). No code.
 */
#ifndef TN_SPEC_VRING_H
#define TN_SPEC_VRING_H

#include "base/le.h"

/* Descriptor flags (SPLIT-04). */
enum { TN_DESC_F_NEXT = 1, TN_DESC_F_WRITE = 2, TN_DESC_F_INDIRECT = 4 };
enum { TN_AVAIL_F_NO_INTERRUPT = 1, TN_USED_F_NO_NOTIFY = 1 };
/* Alignment of the three areas (SPLIT-01). */
enum { TN_DESC_ALIGN = 16, TN_AVAIL_ALIGN = 2, TN_USED_ALIGN = 4 };

struct tn_desc {
    le64 addr;
    le32 len;
    le16 flags;
    le16 next;
};

/* Followed by the ring's entries and used_event (SPLIT-05). */
struct tn_avail {
    le16 flags;
    le16 idx;
    le16 ring[];
};

struct tn_used_elem {
    le32 id;
    le32 len;
};

/* Followed by the ring's entries and avail_event (SPLIT-06). */
struct tn_used {
    le16 flags;
    le16 idx;
    struct tn_used_elem ring[];
};

/* Bytes of each area for a queue of `size`, the event word included. */
#define TN_DESC_BYTES(size) (16u * (size))
#define TN_AVAIL_BYTES(size) (6u + 2u * (size))
#define TN_USED_BYTES(size) (6u + 8u * (size))

#endif
