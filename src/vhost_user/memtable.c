/*
 * memtable.c: the regions that the front-end shares: mapped as guest memory, and remembered by the
 * front-end's own addresses, in which it names its rings (VU-25).
 *
 *   SET_MEM_TABLE ──> what stays, goes, comes? ──> (hold rings) ─> remove ─> add ─> (restart)
 *
 * Regions that the new table has, too, are left alone, so a ring on them sees no hole. When regions
 * both go and come while rings run, the rings are stopped for that moment: a request must not find
 * a hole between the two (VU-23). A message that removed memory ends when that memory is released
 * (VU-30). On the server's worker; only `released` may come on another thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "base/num.h"
#include "vhost_user/vhost_user.h"

/* Carries the news that a region is free from any thread to the server's worker. */
struct release {
    struct tenon_post post;
    struct tenon_vhost_user *server;
};

static void view_changed(struct tn_view *view)
{
    (void)view; /* refreshed by whoever changes the table, which is this file */
}

int tn_memtable_open(struct tn_memtable *memory)
{
    int error = -ENOMEM;

    memory->slots = calloc(TN_VU_SLOTS, sizeof(*memory->slots));
    if (!memory->slots || tenon_mem_new(&memory->mem) < 0) {
        goto fail;
    }
    error = tn_view_open(&memory->view, memory->mem, view_changed);
    if (error < 0) {
        tenon_mem_free(memory->mem);
        goto fail;
    }
    return 0;

fail:
    free(memory->slots);
    return error;
}

void tn_memtable_close(struct tn_memtable *memory)
{
    tn_view_close(&memory->view);
    tenon_mem_free(memory->mem);
    free(memory->slots);
}

bool tn_memtable_poisoned(struct tn_memtable *memory)
{
    return tn_view_poisoned(&memory->view);
}

bool tn_memtable_find(const struct tn_memtable *memory, uint64_t user, uint64_t bytes,
                      uint64_t *gpa)
{
    for (unsigned i = 0; i < memory->count; i++) {
        const struct tn_vu_region *region = &memory->slots[i].region;
        if (user >= region->user && tn_range_within(user - region->user, bytes, region->bytes)) {
            *gpa = region->gpa + (user - region->user);
            return true;
        }
    }
    return false;
}

/* ---- one region ---- */

static const char *check_region(const struct tn_vu_region *region)
{
    uint64_t end;

    if (region->bytes == 0) {
        return "an empty memory region";
    }
    if (!tn_add_u64(region->gpa, region->bytes, &end) ||
        !tn_add_u64(region->user, region->bytes, &end) ||
        !tn_add_u64(region->mmap_offset, region->bytes, &end)) {
        return "a memory region goes past the last address";
    }
    return NULL;
}

static bool overlaps(const struct tn_vu_region *a, const struct tn_vu_region *b)
{
    return tn_range_overlaps(a->gpa, a->bytes, b->gpa, b->bytes) ||
           tn_range_overlaps(a->user, a->bytes, b->user, b->bytes);
}

static bool file_of(int fd, struct tn_slot_file *file)
{
    struct stat stat;

    if (fstat(fd, &stat) < 0) {
        return false;
    }
    *file = (struct tn_slot_file){ .device = stat.st_dev, .inode = stat.st_ino };
    return true;
}

static void release_heard(struct tenon_post *post)
{
    struct release *release = TN_CONTAINER_OF(post, struct release, post);
    struct tenon_vhost_user *server = release->server;

    free(release);
    tn_vu_arrived(server);
}

/* On any thread. */
static void on_released(void *opaque)
{
    struct release *release = opaque;

    tenon_worker_post(release->server->worker, &release->post);
}

static enum tn_vu_outcome add_region(struct tenon_vhost_user *server,
                                     const struct tn_vu_region *region, int fd)
{
    struct tn_memtable *memory = &server->memory;
    struct tn_slot_region *slot = &memory->slots[memory->count];
    struct release *release = calloc(1, sizeof(*release));
    struct tenon_region options = {
        .size = sizeof(options),
        .gpa = region->gpa,
        .bytes = region->bytes,
        .fd = fd,
        .fd_offset = region->mmap_offset,
        .released = on_released,
        .opaque = release,
    };

    if (!release) {
        return tn_vu_say(server, TN_VU_MALFORMED, "no memory for a region's record");
    }
    release->server = server;
    release->post.fn = release_heard;
    if (!file_of(fd, &slot->file) || tenon_mem_add(memory->mem, &options) < 0) {
        free(release);
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", tenon_error());
    }
    slot->region = *region;
    slot->times = 1;
    memory->count++;
    tn_view_refresh(&memory->view);
    return TN_VU_DONE;
}

static void remove_slot(struct tenon_vhost_user *server, unsigned i)
{
    struct tn_memtable *memory = &server->memory;
    struct tn_vu_region gone = memory->slots[i].region;

    if (tenon_mem_remove(memory->mem, gone.gpa, gone.bytes) == 0) {
        server->pending++;
    }
    tn_view_refresh(&memory->view);
    memory->count--;
    memory->slots[i] = memory->slots[memory->count];
}

void tn_memtable_clear(struct tenon_vhost_user *server)
{
    while (server->memory.count != 0) {
        remove_slot(server, server->memory.count - 1);
    }
}

