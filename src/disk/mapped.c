/*
 * mapped.c: the engine for files in memory: the file is mapped, and reads and writes are copies, on
 * the worker that submits them.
 *
 *   submit: copy <-> mapping    commit: was all of that the file's? --yes--> done
 *                                                                  \--no---> body->run, for each
 *
 * Where the file was truncated meanwhile (mapping.h), the mapping is made anew at the end of the
 * batch, and the system's own calls do what the copies could not, or say why not. No lock, no
 * allocation.
 */
#include "disk/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"
#include "base/num.h"
#include "base/shared.h"

/* So much takes a few ten microseconds: an answer waits no longer for those behind it. */
enum { BATCH_BYTES = 256 * 1024 };

struct tenon_channel {
    struct tn_mapping mapping;
    struct tn_list batch; /* struct item: copied, not yet answered */
    uint64_t copied;      /* bytes, by the batch */
};

/* The scratch of an operation. */
struct item {
    struct tn_list link; /* in the batch */
    struct tenon_io *io;
};

/* ---- operations ---- */

static int run(const struct tn_mapped *mapped, struct tenon_io *io)
{
    return mapped->ops->run(mapped->body, io);
}

static void commit(struct tenon_channel *channel)
{
    const struct tn_mapped *mapped = channel->mapping.mapped;
    struct tenon_io flush = { .op = TENON_IO_FLUSH };
    bool sound = tn_list_empty(&channel->batch) || tn_mapping_sound(&channel->mapping);
    struct tn_list *link;

    if (!sound) {
        tn_mapping_renew(&channel->mapping);
    }
    while ((link = tn_list_take_first(&channel->batch)) != NULL) {
        struct tenon_io *io = TN_CONTAINER_OF(link, struct item, link)->io;
        bool stable = (io->flags & TENON_IO_FUA) != 0;
        tenon_io_done(io, !sound ? run(mapped, io) : stable ? run(mapped, &flush) : 0);
    }
    channel->copied = 0;
}

/* The file may have grown since it was mapped. */
static bool reaches(struct tenon_channel *channel, uint64_t end)
{
    if (!channel->mapping.base || end > channel->mapping.bytes) {
        commit(channel); /* the old mapping tells whether that was good */
        tn_mapping_renew(&channel->mapping);
    }
    return channel->mapping.base && end <= channel->mapping.bytes;
}

/* Whether it was done in the mapping. */
static bool try_copy(struct tenon_channel *channel, struct tenon_io *io)
{
    const struct tn_mapped_file *file = &channel->mapping.mapped->file;
    uint64_t start = file->start + io->offset;
    bool transfer = io->op == TENON_IO_READ || io->op == TENON_IO_WRITE;
    /* Elsewhere the file system has a faster way than to write zeroes. */
    bool zero = io->op == TENON_IO_ZEROES && (io->flags & TENON_IO_UNMAP) == 0 && file->in_memory;

    if ((!transfer && !zero) || !reaches(channel, start + io->bytes)) {
        return false;
    }
    if (!zero) {
        return tn_mapping_copy(&channel->mapping, io);
    }
    tn_shared_zero(channel->mapping.base + start, io->bytes);
    channel->mapping.end = tn_max_u64(channel->mapping.end, start + io->bytes);
    return true;
}

static int submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct item *item = tenon_io_scratch(io);

    item->io = io;
    tn_list_init(&item->link);
    if (try_copy(channel, io)) {
        tn_list_append(&channel->batch, &item->link);
        channel->copied += io->bytes;
        if (channel->copied >= BATCH_BYTES) {
            commit(channel);
        }
        return 0;
    }
    /* What the batch has read or written comes before what is done to the file itself. */
    commit(channel);
    tenon_io_done(io, run(channel->mapping.mapped, io));
    return 0;
}

static int cancel(struct tenon_channel *channel, struct tenon_io *io)
{
    struct item *item = tenon_io_scratch(io);

    (void)channel;
    if (tn_list_unlinked(&item->link)) {
        return -EBUSY;
    }
    tn_list_remove(&item->link);
    return 0;
}

/* ---- the channel ---- */

static int open_channel(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct tenon_channel *channel = calloc(1, sizeof(*channel));
    const struct tn_mapped *mapped = disk;
    int r;

    (void)worker;
    if (!channel) {
        return tn_error(-ENOMEM, "no memory for a channel to the disk");
    }
    channel->mapping.mapped = mapped;
    channel->mapping.writable = !mapped->file.read_only;
    tn_list_init(&channel->batch);
    r = tn_mapping_renew(&channel->mapping);
    if (r != 0) {
        free(channel);
        return tn_error(r, "the image could not be mapped (%s); use engine=inline", strerror(-r));
    }
    *out = channel;
    return 0;
}

static void close_channel(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    commit(channel);
    tn_mapping_end(&channel->mapping);
    free(channel);
    done(opaque);
}

/* ---- the disk ---- */

static int info(void *disk, struct tenon_disk_info *out)
{
    const struct tn_mapped *mapped = disk;

    return mapped->ops->info(mapped->body, out);
}

static void free_disk(void *disk)
{
    struct tn_mapped *mapped = disk;

    if (mapped->ops->free) {
        mapped->ops->free(mapped->body);
    }
    free(mapped);
}

bool tn_mapped_possible(const char **why)
{
    if (!tn_sigbus_is_handled()) {
        *why = "nothing in this process handles SIGBUS, which a truncated image raises";
        return false;
    }
    return true;
}

int tn_mapped_open(const struct tn_body_ops *ops, void *body, const struct tn_mapped_file *file,
                   const struct tn_disk_label *label, struct tenon_disk **out)
{
    static const struct tenon_disk_ops mapped_ops = {
        .size = sizeof(mapped_ops),
        .io_bytes = sizeof(struct item),
        .open = open_channel,
        .submit = submit,
        .commit = commit,
        .cancel = cancel,
        .close = close_channel,
        .info = info,
        .free = free_disk,
    };
    struct tn_mapped *mapped = calloc(1, sizeof(*mapped));
    int r;

    if (!mapped) {
        return tn_error(-ENOMEM, "%s: no memory for the disk", label->name);
    }
    tn_mapped_init(mapped, ops, body, file);
    r = tn_disk_make(&mapped_ops, mapped, label, out);
    if (r != 0) {
        free(mapped);
    }
    return r;
}
