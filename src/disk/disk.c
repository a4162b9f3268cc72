/*
 * disk.c: the handle of a disk: who holds it, what it can do, and the step from the library's calls
 * to the disk's own.
 *
 *   device --tn_channel_submit--> checks --> ops->submit
 *   any thread --tenon_io_done--> post --> io->done, on the worker
 *
 * What the disk said of itself is kept, so that the last check of each operation costs two
 * comparisons. It is read again on each tenon_disk_info, which is how a disk that has grown is
 * seen.
 */
#include "disk/body.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"

enum { SECTOR = 512, BLOCK_MAX = 65536 };

struct tenon_disk {
    atomic_uint users;
    struct tenon_disk_ops ops;
    void *opaque;
    _Atomic uint64_t bytes;
    atomic_bool read_only;
    atomic_bool tail_said; /* that the end of the disk is not served was logged */
    const char *engine, *why;
    char name[]; /* and behind it what `why` points to */
};

/* ---- what the disk says of itself ---- */

static int check_info(const struct tenon_disk *disk, struct tenon_disk_info *info)
{
    if (info->block_bytes == 0) {
        info->block_bytes = SECTOR;
    }
    if (!tn_is_power_of_2(info->block_bytes) || info->block_bytes < SECTOR ||
        info->block_bytes > BLOCK_MAX) {
        return tn_error(
            -EINVAL, "%s: a block size of %u is not possible; it is a power of 2 from 512 to 65536",
            disk->name, info->block_bytes);
    }
    if (info->physical_bytes < info->block_bytes || !tn_is_power_of_2(info->physical_bytes)) {
        info->physical_bytes = info->block_bytes;
    }
    if (info->read_only) {
        info->can_discard = info->can_zero = info->zero_unmaps = false;
    }
    info->zero_unmaps = info->zero_unmaps && info->can_zero;
    return 0;
}

static int read_info(struct tenon_disk *disk, struct tenon_disk_info *info)
{
    int r;

    memset(info, 0, sizeof(*info));
    info->size = sizeof(*info);
    r = disk->ops.info(disk->opaque, info);
    if (r != 0) {
        return tn_error(r < 0 ? r : -EIO, "%s: its size cannot be found out (%s)", disk->name,
                        strerror(abs(r)));
    }
    r = check_info(disk, info);
    if (r != 0) {
        return r;
    }
    if (info->bytes % SECTOR != 0) {
        if (!atomic_exchange(&disk->tail_said, true)) {
            tn_log(TENON_LOG_WARNING,
                   "%s: the last %u bytes are no whole sector and are not served", disk->name,
                   (unsigned)(info->bytes % SECTOR));
        }
        info->bytes -= info->bytes % SECTOR;
    }
    atomic_store_explicit(&disk->bytes, info->bytes, memory_order_relaxed);
    atomic_store_explicit(&disk->read_only, info->read_only, memory_order_relaxed);
    return 0;
}

int tenon_disk_info(struct tenon_disk *disk, struct tenon_disk_info *info)
{
    size_t size = info->size;
    struct tenon_disk_info now;
    int r;

    if (size < sizeof(size)) {
        return tn_error(
            -EINVAL, "disk info: the field `size` is %zu; set it to the size of the struct", size);
    }
    r = read_info(disk, &now);
    if (r != 0) {
        return r;
    }
    memset(info, 0, size);
    memcpy(info, &now, tn_min_u64(size, sizeof(now)));
    info->size = size;
    return 0;
}

const char *tenon_disk_engine(struct tenon_disk *disk, const char **why)
{
    if (why) {
        *why = disk->why;
    }
    return disk->engine;
}

/* ---- lifetime ---- */

int tn_disk_make(const struct tenon_disk_ops *ops, void *opaque, const struct tn_disk_label *label,
                 struct tenon_disk **out)
{
    size_t name_bytes = strlen(label->name) + 1, why_bytes = strlen(label->why) + 1;
    struct tenon_disk *disk = calloc(1, sizeof(*disk) + name_bytes + why_bytes);
    struct tenon_disk_info info;
    int r;

    if (!disk) {
        return tn_error(-ENOMEM, "%s: no memory for the disk", label->name);
    }
    atomic_init(&disk->users, 1);
    disk->ops = *ops;
    disk->opaque = opaque;
    disk->engine = label->engine;
    memcpy(disk->name, label->name, name_bytes);
    disk->why = memcpy(disk->name + name_bytes, label->why, why_bytes);
    r = read_info(disk, &info);
    if (r != 0) {
        free(disk);
        return r;
    }
    *out = disk;
    return 0;
}

struct tenon_disk *tn_disk_get(struct tenon_disk *disk)
{
    atomic_fetch_add_explicit(&disk->users, 1, memory_order_relaxed);
    return disk;
}

void tenon_disk_close(struct tenon_disk *disk)
{
    if (!disk || atomic_fetch_sub_explicit(&disk->users, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (disk->ops.free) {
        disk->ops.free(disk->opaque);
    }
    free(disk);
}

/* ---- operations ---- */

size_t tn_disk_io_bytes(const struct tenon_disk *disk)
{
    return disk->ops.io_bytes;
}

size_t tn_disk_io_size(const struct tenon_disk *disk)
{
    return tn_round_up(sizeof(struct tenon_io), 16) + tn_round_up(disk->ops.io_bytes, 16);
}

static void deliver(struct tenon_post *post)
{
    struct tenon_io *io =
        (struct tenon_io *)(void *)((char *)post - offsetof(struct tenon_io, post));

    io->done(io, io->result);
}

void tenon_io_done(struct tenon_io *io, int result)
{
    io->result = result;
    io->post.fn = deliver;
    tenon_worker_post(io->worker, &io->post);
}

int tn_channel_open(struct tenon_disk *disk, struct tenon_worker *worker,
                    struct tenon_channel **out)
{
    return disk->ops.open(disk->opaque, worker, out);
}

int tn_channel_submit(struct tenon_disk *disk, struct tenon_channel *channel, struct tenon_io *io)
{
    uint64_t bytes = atomic_load_explicit(&disk->bytes, memory_order_relaxed);

    if (io->op > TENON_IO_ZEROES) {
        return -EINVAL;
    }
    if (io->op != TENON_IO_FLUSH) {
        if (((io->offset | io->bytes) % SECTOR) != 0 ||
            !tn_range_within(io->offset, io->bytes, bytes)) {
            return -EINVAL;
        }
        if (io->op != TENON_IO_READ &&
            atomic_load_explicit(&disk->read_only, memory_order_relaxed)) {
            return -EROFS;
        }
    }
    io->post = (struct tenon_post){ .fn = deliver };
    return disk->ops.submit(channel, io);
}

void tn_channel_commit(struct tenon_disk *disk, struct tenon_channel *channel)
{
    if (disk->ops.commit) {
        disk->ops.commit(channel);
    }
}

int tn_channel_cancel(struct tenon_disk *disk, struct tenon_channel *channel, struct tenon_io *io)
{
    return disk->ops.cancel ? disk->ops.cancel(channel, io) : -ENOTSUP;
}

int tn_channel_poll(struct tenon_disk *disk, struct tenon_channel *channel)
{
    return disk->ops.poll ? disk->ops.poll(channel) : -ENOTSUP;
}

void tn_channel_close(struct tenon_disk *disk, struct tenon_channel *channel,
                      void (*done)(void *opaque), void *opaque)
{
    disk->ops.close(channel, done, opaque);
}
