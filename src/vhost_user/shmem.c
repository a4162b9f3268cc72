/*
 * shmem.c: the inflight region (VU-73, VU-74): shared memory in which each queue records what it
 * has taken and not yet answered, so that a back-end that was killed finds it again. Made here for
 * GET_INFLIGHT_FD, or taken over with SET_INFLIGHT_FD from the one before us.
 *
 *   [ queue 0's part | queue 1's part | ... ]   what is in a part: virtqueue/inflight.c
 *
 * The front-end holds the same file: ours is sealed against shrinking, and a file that cannot be
 * sealed is guarded, so that cutting it off costs the session and not the process. On the server's
 * worker, while no ring runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "base/shared.h"
#include "vhost_user/vhost_user.h"
#include "virtqueue/virtqueue.h"

enum { RECORD_VERSION = 1 };

void tn_inflight_drop(struct tn_inflight_map *map)
{
    if (map->mapping) {
        tn_guard_remove(map->guard);
        munmap(map->mapping, map->mapping_bytes);
    }
    *map = (struct tn_inflight_map){ 0 };
}

bool tn_inflight_gone(const struct tn_inflight_map *map)
{
    return map->mapping && tn_guard_hit(map->guard);
}

void *tn_inflight_part(const struct tn_inflight_map *map, unsigned index, size_t *bytes)
{
    if (!map->mapping || index >= map->queues) {
        *bytes = 0;
        return NULL;
    }
    *bytes = map->stride;
    return map->base + index * map->stride;
}

/* Checks what both messages say. NULL, or what is wrong. */
static const char *check(const struct tenon_vhost_user *server, const struct tn_vu_inflight *asked)
{
    if (asked->queues == 0 || asked->queues > server->queues) {
        return "its number of queues is not one of this device";
    }
    if (!tn_is_power_of_2(asked->queue_size) || asked->queue_size > TN_VQ_MAX_SIZE) {
        return "its queue size is no ring size";
    }
    return tn_vring_any_running(server) ? "rings run" : NULL;
}

/* Maps [offset, offset + bytes) of a file that is known to be that long. */
static int map_region(struct tn_inflight_map *map, int fd, uint64_t offset, uint64_t bytes)
{
    uint64_t first = tn_round_down(offset, (uint64_t)sysconf(_SC_PAGESIZE));
    size_t mapping_bytes = offset - first + bytes;
    void *mapping = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)first);

    if (mapping == MAP_FAILED) {
        return -errno;
    }
    int error = tn_guard_add(mapping, mapping_bytes, &map->guard);
    if (error < 0) {
        munmap(mapping, mapping_bytes);
        return error;
    }
    map->mapping = mapping;
    map->mapping_bytes = mapping_bytes;
    map->base = (uint8_t *)mapping + (offset - first);
    return 0;
}

/* ---- GET_INFLIGHT_FD ---- */

static int new_file(uint64_t bytes)
{
    int fd = memfd_create("tenon-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0) {
        return -errno;
    }
    if (ftruncate(fd, (off_t)bytes) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

/*
 * QEMU asks with the size that its user configured, but behind virtio-mmio the guest may choose a
 * larger ring. The size of the region is for us to say, so each part has room for any ring.
 */
static uint16_t largest_ring(const struct tenon_vhost_user *server, uint16_t asked)
{
    unsigned most = tenon_bus_queue_max(server->device, 0);

    return most > asked ? (uint16_t)most : asked;
}

enum tn_vu_outcome tn_inflight_get(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    struct tn_vu_inflight asked = m->payload.inflight;
    const char *why = check(server, &asked);
    struct tn_inflight_map map = { .queues = asked.queues };

    if (why) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", why);
    }
    map.stride = tn_inflight_bytes(largest_ring(server, asked.queue_size));
    uint64_t bytes = (uint64_t)map.stride * asked.queues;
    int fd = new_file(bytes);
    int error = fd < 0 ? fd : map_region(&map, fd, 0, bytes);
    if (error < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return tn_vu_say(server, TN_VU_MALFORMED, "no shared memory: %s", strerror(-error));
    }
    tn_inflight_drop(&server->inflight);
    server->inflight = map;
    asked.mmap_size = bytes;
    asked.mmap_offset = 0;
    return tn_vu_reply(server, &asked, m->header.size, fd);
}

/* ---- SET_INFLIGHT_FD ---- */

static const char *check_file(const struct tn_vu_inflight *given, uint64_t needed, int fd)
{
    struct stat stat;

    if (given->mmap_size < needed) {
        return "the region is too small for its queues";
    }
    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
        return "its descriptor is no shared memory";
    }
    if (given->mmap_offset % sizeof(uint64_t) != 0 ||
        !tn_range_within(given->mmap_offset, given->mmap_size, (uint64_t)stat.st_size)) {
        return "the region is not inside its file";
    }
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK); /* where possible: the guard does the rest */
    return NULL;
}

/*
 * Where one part ends and the next begins, the region's maker knew: a power of 2 of entries that
 * makes the whole come out even, as ours do; else just what the queue size needs.
 */
static size_t stride_of(const struct tn_vu_inflight *given)
{
    for (uint32_t size = given->queue_size; size <= TN_VQ_MAX_SIZE; size *= 2) {
        if (given->mmap_size == (uint64_t)tn_inflight_bytes((uint16_t)size) * given->queues) {
            return tn_inflight_bytes((uint16_t)size);
        }
    }
    return tn_inflight_bytes(given->queue_size);
}

/* A record that was used is one that we understand, and that fits its part. */
static const char *check_records(const struct tn_inflight_map *map)
{
    struct tn_inflight_split record;

    for (unsigned i = 0; i < map->queues; i++) {
        tn_shared_copy_from(&record, map->base + i * map->stride, sizeof(record));
        if (record.version > RECORD_VERSION) {
            return "its version is not 1";
        }
        if (record.version == RECORD_VERSION &&
            (!tn_is_power_of_2(record.desc_num) || record.desc_num > TN_VQ_MAX_SIZE ||
             tn_inflight_bytes(record.desc_num) > map->stride)) {
            return "it is of queues of another size";
        }
    }
    return NULL;
}

enum tn_vu_outcome tn_inflight_set(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    const struct tn_vu_inflight *given = &m->payload.inflight;
    const char *why = check(server, given);
    struct tn_inflight_map map = { .queues = given->queues };

    if (why) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", why);
    }
    map.stride = stride_of(given);
    uint64_t needed = (uint64_t)map.stride * given->queues;
    why = check_file(given, needed, m->fds[0]);
    if (why) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", why);
    }
    int error = map_region(&map, m->fds[0], given->mmap_offset, needed);
    if (error < 0) {
        return tn_vu_say(server, TN_VU_MALFORMED, "the region cannot be mapped: %s",
                         strerror(-error));
    }
    why = check_records(&map);
    if (why) {
        tn_inflight_drop(&map);
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", why);
    }
    tn_inflight_drop(&server->inflight);
    server->inflight = map;
    return TN_VU_DONE;
}
