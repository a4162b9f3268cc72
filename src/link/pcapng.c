/*
 * pcapng.c: the file of a capture. Each frame is one block, put together in memory of our own and
 * written by one call, so whoever reads the file meanwhile sees whole blocks; and so what a guest
 * does to its memory is no trouble of the file.
 *
 *   section header, interface description, then one enhanced packet block for each frame
 *
 * Any thread; all write under one lock: this is for looking for faults, not for speed. When the
 * file cannot be written any more it is cut behind its last whole block, with one line of log.
 */
#include "link/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/iov.h"
#include "base/log.h"
#include "base/num.h"

/* The numbers of the pcapng format, and its blocks; all in the byte order of this machine. */
enum {
    SECTION_HEADER = 0x0a0d0d0a,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    INTERFACE_DESCRIPTION = 1,
    ENHANCED_PACKET = 6,
    LINK_ETHERNET = 1,
    OPTION_END = 0,
    OPTION_INTERFACE_NAME = 2,
    OPTION_TIME_RESOLUTION = 9,
    OPTION_FLAGS = 2,
    TENTHS_OF_NANO = 9, /* 10^-9 s */
    NAME_MAX_BYTES = 256
};

struct section_header {
    uint32_t type, bytes, magic;
    uint16_t major, minor;
    uint64_t section_bytes;
    uint32_t bytes_again;
} __attribute__((packed));

struct packet_head {
    uint32_t type, bytes, interface, time_high, time_low, captured, original;
};

struct packet_tail {
    uint16_t flags_code, flags_bytes;
    uint32_t flags;
    uint16_t end_code, end_bytes;
    uint32_t bytes;
};

/* Room for one block. */
struct block {
    struct packet_head head;
    uint8_t data[TENON_FRAME_BYTES_MAX + 4 + sizeof(struct packet_tail)];
};

struct tn_pcapng {
    int fd;
    atomic_bool over;
    _Atomic uint64_t frames;
    pthread_mutex_t lock;
    /* under lock */
    off_t written;
    struct block block;
    char path[];
};

static int write_all(struct tn_pcapng *file, const void *bytes, size_t count)
{
    ssize_t r;

    do {
        r = write(file->fd, bytes, count);
    } while (r < 0 && errno == EINTR);
    if (r == (ssize_t)count) {
        file->written += r;
        return 0;
    }
    return r < 0 ? -errno : -ENOSPC;
}

static void give_up(struct tn_pcapng *file, int error)
{
    /* So that what is there is whole. If that fails, too, a reader stops before the last block. */
    int r = ftruncate(file->fd, file->written);

    (void)r;
    atomic_store(&file->over, true);
    tn_log(TENON_LOG_ERROR, "the capture in %s has ended after %llu frames: %s; the link goes on",
           file->path, (unsigned long long)atomic_load(&file->frames), strerror(-error));
}

static void write_frame(struct tn_pcapng *file, const struct tenon_frame *frame, uint32_t direction,
                        uint64_t time)
{
    struct block *block = &file->block;
    uint32_t bytes = (uint32_t)tn_min_u64(frame->bytes, TENON_FRAME_BYTES_MAX);
    uint32_t padded = (uint32_t)tn_round_up(bytes, 4);
    struct packet_tail tail = { .flags_code = OPTION_FLAGS,
                                .flags_bytes = sizeof(tail.flags),
                                .flags = direction,
                                .end_code = OPTION_END };
    uint32_t all = (uint32_t)(sizeof(block->head) + padded + sizeof(tail));
    int r;

    if (!tn_iov_copy_from(block->data, frame->iov, frame->iov_count, 0, bytes)) {
        return; /* some of it is in no memory */
    }
    block->head = (struct packet_head){ .type = ENHANCED_PACKET,
                                        .bytes = all,
                                        .time_high = (uint32_t)(time >> 32),
                                        .time_low = (uint32_t)time,
                                        .captured = bytes,
                                        .original = frame->bytes };
    tail.bytes = all;
    memset(block->data + bytes, 0, padded - bytes);
    memcpy(block->data + padded, &tail, sizeof(tail));
    r = write_all(file, block, all);
    if (r != 0) {
        give_up(file, r);
    } else {
        atomic_fetch_add_explicit(&file->frames, 1, memory_order_relaxed);
    }
}

