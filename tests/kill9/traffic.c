/*
 * traffic.c: the guest's side: reads, writes and flushes at random, and the model of the disk.
 *
 *   sector = [ id of the write | number of the sector | bytes that follow from both ]
 *
 * Each write has an id of its own, larger than all before. A sector is only written through one
 * queue, whose overlapping writes keep their order, so what stands in it is a write between the
 * last that was answered and the last that was submitted; when nothing is in flight, it is the
 * last. A write that is lost, done late over a newer one, torn or misplaced shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kill9.h"
#include "spec/virtio_blk.h"

struct stamp {
    uint64_t id, sector;
};

void traffic_wrong(struct traffic *traffic, const char *format, ...)
{
    va_list args;

    if (traffic->wrong[0]) {
        return;
    }
    va_start(args, format);
    vsnprintf(traffic->wrong, sizeof(traffic->wrong), format, args);
    va_end(args);
}

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t traffic_random(struct traffic *traffic, uint64_t below)
{
    traffic->random += 0x9e3779b97f4a7c15u;
    return mix(traffic->random) % below;
}

static void fill_sector(uint8_t *to, uint64_t id, uint64_t sector)
{
    struct stamp stamp = { id, sector };
    uint64_t x = mix(id * 8191 + sector);

    memset(to, 0, SECTOR);
    if (id == 0) {
        return; /* never written */
    }
    memcpy(to, &stamp, sizeof(stamp));
    for (size_t i = sizeof(stamp); i < SECTOR; i += sizeof(x)) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        memcpy(to + i, &x, sizeof(x));
    }
}

/*
 * What stands in a sector has to be a whole write of [oldest, newest]. A read that raced a write
 * may see parts of both: the page cache copies without a lock, and the standard promises no order.
 */
static void check_sector(struct traffic *traffic, const char *where, const uint8_t *data,
                         uint64_t sector, uint64_t oldest, uint64_t newest)
{
    struct stamp stamp;
    uint8_t should[SECTOR];

    memcpy(&stamp, data, sizeof(stamp));
    fill_sector(should, stamp.id, sector);
    bool torn = memcmp(should, data, SECTOR) != 0;

    if (torn && oldest != newest) {
        return;
    }
    if (torn) {
        traffic_wrong(traffic, "%s: sector %llu is torn, or is not of this place", where,
                      (unsigned long long)sector);
    } else if (stamp.id < oldest || stamp.id > newest) {
        traffic_wrong(traffic, "%s: sector %llu holds write %llu, not %llu to %llu", where,
                      (unsigned long long)sector, (unsigned long long)stamp.id,
                      (unsigned long long)oldest, (unsigned long long)newest);
    }
}

/* ---- requests ---- */

static void make_write(struct traffic *traffic, unsigned queue, struct request *r)
{
    uint64_t first = (uint64_t)queue * (SECTORS / QUEUES);

    /* A small place, so that writes in flight overlap. */
    r->id = ++traffic->next_id;
    r->blk.type = TN_BLK_T_OUT;
    r->blk.sector = first + traffic_random(traffic, traffic_random(traffic, 4) == 0 ? 1900 : 60);
    r->blk.out = r->data;
    r->blk.out_bytes = r->sectors * SECTOR;
    for (uint32_t i = 0; i < r->sectors; i++) {
        fill_sector(r->data + i * SECTOR, r->id, r->blk.sector + i);
    }
}

static void make_read(struct traffic *traffic, struct request *r)
{
    r->blk.type = TN_BLK_T_IN;
    r->blk.sector = traffic_random(traffic, QUEUES) * (SECTORS / QUEUES) +
                    traffic_random(traffic, traffic_random(traffic, 4) == 0 ? 1900 : 60);
    r->blk.in = r->data;
    r->blk.in_bytes = r->sectors * SECTOR;
    for (uint32_t i = 0; i < r->sectors; i++) {
        r->oldest[i] = traffic->answered[r->blk.sector + i];
    }
}

