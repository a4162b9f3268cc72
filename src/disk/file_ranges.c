/*
 * file_ranges.c: giving ranges of a file back, and making them zero: the system's short cut where
 * there is one, and plain writes of zeroes where there is none. That something is not possible here
 * is found out once and remembered.
 *
 *   discard                hole (file), BLKDISCARD (block device), or nothing: it is only advice
 *   zeroes, may unmap      hole, else as below
 *   zeroes                 zero range, BLKZEROOUT, else written
 */
#include "disk/file.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"

enum { ZEROES_BYTES = 64 * 1024, ZEROES_IOV = 16 };

/* Zeroes to write from: aligned for direct I/O, and never written to. */
static const struct {
    _Alignas(4096) uint8_t bytes[ZEROES_BYTES];
} zeroes;

static int write_zeroes(struct tn_file *file, uint64_t at, uint64_t bytes)
{
    struct iovec iov[ZEROES_IOV];
    int r = 0;

    while (r == 0 && bytes != 0) {
        uint64_t chunk = tn_min_u64(bytes, (uint64_t)ZEROES_BYTES * ZEROES_IOV);
        unsigned count = 0;

        for (uint64_t left = chunk; left != 0; count++) {
            iov[count].iov_base = (void *)(uintptr_t)zeroes.bytes;
            iov[count].iov_len = tn_min_u64(left, ZEROES_BYTES);
            left -= iov[count].iov_len;
        }
        r = tn_file_write(file, iov, count, at, chunk, false);
        at += chunk;
        bytes -= chunk;
    }
    return r;
}

/*
 * A range that lies within blocks that cannot be given back one by one shrinks to the whole ones.
 */
int tn_file_discard(struct tn_file *file, uint64_t at, uint64_t bytes)
{
    uint64_t first = tn_round_up(at, file->range_align);
    uint64_t end = tn_round_down(at + bytes, file->range_align);
    int r;

    if (file->no_discard) {
        return -ENOTSUP;
    }
    if (first >= end || atomic_load(&file->cannot_discard)) {
        return 0;
    }
    r = tn_host_discard(file->fd, file->block, first, end - first);
    if (r == -ENOTSUP) {
        atomic_store(&file->cannot_discard, true);
        return 0;
    }
    return r;
}

/* The range is whole blocks. */
static int zero_blocks(struct tn_file *file, uint64_t at, uint64_t bytes, bool unmap)
{
    int r;

    if (unmap && !file->no_discard && !atomic_load(&file->cannot_unmap)) {
        r = tn_host_zero_unmap(file->fd, at, bytes);
        if (r != -ENOTSUP) {
            return r;
        }
        atomic_store(&file->cannot_unmap, true);
    }
    if (!atomic_load(&file->cannot_zero)) {
        r = tn_host_zero(file->fd, file->block, at, bytes);
        if (r != -ENOTSUP) {
            return r;
        }
        atomic_store(&file->cannot_zero, true);
    }
    return write_zeroes(file, at, bytes);
}

int tn_file_zero(struct tn_file *file, uint64_t at, uint64_t bytes, bool unmap)
{
    uint64_t first = tn_round_up(at, file->range_align);
    uint64_t end = tn_round_down(at + bytes, file->range_align);
    int r;

    if (bytes == 0) {
        return 0;
    }
    if (first >= end) {
        return write_zeroes(file, at, bytes);
    }
    r = write_zeroes(file, at, first - at);
    if (r == 0) {
        r = zero_blocks(file, first, end - first, unmap);
    }
    if (r == 0) {
        r = write_zeroes(file, end, at + bytes - end);
    }
    return r;
}
