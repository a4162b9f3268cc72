/*
 * slow_disk.c: see slow_disk.h. Written against <tenon/disk.h> alone, as anybody's disk would be.
 */
#include "slow_disk.h"

#include <errno.h>
#include <string.h>

#include "input.h"

struct tenon_channel {
    struct slow_disk *slow;
};

static int slow_open(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct tenon_channel *channel = malloc(sizeof(*channel));

    (void)worker;
    channel->slow = disk;
    *out = channel;
    return 0;
}

static int slow_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct slow_disk *slow = channel->slow;

    FUZZ_CHECK(io->offset % SLOW_SECTOR == 0 && io->bytes % SLOW_SECTOR == 0);
    FUZZ_CHECK(io->offset <= sizeof(slow->bytes) && io->bytes <= sizeof(slow->bytes) - io->offset);
    if ((slow->full && slow->count != 0) || slow->count == SLOW_WAITING) {
        return -EAGAIN;
    }
    slow->submitted(slow->opaque, io);
    if (slow->refuse != 0) {
        int error = slow->refuse;
        slow->refuse = 0;
        slow->finished(slow->opaque, io, error);
        return error;
    }
    slow->waiting[slow->count++] = io;
    return 0;
}

static void take_out(struct slow_disk *slow, unsigned which)
{
    slow->count--;
    memmove(&slow->waiting[which], &slow->waiting[which + 1],
            (slow->count - which) * sizeof(slow->waiting[0]));
}

static int slow_cancel(struct tenon_channel *channel, struct tenon_io *io)
{
    struct slow_disk *slow = channel->slow;
    unsigned which = 0;

    while (which < slow->count && slow->waiting[which] != io) {
        which++;
    }
    FUZZ_CHECK(which < slow->count);
    take_out(slow, which);
    return 0;
}

static void slow_close(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    FUZZ_CHECK(channel->slow->count == 0);
    free(channel);
    done(opaque);
}

static int slow_info(void *disk, struct tenon_disk_info *info)
{
    struct slow_disk *slow = disk;

    *info = (struct tenon_disk_info){ .size = sizeof(*info),
                                      .bytes = sizeof(slow->bytes),
                                      .can_flush = true,
                                      .can_discard = true,
                                      .can_zero = true,
                                      .zero_unmaps = true };
    return 0;
}

static void slow_free(void *disk)
{
    ((struct slow_disk *)disk)->open = false;
}

struct tenon_disk *slow_disk_open(struct slow_disk *slow)
{
    static const struct tenon_disk_ops ops = { .size = sizeof(ops),
                                               .open = slow_open,
                                               .submit = slow_submit,
                                               .cancel = slow_cancel,
                                               .close = slow_close,
                                               .info = slow_info,
                                               .free = slow_free };
    struct tenon_disk *disk;

    FUZZ_CHECK(tenon_disk_open_custom(&ops, slow, &disk) == 0);
    slow->open = true;
    return disk;
}

static void overwrite(struct slow_disk *slow, const struct tenon_io *io)
{
    for (uint64_t at = io->offset; at < io->offset + io->bytes; at += SLOW_SECTOR) {
        struct slow_old *old = &slow->old[slow->moved++ % SLOW_OLD];
        old->sector = (uint32_t)(at / SLOW_SECTOR);
        memcpy(old->bytes, slow->bytes + at, SLOW_SECTOR);
    }
}

static void move(struct slow_disk *slow, const struct tenon_io *io)
{
    uint8_t *at = slow->bytes + io->offset;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < io->iov_count; i++) {
        FUZZ_CHECK(io->iov[i].iov_len <= io->bytes - bytes);
        if (io->op == TENON_IO_READ) {
            memcpy(io->iov[i].iov_base, at + bytes, io->iov[i].iov_len);
        } else {
            memcpy(at + bytes, io->iov[i].iov_base, io->iov[i].iov_len);
        }
        bytes += io->iov[i].iov_len;
    }
    FUZZ_CHECK(bytes == io->bytes);
}

void slow_finish(struct slow_disk *slow, unsigned which, int result)
{
    struct tenon_io *io = slow->waiting[which];

    take_out(slow, which);
    if (result == 0 && io->op != TENON_IO_READ && io->op != TENON_IO_FLUSH) {
        overwrite(slow, io);
    }
    if (result == 0 && (io->op == TENON_IO_READ || io->op == TENON_IO_WRITE)) {
        move(slow, io);
    } else if (result == 0 && io->op != TENON_IO_FLUSH) {
        memset(slow->bytes + io->offset, io->op == TENON_IO_DISCARD ? SLOW_DISCARDED : 0,
               io->bytes);
    }
    slow->finished(slow->opaque, io, result);
    tenon_io_done(io, result);
}

bool slow_was(const struct slow_disk *slow, uint32_t sector, const uint8_t *bytes, uint64_t since)
{
    if (memcmp(slow->bytes + sector * SLOW_SECTOR, bytes, SLOW_SECTOR) == 0 ||
        slow->moved - since > SLOW_OLD) {
        return true;
    }
    for (uint64_t i = since; i < slow->moved; i++) {
        const struct slow_old *old = &slow->old[i % SLOW_OLD];
        if (old->sector == sector && memcmp(old->bytes, bytes, SLOW_SECTOR) == 0) {
            return true;
        }
    }
    return false;
}
