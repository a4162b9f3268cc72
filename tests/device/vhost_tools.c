/*
 * vhost_tools.c: the tools of vhost_tools.h. Everything here fails the test that calls it when it
 * cannot do its part.
 */
#include "vhost_tools.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "spec/vring.h"

/* ---- messages ---- */

int say(struct tenon_driver *driver, uint32_t request, const void *payload, uint32_t bytes, int fd)
{
    return tnd_vhost_tell(driver, request, payload, bytes, &fd, fd < 0 ? 0 : 1);
}

int say_u64(struct tenon_driver *driver, uint32_t request, uint64_t value)
{
    return say(driver, request, &value, sizeof(value), -1);
}

int say_state(struct tenon_driver *driver, uint32_t request, uint32_t index, uint32_t num)
{
    struct tn_vu_vring_state state = { .index = index, .num = num };
    return say(driver, request, &state, sizeof(state), -1);
}

int say_fd(struct tenon_driver *driver, uint32_t request, unsigned queue, int fd)
{
    uint64_t word = queue | (fd < 0 ? TN_VU_VRING_NO_FD : 0);
    return say(driver, request, &word, sizeof(word), fd);
}

void send_only(struct tenon_driver *driver, uint32_t request, uint32_t flags, const void *payload,
               uint32_t bytes, int fd)
{
    assert_int_equal(tnd_vhost_send(driver, request, flags, payload, bytes, &fd, fd < 0 ? 0 : 1),
                     0);
}

uint64_t answer_u64(const struct tnd_vhost_message *m)
{
    uint64_t value;

    memcpy(&value, m->payload, sizeof(value));
    return value;
}

void expect_silence(struct tenon_driver *driver)
{
    struct tnd_vhost_message m;
    assert_int_equal(tnd_vhost_receive(driver, &m, NO_ANSWER_MS), -ETIMEDOUT);
}

void expect_ack(struct tenon_driver *driver)
{
    struct tnd_vhost_message m;
    assert_int_equal(tnd_vhost_receive(driver, &m, driver->timeout_ms), 0);
    assert_int_equal(m.flags, TN_VU_VERSION | TN_VU_REPLY);
    assert_int_equal(m.size, 8);
    assert_true(answer_u64(&m) == 0);
}

void expect_hang_up(struct tenon_driver *driver)
{
    struct tnd_vhost_message m;
    int error;
    do {
        error = tnd_vhost_receive(driver, &m, driver->timeout_ms);
    } while (error == 0);
    assert_int_equal(error, -ECONNRESET);
}

/* ---- rings by hand ---- */

void make_ring(struct rig *rig, unsigned queue, uint32_t size, uint16_t start)
{
    struct tenon_driver *d = rig->driver;
    assert_int_equal(tnd_ring_new(rig->ram, 0, size, start, &d->queues[queue].ring), 0);
    d->queues[queue].ring->event_idx = tnd_has(d, TN_F_EVENT_IDX);
    if (d->queue_count <= queue) {
        d->queue_count = queue + 1;
    }
}

int tell_num(struct rig *rig, unsigned queue)
{
    return say_state(rig->driver, TN_VU_SET_VRING_NUM, queue,
                     rig->driver->queues[queue].ring->size);
}

int tell_base(struct rig *rig, unsigned queue, uint16_t base)
{
    return say_state(rig->driver, TN_VU_SET_VRING_BASE, queue, base);
}

int tell_addr(struct rig *rig, unsigned queue)
{
    const struct tnd_ring *ring = rig->driver->queues[queue].ring;
    struct tn_vu_vring_addr addr = {
        .index = queue,
        .desc_user = (uint64_t)(uintptr_t)tnd_ram_at(rig->ram, ring->desc_gpa, 1),
        .used_user = (uint64_t)(uintptr_t)tnd_ram_at(rig->ram, ring->used_gpa, 1),
        .avail_user = (uint64_t)(uintptr_t)tnd_ram_at(rig->ram, ring->avail_gpa, 1),
    };
    return say(rig->driver, TN_VU_SET_VRING_ADDR, &addr, sizeof(addr), -1);
}

