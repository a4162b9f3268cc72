/*
 * mapped.c: the engine for files in memory: the file is mapped, and reads and writes are copies, on
 * the worker that submits them.
 *
 *   submit: copy <-> mapping    commit: was all of that the file's? --yes--> done
 *                                                                  \--no---> body->run, for each
 *
 * A file that was truncated answers a touch with SIGBUS. tenon_sigbus (mem/sigbus.c) then puts a
 * page of zeroes there and marks the mapping; at the end of the batch the mapping is made anew, and
 * the system's own calls do what the copies could not, or say why not. What is gone but lies in the
 * file's last page is no fault: hence the look at the file's size, once for each batch.
 *
 * Each channel has a mapping of its own, which only its worker touches. No lock, no allocation.
 */
#include "disk/body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/iov.h"
#include "base/list.h"
#include "base/num.h"
#include "base/shared.h"
#include "mem/mem.h"

/* So much takes a few ten microseconds: an answer waits no longer for those behind it. */
enum { BATCH_BYTES = 256 * 1024 };

struct mapped {
    const struct tn_body_ops *ops;
    void *body;
    struct tn_mapped_file file;
    bool has_size; /* a file; a block device does not get shorter */
};

struct tenon_channel {
    const struct mapped *mapped;
    uint8_t *base; /* where the file begins; NULL: it could not be mapped again */
    uint64_t bytes;
    struct tn_guard *guard;
    struct tn_list batch; /* struct item: copied, not yet answered */
    uint64_t end;         /* of what the batch has touched in the file */
    uint64_t copied;      /* bytes, by the batch */
};

/* The scratch of an operation. */
struct item {
    struct tn_list link; /* in the batch */
    struct tenon_io *io;
};

/* ---- the mapping ---- */

static void unmap(struct tenon_channel *channel)
{
    if (channel->base) {
        tn_guard_remove(channel->guard);
        munmap(channel->base, channel->bytes);
        channel->base = NULL;
    }
}

/* Maps the file as long as it is now, in the place of what was mapped. */
static int map(struct tenon_channel *channel)
{
    const struct mapped *mapped = channel->mapped;
    struct tenon_disk_info info = { .size = sizeof(info) };
    int protection = mapped->file.read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = MAP_SHARED;
    int r = mapped->ops->info(mapped->body, &info);
    uint64_t bytes = tn_round_up(mapped->file.start + info.bytes, mapped->file.granule);
    void *base;

    unmap(channel);
    if (r != 0 || bytes == 0 || bytes > SIZE_MAX) {
        return r != 0 ? r : -ENOMEM;
    }
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE; /* huge pages come when they are touched, or the request fails */
#endif
    base = mmap(NULL, bytes, protection, flags, mapped->file.fd, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    r = tn_guard_add(base, bytes, &channel->guard);
    if (r != 0) {
        munmap(base, bytes);
        return r;
    }
    channel->base = base;
    channel->bytes = bytes;
    return 0;
}

/* Whether everything that the batch has touched is the file's. */
static bool is_sound(const struct tenon_channel *channel)
{
    struct stat st;

    if (tn_guard_hit(channel->guard)) {
        return false;
    }
    return !channel->mapped->has_size ||
           (fstat(channel->mapped->file.fd, &st) == 0 && (uint64_t)st.st_size >= channel->end);
}

/* ---- operations ---- */

static int run(const struct mapped *mapped, struct tenon_io *io)
{
    return mapped->ops->run(mapped->body, io);
}

static void commit(struct tenon_channel *channel)
{
    const struct mapped *mapped = channel->mapped;
    struct tenon_io flush = { .op = TENON_IO_FLUSH };
    bool sound = tn_list_empty(&channel->batch) || is_sound(channel);
    struct tn_list *link;

    if (!sound) {
        map(channel);
    }
    while ((link = tn_list_take_first(&channel->batch)) != NULL) {
        struct tenon_io *io = TN_CONTAINER_OF(link, struct item, link)->io;
        bool stable = (io->flags & TENON_IO_FUA) != 0;
        tenon_io_done(io, !sound ? run(mapped, io) : stable ? run(mapped, &flush) : 0);
    }
    channel->end = channel->copied = 0;
}

/* The file may have grown since it was mapped. */
static bool reaches(struct tenon_channel *channel, uint64_t end)
{
    if (!channel->base || end > channel->bytes) {
        commit(channel); /* the old mapping tells whether that was good */
        map(channel);
    }
    return channel->base && end <= channel->bytes;
}

/* All iovecs are good memory; they and the file may change meanwhile. */
static void copy(const struct tenon_io *io, uint8_t *at)
{
    for (unsigned i = 0; i < io->iov_count; i++) {
        const struct iovec *iov = &io->iov[i];

        if (io->op == TENON_IO_READ) {
            tn_shared_move(iov->iov_base, at, iov->iov_len);
        } else {
            tn_read_once_note(iov->iov_base, iov->iov_len);
            tn_shared_move(at, iov->iov_base, iov->iov_len);
        }
        at += iov->iov_len;
    }
}

/* Whether it was done in the mapping. */
static bool try_copy(struct tenon_channel *channel, struct tenon_io *io)
{
    const struct tn_mapped_file *file = &channel->mapped->file;
    uint64_t start = file->start + io->offset;
    bool transfer = io->op == TENON_IO_READ || io->op == TENON_IO_WRITE;
    /* Elsewhere the file system has a faster way than to write zeroes. */
    bool zero = io->op == TENON_IO_ZEROES && (io->flags & TENON_IO_UNMAP) == 0 && file->in_memory;

    if ((!transfer && !zero) || !reaches(channel, start + io->bytes)) {
        return false;
    }
    if (zero) {
        tn_shared_zero(channel->base + start, io->bytes);
    } else if (tn_iov_bytes(io->iov, io->iov_count) == io->bytes &&
               !tn_iov_has_hole(io->iov, io->iov_count, 0, io->bytes)) {
        copy(io, channel->base + start);
    } else {
        return false;
    }
    channel->end = tn_max_u64(channel->end, start + io->bytes);
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
    tenon_io_done(io, run(channel->mapped, io));
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
    int r;

    (void)worker;
    if (!channel) {
        return tn_error(-ENOMEM, "no memory for a channel to the disk");
    }
    channel->mapped = disk;
    tn_list_init(&channel->batch);
    r = map(channel);
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
    unmap(channel);
    free(channel);
    done(opaque);
}

/* ---- the disk ---- */

static int info(void *disk, struct tenon_disk_info *out)
{
    const struct mapped *mapped = disk;

    return mapped->ops->info(mapped->body, out);
}

static void free_disk(void *disk)
{
    struct mapped *mapped = disk;

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
    struct mapped *mapped = calloc(1, sizeof(*mapped));
    struct stat st;
    int r;

    if (!mapped) {
        return tn_error(-ENOMEM, "%s: no memory for the disk", label->name);
    }
    mapped->ops = ops;
    mapped->body = body;
    mapped->file = *file;
    mapped->has_size = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
    r = tn_disk_make(&mapped_ops, mapped, label, out);
    if (r != 0) {
        free(mapped);
    }
    return r;
}