/* ---- SET_MEM_TABLE ---- */

static const char *check_table(const struct tn_vu_message *m)
{
    const struct tn_vu_mem_table *table = &m->payload.table;
    size_t body = m->header.size - offsetof(struct tn_vu_mem_table, regions);

    if (table->count > TN_VU_MAX_REGIONS) {
        return "more than 8 memory regions";
    }
    /* User-mode Linux always sends room for two regions, and says how many count. */
    if (body % sizeof(table->regions[0]) != 0 || body / sizeof(table->regions[0]) < table->count) {
        return "its size does not fit its number of regions";
    }
    if (m->fd_count != table->count) {
        return "not one descriptor for each memory region";
    }
    for (unsigned i = 0; i < table->count; i++) {
        const char *why = check_region(&table->regions[i]);
        if (why) {
            return why;
        }
        for (unsigned j = 0; j < i; j++) {
            if (overlaps(&table->regions[i], &table->regions[j])) {
                return "memory regions overlap";
            }
        }
    }
    return NULL;
}

/* Whether the slot has this region, file and all. */
static bool is_same(const struct tn_slot_region *slot, const struct tn_vu_region *region, int fd)
{
    struct tn_slot_file file;

    return memcmp(region, &slot->region, sizeof(slot->region)) == 0 && file_of(fd, &file) &&
           file.device == slot->file.device && file.inode == slot->file.inode;
}

/* The region of the message that is the slot's; or -1. */
static int same_region(const struct tn_slot_region *slot, const struct tn_vu_message *m)
{
    const struct tn_vu_mem_table *table = &m->payload.table;

    for (unsigned i = 0; i < table->count; i++) {
        if (is_same(slot, &table->regions[i], m->fds[i])) {
            return (int)i;
        }
    }
    return -1;
}

static enum tn_vu_outcome set_over(struct tenon_vhost_user *server)
{
    return tn_vring_restart_all(server);
}

/* The rings do not run now, or need not stop for this. */
static enum tn_vu_outcome apply(struct tenon_vhost_user *server)
{
    const struct tn_vu_message *m = &server->wire.message;
    enum tn_vu_outcome outcome = TN_VU_DONE;
    bool known[TN_VU_MAX_REGIONS] = { false };

    for (unsigned i = server->memory.count; i-- > 0;) {
        int same = same_region(&server->memory.slots[i], m);
        if (same >= 0) {
            known[same] = true;
            server->memory.slots[i].times = 1;
        } else {
            remove_slot(server, i);
        }
    }
    for (unsigned i = 0; i < m->payload.table.count && outcome == TN_VU_DONE; i++) {
        if (!known[i]) {
            outcome = add_region(server, &m->payload.table.regions[i], m->fds[i]);
        }
    }
    return outcome == TN_VU_DONE ? tn_vu_wait(server, set_over) : outcome;
}

enum tn_vu_outcome tn_memtable_set(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    const char *why = check_table(m);
    unsigned kept = 0;

    if (why) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", why);
    }
    for (unsigned i = 0; i < server->memory.count; i++) {
        kept += same_region(&server->memory.slots[i], m) >= 0;
    }
    bool goes = kept < server->memory.count, comes = kept < m->payload.table.count;
    if (goes && comes && tn_vring_hold_all(server) < 0) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", tenon_error());
    }
    return tn_vu_wait(server, apply);
}

/* ---- ADD_MEM_REG, REM_MEM_REG ---- */

/*
 * QEMU before 8.0 tells of each region once for each pair of queues of a network device, and takes
 * it back as often.
 */
enum tn_vu_outcome tn_memtable_add(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    const struct tn_vu_region *region = &m->payload.region.region;
    const char *why = check_region(region);

    if (why) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", why);
    }
    for (unsigned i = 0; i < server->memory.count; i++) {
        struct tn_slot_region *slot = &server->memory.slots[i];
        if (is_same(slot, region, m->fds[0])) {
            slot->times++;
            return TN_VU_DONE;
        }
        if (overlaps(region, &slot->region)) {
            return tn_vu_say(server, TN_VU_MALFORMED, "memory regions overlap");
        }
    }
    if (server->memory.count == TN_VU_SLOTS) {
        return tn_vu_say(server, TN_VU_REFUSED, "all %d memory slots are taken", TN_VU_SLOTS);
    }
    return add_region(server, region, m->fds[0]);
}

static enum tn_vu_outcome remove_over(struct tenon_vhost_user *server)
{
    (void)server;
    return TN_VU_DONE;
}

/* By guest address, user address and size (VU-28). A descriptor that comes along is not needed. */
enum tn_vu_outcome tn_memtable_remove(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    const struct tn_vu_region *gone = &m->payload.region.region;

    for (unsigned i = 0; i < server->memory.count; i++) {
        struct tn_slot_region *slot = &server->memory.slots[i];
        const struct tn_vu_region *region = &slot->region;
        if (region->gpa == gone->gpa && region->user == gone->user &&
            region->bytes == gone->bytes) {
            if (slot->times > 1) {
                slot->times--;
                return TN_VU_DONE;
            }
            remove_slot(server, i);
            return tn_vu_wait(server, remove_over);
        }
    }
    return tn_vu_say(server, TN_VU_REFUSED, "there is no such memory region");
}
