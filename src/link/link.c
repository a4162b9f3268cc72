/*
 * link.c: the handle of a link: who holds it, what it is called, what it can do, and the step from
 * the library's calls to the link's own.
 *
 * What carries frames goes past this file: a device keeps tn_link_ops and calls them itself. What a
 * link says of itself is read again on each tenon_link_info (the MTU of a tap may change), and
 * checked each time. Any thread, but for tn_port_open.
 */
#include "link/link.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"

enum { PAIRS_MAX = 32768, MTU_MIN = 68 /* the least that IPv4 lives with */ };

struct tenon_link {
    atomic_uint users;
    struct tenon_link_ops ops;
    void *opaque;
    unsigned pairs;
    char name[];
};

/* ---- what the link says of itself ---- */

/* Each kind of offload needs the checksum, which is different in every segment. */
static bool is_legal(unsigned can)
{
    const unsigned tso = TENON_CAN_TSO4 | TENON_CAN_TSO6;

    return (can & ~(unsigned)TENON_CAN_ALL) == 0 &&
           ((can & TN_CAN_SEGMENTS) == 0 || (can & TENON_CAN_CSUM) != 0) &&
           ((can & TENON_CAN_ECN) == 0 || (can & tso) != 0);
}

static int check_info(const struct tenon_link *link, struct tenon_link_info *info)
{
    info->pairs = info->pairs == 0 ? 1 : info->pairs;
    info->recv_batch = info->recv_batch == 0 ? 1 : info->recv_batch;
    if (info->frame_bytes == 0 || info->frame_bytes > TENON_FRAME_BYTES_MAX) {
        info->frame_bytes = TENON_FRAME_BYTES_MAX;
    }
    if (info->pairs > PAIRS_MAX) {
        return tn_error(-EINVAL, "%s: %u pairs are not possible; at most %d are", link->name,
                        info->pairs, PAIRS_MAX);
    }
    if (info->frame_bytes < TENON_FRAME_HEADER_BYTES) {
        return tn_error(-EINVAL, "%s: frames of at most %u bytes are not possible; a header has %d",
                        link->name, info->frame_bytes, TENON_FRAME_HEADER_BYTES);
    }
    if (info->mtu != 0 && info->mtu < MTU_MIN) {
        return tn_error(-EINVAL,
                        "%s: an MTU of %u is not possible; it is 68 to 65535, or 0: not "
                        "known",
                        link->name, info->mtu);
    }
    if (!is_legal(info->send_can) || !is_legal(info->recv_can)) {
        return tn_error(-EINVAL,
                        "%s: offloads 0x%x (send) and 0x%x (recv) are not possible; TSO and USO "
                        "need CSUM, ECN needs TSO, and others do not exist",
                        link->name, info->send_can, info->recv_can);
    }
    return 0;
}

static int read_info(struct tenon_link *link, struct tenon_link_info *info)
{
    int r;

    memset(info, 0, sizeof(*info));
    info->size = sizeof(*info);
    r = link->ops.info(link->opaque, info);
    if (r != 0) {
        return tn_error(r < 0 ? r : -EIO, "%s: what it can do cannot be found out (%s)", link->name,
                        strerror(abs(r)));
    }
    return check_info(link, info);
}

int tenon_link_info(struct tenon_link *link, struct tenon_link_info *info)
{
    size_t size = info->size;
    struct tenon_link_info now;
    int r;

    if (size < sizeof(size)) {
        return tn_error(
            -EINVAL, "link info: the field `size` is %zu; set it to the size of the struct", size);
    }
    r = read_info(link, &now);
    if (r != 0) {
        return r;
    }
    memset(info, 0, size);
    memcpy(info, &now, tn_min_u64(size, sizeof(now)));
    info->size = size;
    return 0;
}

bool tenon_link_up(struct tenon_link *link)
{
    struct tenon_link_info info = { .size = sizeof(info) };

    if (link->ops.up) {
        return link->ops.up(link->opaque);
    }
    return link->ops.info(link->opaque, &info) == 0 && !info.down;
}

const char *tenon_link_name(const struct tenon_link *link)
{
    return link->name;
}

void tenon_link_stats(struct tenon_link *link,
                      void (*fn)(void *opaque, const char *name, uint64_t value), void *opaque)
{
    if (link->ops.stats) {
        link->ops.stats(link->opaque, fn, opaque);
    }
}

/* ---- lifetime ---- */

int tn_link_make(const struct tenon_link_ops *ops, void *opaque, const char *name,
                 struct tenon_link **out)
{
    size_t name_bytes = strlen(name) + 1;
    struct tenon_link *link = calloc(1, sizeof(*link) + name_bytes);
    struct tenon_link_info info;
    int r;

    if (!link) {
        return tn_error(-ENOMEM, "%s: no memory for the link", name);
    }
    atomic_init(&link->users, 1);
    link->ops = *ops;
    link->opaque = opaque;
    memcpy(link->name, name, name_bytes);
    r = read_info(link, &info);
    if (r != 0) {
        free(link);
        return r;
    }
    link->pairs = info.pairs;
    *out = link;
    return 0;
}

struct tenon_link *tenon_link_get(struct tenon_link *link)
{
    atomic_fetch_add_explicit(&link->users, 1, memory_order_relaxed);
    return link;
}

void tenon_link_close(struct tenon_link *link)
{
    if (!link || atomic_fetch_sub_explicit(&link->users, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (link->ops.free) {
        link->ops.free(link->opaque);
    }
    free(link);
}

/* ---- ports ---- */

const struct tenon_link_ops *tn_link_ops(const struct tenon_link *link)
{
    return &link->ops;
}

int tn_port_open(struct tenon_link *link, unsigned pair, struct tenon_worker *worker,
                 const struct tenon_port_events *events, void *opaque, struct tenon_port **out)
{
    int r;

    if (pair >= link->pairs) {
        return tn_error(-EINVAL, "%s: it has %u queue pairs; pair %u is not one of them",
                        link->name, link->pairs, pair);
    }
    r = link->ops.open(link->opaque, pair, worker, events, opaque, out);
    if (r == -EBUSY) {
        return tn_error(r, "%s: it is in use; give each device a link of its own", link->name);
    }
    if (r != 0) {
        return tn_error(r < 0 ? r : -EIO, "%s: queue pair %u cannot be opened (%s)", link->name,
                        pair, strerror(abs(r)));
    }
    return 0;
}

int tn_link_use_pairs(struct tenon_link *link, unsigned count)
{
    if (count == 0 || count > link->pairs) {
        return tn_error(-EINVAL, "%s: %u queue pairs cannot receive; 1 to %u can", link->name,
                        count, link->pairs);
    }
    return link->ops.use_pairs ? link->ops.use_pairs(link->opaque, count) : 0;
}