static int need_eventfd(int *fd)
{
    if (*fd < 0) {
        *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    assert_true(*fd >= 0);
    return *fd;
}

int tell_kick(struct rig *rig, unsigned queue)
{
    return say_fd(rig->driver, TN_VU_SET_VRING_KICK, queue,
                  need_eventfd(&rig->driver->queues[queue].kick_fd));
}

int tell_call(struct rig *rig, unsigned queue)
{
    return say_fd(rig->driver, TN_VU_SET_VRING_CALL, queue,
                  need_eventfd(&rig->driver->queues[queue].call_fd));
}

int tell_enable(struct rig *rig, unsigned queue, bool on)
{
    return say_state(rig->driver, TN_VU_SET_VRING_ENABLE, queue, on);
}

/* ---- a chain by hand ---- */

struct chain put_chain(struct rig *rig, unsigned queue, unsigned region, uint32_t type,
                       uint64_t sector)
{
    struct tn_blk_header header = { .type = tn_to_le32(type), .sector = tn_to_le64(sector) };
    struct chain c = { .header = tnd_ram_alloc_in(rig->ram, region, sizeof(header), 16),
                       .data = tnd_ram_alloc_in(rig->ram, region, 512, 512),
                       .status = tnd_ram_alloc_in(rig->ram, region, 1, 1) };
    struct tnd_seg segs[] = {
        { .gpa = c.header, .bytes = sizeof(header) },
        { .gpa = c.data, .bytes = 512, .write = type == TN_BLK_T_IN },
        { .gpa = c.status, .bytes = 1, .write = true },
    };

    assert_true(tnd_ram_put(rig->ram, c.header, &header, sizeof(header)));
    assert_true(tnd_ram_fill(rig->ram, c.status, TND_BLK_UNTOUCHED, 1));
    c.head = tnd_add(rig->driver, queue, segs, 3, TND_DIRECT, NULL);
    assert_true(c.head >= 0);
    tnd_kick(rig->driver, queue);
    return c;
}

uint8_t chain_status(struct rig *rig, const struct chain *chain)
{
    uint8_t status = 0;
    assert_true(tnd_ram_get(rig->ram, chain->status, &status, 1));
    return status;
}

/* ---- requests in flight ---- */

static uint64_t batch_sector(const struct batch *batch, unsigned i)
{
    return 1024 + (uint64_t)(batch->queue * BATCH + i) * (BATCH_BYTES / 512);
}

void batch_begin(struct rig *rig, struct batch *batch, unsigned queue, unsigned seed)
{
    batch->queue = queue;
    for (unsigned i = 0; i < BATCH; i++) {
        rig_pattern(batch->data[i], BATCH_BYTES, seed * BATCH + i);
        batch->requests[i] = (struct tnd_blk_request){ .type = TN_BLK_T_OUT,
                                                       .sector = batch_sector(batch, i),
                                                       .out = batch->data[i],
                                                       .out_bytes = BATCH_BYTES };
        assert_int_equal(tnd_blk_add(rig->driver, queue, &batch->requests[i]), 0);
    }
    tnd_kick(rig->driver, queue);
}

void batch_end(struct rig *rig, struct batch *batch)
{
    for (unsigned i = 0; i < BATCH; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, batch->queue, &batch->requests[i]), 0);
        assert_int_equal(batch->requests[i].status, TN_BLK_S_OK);
    }
    for (unsigned i = 0; i < BATCH; i++) {
        assert_memory_equal(rig->image + batch_sector(batch, i) * 512, batch->data[i], BATCH_BYTES);
    }
    assert_int_equal(rig->driver->queues[batch->queue].ring->bad_used, 0);
}

/* ---- the process ---- */

unsigned count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned n = 0;
    assert_non_null(folder);
    while (readdir(folder)) {
        n++;
    }
    closedir(folder);
    return n;
}

/* Of files: memory of allocators and sanitizers comes and goes. */
unsigned count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned n = 0;
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        n += strstr(line, "memfd:") != NULL;
    }
    fclose(maps);
    return n;
}

void await_fds(struct rig *rig, unsigned count)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (count_fds() > count && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_true(count_fds() <= count); /* fewer, if some were about to be closed at the beginning */
}

/* ---- the log ---- */

static struct {
    pthread_mutex_t lock;
    unsigned lines;
    char text[8192];
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void keep_line(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    if (level > TENON_LOG_WARNING) {
        return;
    }
    pthread_mutex_lock(&kept.lock);
    size_t used = strlen(kept.text);
    snprintf(kept.text + used, sizeof(kept.text) - used, "%s\n", line);
    kept.lines++;
    pthread_mutex_unlock(&kept.lock);
}

void log_begin(void)
{
    pthread_mutex_lock(&kept.lock);
    kept.lines = 0;
    kept.text[0] = '\0';
    pthread_mutex_unlock(&kept.lock);
}

unsigned log_lines(void)
{
    pthread_mutex_lock(&kept.lock);
    unsigned n = kept.lines;
    pthread_mutex_unlock(&kept.lock);
    return n;
}

bool log_has(const char *text)
{
    pthread_mutex_lock(&kept.lock);
    bool has = strstr(kept.text, text) != NULL;
    pthread_mutex_unlock(&kept.lock);
    return has;
}

int vhost_main(int argc, char **argv, const struct rig_case *cases, unsigned count)
{
    tenon_set_log(keep_line, NULL);
    return rig_main(argc, argv, cases, count);
}
