/*
 * cached.c: in front of an engine for files that may block: reads of what is in the page cache are
 * copies from a mapping, on the worker that submits them; all else goes on to the engine below.
 *
 *   submit: a read, and all of it in the cache? --yes--> copy      commit: sound? --yes--> done
 *                        \--no--> below                                          \--no---> below
 *
 * Such a copy costs less than half of the system call that does the same. What is in the cache the
 * system says (mincore), for a whole chunk at once, and that is believed for a tenth of a second: a
 * page that is dropped just then costs one wait for the disk on this worker, and no error.
 *
 * What was touched counts as this process's memory for the system, though it is the page cache that
 * is there anyway; so a channel that has copied nothing for a while lets go of it. On the channel's
 * worker; no lock, no allocation.
 */
#include "disk/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/list.h"
#include "base/num.h"
#include "disk/host.h"
#include "loop/loop.h"

enum {
    BATCH_BYTES = 64 * 1024, /* an answer waits no longer for those behind it */
    CHUNK_SHIFT = 16,
    CHUNK_BYTES = 1 << CHUNK_SHIFT,
    CHUNK_PAGES_MAX = CHUNK_BYTES / 4096,
    SEEN_MAX = 16384, /* chunks that are remembered: of 1 GiB */
    BELIEVED_NS = 100 * 1000 * 1000
};
#define IDLE_NS UINT64_C(2000000000)

struct cached {
    struct tn_mapped mapped;
    struct tenon_disk *below;
    size_t below_bytes; /* its scratch; ours comes behind it */
};

/* A chunk that was in the cache at that time, in the place that its number hashes to. */
struct seen {
    uint64_t chunk, at;
};

struct tenon_channel {
    const struct cached *cached;
    struct tenon_worker *worker;
    struct tenon_channel *below;
    struct tn_mapping mapping;
    struct seen *seen; /* zeroes: nothing was seen */
    uint64_t seen_mask;
    struct tn_list batch; /* struct item: copied, not yet answered */
    uint64_t copied;      /* bytes, by the batch */
    bool passed_on;       /* something went below since the last commit */
    struct tenon_timer *idle;
    bool idle_set, used; /* since the timer was set */
};

/* The scratch of an operation, behind that of the engine below. */
struct item {
    struct tn_list link; /* in the batch, else it went below */
    struct tenon_io *io;
};

static struct item *item_of(const struct cached *cached, struct tenon_io *io)
{
    return (struct item *)(void *)((char *)tenon_io_scratch(io) + cached->below_bytes);
}

/* ---- what is in the page cache ---- */

/* Asks the system; `first` and `end` are within the chunk. */
static bool look_at_chunk(struct tenon_channel *channel, uint64_t chunk, uint64_t first,
                          uint64_t end)
{
    struct seen *seen = &channel->seen[chunk & channel->seen_mask];
    uint64_t page = channel->cached->mapped.file.granule;
    uint64_t start = chunk << CHUNK_SHIFT;
    uint64_t bytes = tn_min_u64(CHUNK_BYTES, channel->mapping.bytes - start);
    unsigned char resident[CHUNK_PAGES_MAX];
    bool all = true, wanted = true;

    if (mincore(channel->mapping.base + start, bytes, (void *)resident) != 0) {
        return false;
    }
    for (uint64_t i = 0; i * page < bytes; i++) {
        bool is_there = (resident[i] & 1) != 0;
        bool is_wanted = start + (i + 1) * page > first && start + i * page < end;
        all = all && is_there;
        wanted = wanted && (is_there || !is_wanted);
    }
    *seen = (struct seen){ .chunk = chunk, .at = all ? tn_worker_turn_time(channel->worker) : 0 };
    return wanted;
}

static bool is_cached(struct tenon_channel *channel, uint64_t first, uint64_t end)
{
    uint64_t now = tn_worker_turn_time(channel->worker);

    for (uint64_t chunk = first >> CHUNK_SHIFT; chunk << CHUNK_SHIFT < end; chunk++) {
        const struct seen *seen = &channel->seen[chunk & channel->seen_mask];
        bool known = seen->chunk == chunk && seen->at != 0 && now - seen->at < BELIEVED_NS;
        if (!known && !look_at_chunk(channel, chunk, first, end)) {
            return false;
        }
    }
    return true;
}

static void forget(struct tenon_channel *channel)
{
    for (uint64_t i = 0; i <= channel->seen_mask; i++) {
        channel->seen[i].at = 0;
    }
}

/* ---- the mapping lets go of what it has touched ---- */

static void on_idle(void *opaque)
{
    struct tenon_channel *channel = opaque;

    channel->idle_set = channel->used;
    if (channel->used) {
        tenon_timer_set(channel->idle, tenon_now() + IDLE_NS);
    } else if (channel->mapping.base) {
        tn_host_untouch(channel->mapping.base, channel->mapping.bytes);
    }
    channel->used = false;
}

static void note_use(struct tenon_channel *channel)
{
    channel->used = true;
    if (!channel->idle_set) {
        channel->idle_set = true;
        tenon_timer_set(channel->idle, tn_worker_turn_time(channel->worker) + IDLE_NS);
    }
}

/* ---- operations ---- */

static int pass_on(struct tenon_channel *channel, struct tenon_io *io)
{
    channel->passed_on = true;
    return tn_channel_submit(channel->cached->below, channel->below, io);
}