void tn_pcapng_write(struct tn_pcapng *file, struct tenon_frame *const *frames, unsigned count,
                     unsigned kept, enum tn_pcapng_direction direction, uint64_t real_time_ns)
{
    if (count == 0 || atomic_load_explicit(&file->over, memory_order_relaxed)) {
        return;
    }
    pthread_mutex_lock(&file->lock);
    for (unsigned i = 0; i < count && !atomic_load(&file->over); i++) {
        if (i >= kept || frames[i]->result == 0) {
            write_frame(file, frames[i], direction, real_time_ns);
        }
    }
    pthread_mutex_unlock(&file->lock);
}

static uint8_t *put_option(uint8_t *at, uint16_t code, const void *value, uint16_t bytes)
{
    uint8_t *end = at + 4 + tn_round_up(bytes, 4);

    memset(at, 0, (size_t)(end - at));
    memcpy(at, &code, sizeof(code));
    memcpy(at + 2, &bytes, sizeof(bytes));
    memcpy(at + 4, value, bytes);
    return end;
}

static int write_headers(struct tn_pcapng *file, const char *interface)
{
    const struct section_header section = { .type = SECTION_HEADER,
                                            .bytes = sizeof(section),
                                            .magic = BYTE_ORDER_MAGIC,
                                            .major = 1,
                                            .section_bytes = UINT64_MAX, /* not known */
                                            .bytes_again = sizeof(section) };
    const uint8_t resolution = TENTHS_OF_NANO;
    /* type, length, link type and reserved, longest frame (0: no limit) */
    uint32_t head[4] = { INTERFACE_DESCRIPTION, 0, 0, 0 }, bytes;
    const uint16_t link_type = LINK_ETHERNET;
    uint8_t block[NAME_MAX_BYTES + 64], *at = block + sizeof(head);
    int r = write_all(file, &section, sizeof(section));

    if (r != 0) {
        return r;
    }
    memcpy(&head[2], &link_type, sizeof(link_type));
    at = put_option(at, OPTION_INTERFACE_NAME, interface,
                    (uint16_t)tn_min_u64(strlen(interface), NAME_MAX_BYTES));
    at = put_option(at, OPTION_TIME_RESOLUTION, &resolution, sizeof(resolution));
    at = put_option(at, OPTION_END, "", 0);
    bytes = head[1] = (uint32_t)(at - block) + (uint32_t)sizeof(bytes);
    memcpy(block, head, sizeof(head));
    memcpy(at, &bytes, sizeof(bytes));
    return write_all(file, block, bytes);
}

static int open_file(struct tn_pcapng *file, const char *interface)
{
    struct stat stat;
    int r;

    /* A pipe would not be waited for, and is refused then. What frames say is not for everybody. */
    file->fd = open(file->path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
    if (file->fd < 0 || fstat(file->fd, &stat) != 0) {
        r = -errno;
        return tn_error(r, "capture: %s cannot be opened for writing: %s", file->path,
                        strerror(-r));
    }
    if (!S_ISREG(stat.st_mode)) {
        return tn_error(-EINVAL,
                        "capture: %s is no plain file; name one, and follow it with "
                        "\"tail -c +1 -f\"",
                        file->path);
    }
    r = ftruncate(file->fd, 0) == 0 ? write_headers(file, interface) : -errno;
    if (r != 0) {
        return tn_error(r, "capture: %s cannot be written: %s", file->path, strerror(-r));
    }
    return 0;
}

int tn_pcapng_open(const char *path, const char *interface, struct tn_pcapng **out)
{
    size_t path_bytes = strlen(path) + 1;
    struct tn_pcapng *file = calloc(1, sizeof(*file) + path_bytes);
    int r;

    if (!file) {
        return tn_error(-ENOMEM, "capture: no memory for what %s needs", path);
    }
    memcpy(file->path, path, path_bytes);
    pthread_mutex_init(&file->lock, NULL);
    r = open_file(file, interface);
    if (r != 0) {
        tn_pcapng_close(file);
        return r;
    }
    *out = file;
    return 0;
}

void tn_pcapng_close(struct tn_pcapng *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    pthread_mutex_destroy(&file->lock);
    free(file);
}

uint64_t tn_pcapng_frames(const struct tn_pcapng *file)
{
    return atomic_load_explicit(&file->frames, memory_order_relaxed);
}
