/*
 * harness.h: a device under test, the same for every way to reach it and to run it.
 *
 *   {mmio, vhost-user} x {inline, threads, uring, mapped, cached} x {epoll, poll}
 *
 * inline:  no thread anywhere: the driver turns the crank of the device's worker; the disk works
 *          within the call
 * threads: the device's queues, the vhost-user session and the disk each have threads of their own
 * uring:   the same with the disk over io_uring, on a file of a real file system where TMPDIR is
 *          on one. Skipped where there is no io_uring
 * mapped:  as inline, with the disk a mapping. Over epoll only: the loop makes no difference to it
 * cached:  as uring, with whatever engine=auto makes of such a file. Over epoll only
 *
 * A test is written once, as `static void name(void **state)`; it makes its rig with rig_new(state,
 * options) and forgets about it: the harness takes it down, also after a failure. Runs over all
 * combinations unless its case says otherwise.
 */
#ifndef TENON_TEST_HARNESS_H
#define TENON_TEST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tenon/blk.h>
#include <tenon/bus.h>
#include <tenon/mmio.h>
#include <tenon/vhost_user.h>

#include "fake_disk.h"
#include "spec/virtio.h"
#include "spec/virtio_blk.h"
#include "spec/virtio_mmio.h"
#include "spec/vring.h"
#include "tenon_driver.h"

enum {
    RIG_MMIO = 1,
    RIG_VHOST = 2,
    RIG_INLINE = 4,
    RIG_THREADS = 8,
    RIG_URING = 16,
    RIG_MAPPED = 32,
    RIG_CACHED = 64,
    RIG_EPOLL = 128,
    RIG_POLL = 256,
    RIG_FILL = 512, /* net_rig.h */
    RIG_LEND = 1024,
    RIG_LINKS = RIG_FILL | RIG_LEND,
    RIG_TRANSPORTS = RIG_MMIO | RIG_VHOST,
    RIG_ENGINES = RIG_INLINE | RIG_THREADS | RIG_URING | RIG_MAPPED | RIG_CACHED,
    RIG_LOOPS = RIG_EPOLL | RIG_POLL
};

/* What a case runs over; 0 stands for all. RIG_MMIO | RIG_INLINE: both of these. */
struct rig_case {
    const char *name;
    void (*test)(void **state);
    unsigned on;
};
#define RIG_TEST(fn)                                                                               \
    {                                                                                              \
#fn, fn, 0                                                                                 \
    }
#define RIG_TEST_ON(fn, on)                                                                        \
    {                                                                                              \
#fn, fn, on                                                                                \
    }

/*
 * Runs each case over its combinations. argv[1]: only names that match this pattern
 * ("mmio-inline-*").
 */
int rig_main(int argc, char **argv, const struct rig_case *cases, unsigned count);

/* What stands between transport and loop in a combination's name. */
struct rig_engine {
    const char *name;
    unsigned bits;
    bool epoll_only;
};
/* The same over engines of another kind. */
int rig_main_over(int argc, char **argv, const struct rig_case *cases, unsigned count,
                  const struct rig_engine *engines, unsigned engine_count);

/* Guest memory of every rig: at 0, two neighbours, and beyond 4 GiB. */
#define RIG_NEIGHBOURS_GPA 0x100000ull
#define RIG_NEIGHBOURS_EDGE 0x500000ull
#define RIG_HIGH_GPA 0x200000000ull
#define RIG_NOWHERE_GPA 0x40000000ull /* no memory here */

struct rig;

/* What a test gets as its state. */
struct rig_combination {
    char name[32];
    unsigned bits;
    struct rig *rig;
};

enum rig_disk {
    RIG_DISK_FILE =
        0, /* a file through the engine that belongs to the combination; `image` maps it */
    RIG_DISK_MEMORY, /* tenon_disk_open_memory over `image` */
    RIG_DISK_FAKE    /* fake_disk.h; `fake`, and `image` is its content */
};

struct rig_options {
    enum rig_disk disk;
    uint64_t disk_bytes;      /* default 8 MiB */
    struct tenon_disk *other; /* a disk of the test's own instead; the rig closes it */
    bool disk_read_only;
    struct tenon_blk_opts
        blk; /* name, queues, serial, cache, read_only, ...; disk and workers are the rig's */
    struct tnd_setup setup;
    bool no_start; /* the test does the handshake */
    /* mmio: stands in the interrupt line, and passes on to tnd_mmio_irq(rig->driver, level) */
    void (*irq)(void *rig, int level);
};

struct rig {
    const char *combination;
    bool mmio, inline_, uring, mapped, cached, poll_loop;
    struct tenon_driver *driver;
    struct tnd_ram *ram;
    struct tenon_device *device;
    struct tenon_disk *disk;
    uint8_t *image;
    uint64_t image_bytes;
    int image_fd; /* RIG_DISK_FILE */
    struct fake_disk *fake;
    struct fake_link *link; /* of a network device: net_rig.h */
    struct tenon_link *opened_link;
    /* what the device stands on: nothing is held back; handles are closed; memory is freed */
    void (*release)(struct rig *rig), (*close)(struct rig *rig), (*dispose)(struct rig *rig);
    struct tenon_mmio *window;       /* mmio */
    struct tenon_mem *mem;           /* mmio */
    struct tenon_vhost_user *server; /* vhost-user */
    char socket_name[32];            /* vhost-user: abstract name of the listener */
    struct tenon_worker *workers[3];
    unsigned worker_count, queue_workers;
    /* events of the device; read with rig_event */
    unsigned broken, started, stopped, parked;
    /* what the first break of a queue, or the first park, was for; read after rig_await_event */
    char why[200];
    bool has_why;
};

/* Fails the test when anything goes wrong. `options` may be NULL. */
struct rig *rig_new(void **state, const struct rig_options *options);
/* The combination's rig ends now instead of after the test. */
void rig_end(void **state);

/* A truncated image that is mapped does not end the test; the rig's own image is looked after. */
void rig_survive_sigbus(void);
/* One more connection to the vhost-user listener. */
int rig_connect(struct rig *rig);
/* One turn of all workers; what the driver's crank is. */
unsigned rig_crank(void *rig);
/* How often an event came. */
unsigned rig_event(const unsigned *counter);
/* Waits until an event has come `count` times, and fails when it has come more often. */
void rig_await_event(struct rig *rig, const unsigned *counter, unsigned count);
/*
 * A counter of the device: of one queue, or of the whole (-1). Fails when there is none of this
 * name.
 */
uint64_t rig_stat(struct rig *rig, const char *name, int queue);
/* Waits until such a counter is `value` or more, and fails when it does not become so. */
void rig_await_stat(struct rig *rig, const char *name, int queue, uint64_t value);
/* Runs fn(opaque) on the vhost-user session's worker and waits for it. */
void rig_on_worker(struct rig *rig, void (*fn)(void *opaque), void *opaque);

/* `bytes` of a pattern that depends on `seed` and on the place. */
void rig_pattern(void *to, size_t bytes, unsigned seed);
/* A pattern written through the device and found in the image, then read back: the device works. */
void rig_check_alive(struct rig *rig, unsigned queue);

#endif
