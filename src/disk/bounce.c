/*
 * bounce.c: see bounce.h. A request is cut at multiples of the buffer, each piece widened to whole
 * blocks. Takes one buffer at a time and holds it for one request: whoever holds one waits for
 * nothing but the disk.
 */
#include "disk/bounce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/iov.h"
#include "base/num.h"

/* ---- the buffers ---- */

int tn_bounce_init(struct tn_bounce *bounce, size_t memory_align, size_t offset_align,
                   unsigned count)
{
    memset(bounce, 0, sizeof(*bounce));
    bounce->memory_align = memory_align;
    bounce->offset_align = offset_align;
    bounce->buffer_bytes = tn_max_u64(TN_BOUNCE_BYTES, 2 * offset_align);
    bounce->count = (unsigned)tn_min_u64(count, TN_BOUNCE_BUFFERS_MAX);
    pthread_mutex_init(&bounce->mutex, NULL);
    pthread_cond_init(&bounce->returned, NULL);
    while (bounce->free_count < bounce->count) {
        void **slot = &bounce->free[bounce->free_count];
        if (posix_memalign(slot, tn_max_u64(memory_align, 4096), bounce->buffer_bytes) != 0) {
            tn_bounce_destroy(bounce);
            return -ENOMEM;
        }
        bounce->free_count++;
    }
    return 0;
}

void tn_bounce_destroy(struct tn_bounce *bounce)
{
    while (bounce->free_count != 0) {
        free(bounce->free[--bounce->free_count]);
    }
    pthread_cond_destroy(&bounce->returned);
    pthread_mutex_destroy(&bounce->mutex);
}

static void *take(struct tn_bounce *bounce)
{
    void *buffer;

    pthread_mutex_lock(&bounce->mutex);
    while (bounce->free_count == 0) {
        pthread_cond_wait(&bounce->returned, &bounce->mutex);
    }
    buffer = bounce->free[--bounce->free_count];
    pthread_mutex_unlock(&bounce->mutex);
    return buffer;
}

static void give_back(struct tn_bounce *bounce, void *buffer)
{
    pthread_mutex_lock(&bounce->mutex);
    bounce->free[bounce->free_count++] = buffer;
    pthread_cond_signal(&bounce->returned);
    pthread_mutex_unlock(&bounce->mutex);
}

bool tn_bounce_fits(const struct tn_bounce *bounce, const struct iovec *iov, unsigned count,
                    uint64_t start, uint64_t bytes)
{
    if (!tn_is_aligned(start | bytes, bounce->offset_align)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!tn_is_aligned((uintptr_t)iov[i].iov_base, bounce->memory_align) ||
            !tn_is_aligned(iov[i].iov_len, bounce->offset_align)) {
            return false;
        }
    }
    return true;
}

/* ---- pieces ---- */

/*
 * One buffer's worth: [start, start + bytes) of the file, of which [from, from + used) is the
 * request's.
 */
struct piece {
    uint64_t start, bytes;
    uint64_t from, used;
};

static struct piece piece_at(const struct tn_bounce *bounce, uint64_t at, uint64_t end)
{
    uint64_t start = tn_round_down(at, bounce->offset_align);
    uint64_t most = tn_round_down(bounce->buffer_bytes, bounce->offset_align);
    uint64_t stop = tn_round_up(tn_min_u64(end, start + most), bounce->offset_align);

    return (struct piece){
        .start = start, .bytes = stop - start, .from = at, .used = tn_min_u64(end, stop) - at
    };
}

static int move(const struct tn_mover *mover, void *buffer, uint64_t start, uint64_t bytes)
{
    struct iovec iov = { .iov_base = buffer, .iov_len = bytes };

    return tn_transfer(mover, &iov, 1, start, bytes);
}

int tn_bounce_read(struct tn_bounce *bounce, const struct tn_mover *read, const struct iovec *iov,
                   unsigned count, uint64_t start, uint64_t bytes)
{
    uint8_t *buffer = take(bounce);
    uint64_t done = 0;
    int r = 0;

    while (r == 0 && done < bytes) {
        struct piece piece = piece_at(bounce, start + done, start + bytes);

        r = move(read, buffer, piece.start, piece.bytes);
        if (r == 0 &&
            !tn_iov_copy_to(iov, count, done, buffer + (piece.from - piece.start), piece.used)) {
            r = -EFAULT;
        }
        done += piece.used;
    }
    give_back(bounce, buffer);
    return r;
}

/* Fills in what the blocks at both ends hold besides the request. */
static int read_edges(const struct tn_bounce *bounce, const struct tn_mover *read, uint8_t *buffer,
                      const struct piece *piece)
{
    uint64_t block = bounce->offset_align;
    uint64_t last = piece->start + piece->bytes - block;
    bool head = piece->from != piece->start;
    bool tail = piece->from + piece->used != piece->start + piece->bytes;
    int r = 0;

    if (head) {
        r = move(read, buffer, piece->start, block);
    }
    if (r == 0 && tail && !(head && last == piece->start)) {
        r = move(read, buffer + (last - piece->start), last, block);
    }
    return r;
}

int tn_bounce_write(struct tn_bounce *bounce, const struct tn_mover *read,
                    const struct tn_mover *write, const struct iovec *iov, unsigned count,
                    uint64_t start, uint64_t bytes)
{
    uint8_t *buffer = take(bounce);
    uint64_t done = 0;
    int r = 0;

    while (r == 0 && done < bytes) {
        struct piece piece = piece_at(bounce, start + done, start + bytes);

        r = read_edges(bounce, read, buffer, &piece);
        if (r == 0 &&
            !tn_iov_copy_from(buffer + (piece.from - piece.start), iov, count, done, piece.used)) {
            r = -EFAULT;
        }
        if (r == 0) {
            r = move(write, buffer, piece.start, piece.bytes);
        }
        done += piece.used;
    }
    give_back(bounce, buffer);
    return r;
}