static bool submit(struct traffic *traffic, unsigned queue, struct request *r)
{
    static const enum tnd_form forms[] = { TND_DIRECT, TND_INDIRECT, TND_MIXED };
    uint64_t kind = traffic_random(traffic, 16);

    r->blk = (struct tnd_blk_request){ .form = forms[traffic_random(traffic, 3)] };
    r->sectors = 1 + (uint32_t)traffic_random(traffic, MOST_SECTORS);
    if (kind < 10) {
        make_write(traffic, queue, r);
    } else if (kind < 14) {
        make_read(traffic, r);
    } else {
        r->blk.type = TN_BLK_T_FLUSH;
    }
    int error = tnd_blk_add(traffic->driver, queue, &r->blk);
    if (error == -ENOSPC) {
        traffic->next_id -= r->blk.type == TN_BLK_T_OUT;
        return false;
    }
    if (error < 0) {
        traffic_wrong(traffic, "a request cannot be made: %s", strerror(-error));
        return false;
    }
    r->used = true;
    for (uint32_t i = 0; r->blk.type == TN_BLK_T_OUT && i < r->sectors; i++) {
        traffic->newest[r->blk.sector + i] = r->id;
    }
    return true;
}

void traffic_burst(struct traffic *traffic, unsigned queue, unsigned depth, bool kick)
{
    for (unsigned i = 0; i < depth && i < DEPTH; i++) {
        struct request *r = &traffic->requests[queue][i];
        if (!r->used && !submit(traffic, queue, r)) {
            break;
        }
    }
    if (kick) {
        tnd_kick(traffic->driver, queue);
    } else {
        tnd_ring_publish(traffic->driver->queues[queue].ring);
    }
}

/* ---- answers ---- */

static void check_answer(struct traffic *traffic, struct request *r)
{
    bool read = r->blk.type == TN_BLK_T_IN, write = r->blk.type == TN_BLK_T_OUT;

    if (r->blk.status != TN_BLK_S_OK) {
        traffic_wrong(traffic, "a request of type %u failed with status %u", r->blk.type,
                      r->blk.status);
    }
    if (r->blk.used_bytes != (read ? r->blk.in_bytes + 1 : 1)) {
        traffic_wrong(traffic, "a request of type %u has used length %u", r->blk.type,
                      r->blk.used_bytes);
    }
    for (uint32_t i = 0; i < r->sectors; i++) {
        uint64_t at = r->blk.sector + i;
        if (read) {
            check_sector(traffic, "read", r->data + i * SECTOR, at, r->oldest[i],
                         traffic->newest[at]);
        } else if (write && traffic->answered[at] < r->id) {
            traffic->answered[at] = r->id;
        }
    }
    traffic->reads += read;
    traffic->writes += write;
    traffic->flushes += !read && !write;
    traffic->done++;
    r->used = false;
}

void traffic_reap(struct traffic *traffic)
{
    for (unsigned q = 0; q < QUEUES; q++) {
        tnd_blk_reap(traffic->driver, q);
        for (unsigned i = 0; i < DEPTH; i++) {
            struct request *r = &traffic->requests[q][i];
            if (r->used && r->blk.done) {
                check_answer(traffic, r);
            }
        }
        if (traffic->driver->queues[q].ring->bad_used) {
            traffic_wrong(traffic, "queue %u: a used entry that no request waits for", q);
        }
    }
}

unsigned traffic_in_flight(const struct traffic *traffic)
{
    unsigned n = 0;
    for (unsigned q = 0; q < QUEUES; q++) {
        for (unsigned i = 0; i < DEPTH; i++) {
            n += traffic->requests[q][i].used;
        }
    }
    return n;
}

bool traffic_settle(struct traffic *traffic)
{
    for (unsigned q = 0; q < QUEUES; q++) {
        for (unsigned i = 0; i < DEPTH; i++) {
            struct request *r = &traffic->requests[q][i];
            int error = r->used ? tnd_blk_wait(traffic->driver, q, &r->blk) : 0;
            if (error) {
                traffic_wrong(traffic, "queue %u: a request is not answered: %s", q,
                              strerror(-error));
                return false;
            }
        }
    }
    traffic_reap(traffic);
    return !traffic->wrong[0];
}

bool traffic_check_image(struct traffic *traffic, const char *image)
{
    uint8_t data[SECTOR];
    int fd = open(image, O_RDONLY | O_CLOEXEC);

    for (uint64_t i = 0; i < SECTORS && !traffic->wrong[0]; i++) {
        if (pread(fd, data, SECTOR, (off_t)(i * SECTOR)) != SECTOR) {
            traffic_wrong(traffic, "the image cannot be read");
            break;
        }
        check_sector(traffic, "image", data, i, traffic->newest[i], traffic->newest[i]);
    }
    close(fd);
    return !traffic->wrong[0];
}