/* The batch is answered, or, where the file is not what it was, read by the engine below. */
static void answer(struct tenon_channel *channel)
{
    const struct tn_mapped *mapped = &channel->cached->mapped;
    bool sound = tn_list_empty(&channel->batch) || tn_mapping_sound(&channel->mapping);
    struct tn_list *link;

    if (!sound) {
        tn_mapping_renew(&channel->mapping);
        forget(channel);
    }
    while ((link = tn_list_take_first(&channel->batch)) != NULL) {
        struct tenon_io *io = TN_CONTAINER_OF(link, struct item, link)->io;
        if (sound) {
            tenon_io_done(io, 0);
        } else if (pass_on(channel, io) != 0) { /* full: that is rare enough to wait for it */
            tenon_io_done(io, mapped->ops->run(mapped->body, io));
        }
    }
    channel->copied = 0;
}

/* The file may have grown since it was mapped. */
static bool reaches(struct tenon_channel *channel, uint64_t end)
{
    if (channel->mapping.base && end > channel->mapping.bytes) {
        answer(channel); /* the old mapping tells whether that was good */
        tn_mapping_renew(&channel->mapping);
    }
    return channel->mapping.base && end <= channel->mapping.bytes;
}

static bool try_copy(struct tenon_channel *channel, const struct tenon_io *io)
{
    uint64_t start = channel->cached->mapped.file.start + io->offset;

    return io->op == TENON_IO_READ && reaches(channel, start + io->bytes) &&
           is_cached(channel, start, start + io->bytes) && tn_mapping_copy(&channel->mapping, io);
}

static int submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct item *item = item_of(channel->cached, io);

    item->io = io;
    tn_list_init(&item->link);
    if (!try_copy(channel, io)) {
        return pass_on(channel, io);
    }
    note_use(channel);
    tn_list_append(&channel->batch, &item->link);
    channel->copied += io->bytes;
    if (channel->copied >= BATCH_BYTES) {
        answer(channel);
    }
    return 0;
}

static void commit(struct tenon_channel *channel)
{
    answer(channel);
    if (channel->passed_on) {
        channel->passed_on = false;
        tn_channel_commit(channel->cached->below, channel->below);
    }
}

static int poll_below(struct tenon_channel *channel)
{
    return tn_channel_poll(channel->cached->below, channel->below);
}

static int cancel(struct tenon_channel *channel, struct tenon_io *io)
{
    struct item *item = item_of(channel->cached, io);

    if (tn_list_unlinked(&item->link)) {
        return tn_channel_cancel(channel->cached->below, channel->below, io);
    }
    tn_list_remove(&item->link);
    return 0;
}

/* ---- the channel ---- */

static void free_channel(struct tenon_channel *channel)
{
    tn_mapping_end(&channel->mapping);
    tenon_timer_free(channel->idle);
    free(channel->seen);
    free(channel);
}

/* A file that cannot be mapped is served all the same, by the engine below. */
static int open_channel(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    const struct cached *cached = disk;
    struct tenon_channel *channel = calloc(1, sizeof(*channel));
    uint64_t places = 1;
    int r = -ENOMEM;

    if (!channel) {
        return tn_error(-ENOMEM, "no memory for a channel to the disk");
    }
    *channel = (struct tenon_channel){ .cached = cached,
                                       .worker = worker,
                                       .mapping = { .mapped = &cached->mapped } };
    tn_list_init(&channel->batch);
    tn_mapping_renew(&channel->mapping);
    while (places < SEEN_MAX && places << CHUNK_SHIFT < channel->mapping.bytes) {
        places *= 2;
    }
    channel->seen_mask = places - 1;
    channel->seen = calloc(places, sizeof(*channel->seen));
    if (channel->seen) {
        r = tenon_timer_new(worker, on_idle, channel, &channel->idle);
    }
    if (r == 0) {
        r = tn_channel_open(cached->below, worker, &channel->below);
    }
    if (r != 0) {
        free_channel(channel);
        return r;
    }
    *out = channel;
    return 0;
}

static void close_channel(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    struct tenon_disk *below = channel->cached->below;
    struct tenon_channel *channel_below = channel->below;

    commit(channel);
    free_channel(channel);
    tn_channel_close(below, channel_below, done, opaque);
}

/* ---- the disk ---- */

/* Asking the one below also tells it what size it has. */
static int info(void *disk, struct tenon_disk_info *out)
{
    const struct cached *cached = disk;

    return tenon_disk_info(cached->below, out);
}

static void free_disk(void *disk)
{
    struct cached *cached = disk;

    tenon_disk_close(cached->below);
    free(cached);
}

int tn_cached_open(const struct tn_body_ops *ops, void *body, const struct tn_mapped_file *file,
                   struct tenon_disk *below, const struct tn_disk_label *label,
                   struct tenon_disk **out)
{
    struct tenon_disk_ops cached_ops = {
        .size = sizeof(cached_ops),
        .open = open_channel,
        .submit = submit,
        .commit = commit,
        .poll = poll_below,
        .cancel = cancel,
        .close = close_channel,
        .info = info,
        .free = free_disk,
    };
    struct cached *cached = calloc(1, sizeof(*cached));
    int r;

    if (!cached) {
        return tn_error(-ENOMEM, "%s: no memory for the disk", label->name);
    }
    tn_mapped_init(&cached->mapped, ops, body, file);
    cached->below = below;
    cached->below_bytes = tn_round_up(tn_disk_io_bytes(below), 16);
    cached_ops.io_bytes = cached->below_bytes + sizeof(struct item);
    r = tn_disk_make(&cached_ops, cached, label, out);
    if (r != 0) {
        free(cached);
    }
    return r;
}
