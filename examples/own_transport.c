/*
 * own_transport.c: a transport of one's own over <tenon/bus.h>, and its test with libtenon-driver.
 *
 *   test ──tnd_*──> the guest's half ──hv_call──> the host's half ──tenon_bus_*──> device
 *                                                         ^──────tenon_bus_ops──────┘
 *
 * The made-up hypervisor has hypercalls where others have registers. The host's half is what its
 * VMM would keep; the guest's half tells the driver library how to reach it. The test turns the
 * device's worker itself, so that all of it happens on one thread, in one order.
 *
 *   ./own_transport
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/blk.h>
#include <tenon/bus.h>

#include <tenon_driver.h>

/* ---- the host's half ---- */

enum hv_call {
    HV_RESET,
    HV_STATUS,    /* gives HV_RESETTING, HV_BROKEN */
    HV_OFFERED,   /* gives the features */
    HV_ACCEPT,    /* a: features */
    HV_QUEUE_MAX, /* a: queue */
    HV_START,     /* a: queue, b: size, c: descriptors, d: available ring, e: used ring */
    HV_KICK,      /* a: queue */
    HV_IRQS       /* gives HV_CONFIG_IRQ, HV_QUEUE_IRQ << queue since it was last asked */
};
enum { HV_RESETTING = 1, HV_BROKEN = 2, HV_CONFIG_IRQ = 1, HV_QUEUE_IRQ = 2 };

struct hv {
    struct tenon_device *device;
    atomic_uint status, irqs; /* the device's worker changes them, too */
};

static void hv_queue_irq(void *bus, unsigned queue)
{
    atomic_fetch_or(&((struct hv *)bus)->irqs, (unsigned)HV_QUEUE_IRQ << queue);
}

static void hv_config_irq(void *bus)
{
    atomic_fetch_or(&((struct hv *)bus)->irqs, HV_CONFIG_IRQ);
}

static void hv_broken(void *bus, unsigned queue, const char *why)
{
    printf("queue %u is broken: %s\n", queue, why);
    atomic_fetch_or(&((struct hv *)bus)->status, HV_BROKEN);
    hv_config_irq(bus);
}

static void hv_quiet(void *bus)
{
    struct hv *hv = bus;

    atomic_store(&hv->irqs, 0);
    atomic_store(&hv->status, 0);
}

/* A hypercall, on the thread of the vCPU that made it. Nothing in it waits. */
static uint64_t hv_call(struct hv *hv, enum hv_call call, const uint64_t a[5])
{
    uint64_t features[2] = { a[0], 0 };
    struct tenon_ring ring = { .size = sizeof(ring), .kick_fd = -1 };

    switch (call) {
    case HV_RESET:
        atomic_fetch_or(&hv->status, HV_RESETTING);
        tenon_bus_quiet(hv->device, hv_quiet, hv);
        return 0;
    case HV_STATUS:
        return atomic_load(&hv->status);
    case HV_OFFERED:
        tenon_bus_features(hv->device, features);
        return features[0];
    case HV_ACCEPT:
        return (uint64_t)tenon_bus_negotiate(hv->device, features);
    case HV_QUEUE_MAX:
        return tenon_bus_queue_max(hv->device, (unsigned)a[0]);
    case HV_START:
        ring.entries = (uint32_t)a[1];
        ring.desc_gpa = a[2];
        ring.driver_gpa = a[3];
        ring.device_gpa = a[4];
        return (uint64_t)tenon_bus_queue_start(hv->device, (unsigned)a[0], &ring);
    case HV_KICK:
        tenon_bus_queue_kick(hv->device, (unsigned)a[0]);
        return 0;
    case HV_IRQS:
        return atomic_exchange(&hv->irqs, 0);
    }
    return (uint64_t)-ENOSYS;
}

/* ---- the guest's half: what the driver library asks of a transport ---- */

struct hv_driver {
    struct tenon_driver base; /* first */
    struct hv *hv;
};

static uint64_t call(struct tenon_driver *driver, enum hv_call which, uint64_t a)
{
    return hv_call(((struct hv_driver *)driver)->hv, which, (uint64_t[5]){ a });
}

static int hv_reset(struct tenon_driver *driver)
{
    call(driver, HV_RESET, 0);
    for (uint64_t end = tnd_now_ms() + driver->timeout_ms; call(driver, HV_STATUS, 0) != 0;) {
        if (tnd_now_ms() > end) {
            return -ETIMEDOUT;
        }
        tnd_pass(driver);
    }
    return 0;
}

static int hv_offered(struct tenon_driver *driver, uint64_t features[2])
{
    features[0] = call(driver, HV_OFFERED, 0);
    features[1] = 0;
    return 0;
}

static int hv_negotiate(struct tenon_driver *driver, const uint64_t features[2])
{
    int error = hv_reset(driver);

    return error ? error : (int)call(driver, HV_ACCEPT, features[0]);
}

static int hv_queue_max(struct tenon_driver *driver, unsigned queue)
{
    return (int)call(driver, HV_QUEUE_MAX, queue);
}

static int hv_queue_start(struct tenon_driver *driver, unsigned queue)
{
    const struct tnd_ring *ring = driver->queues[queue].ring;

    return (int)hv_call(
        ((struct hv_driver *)driver)->hv, HV_START,
        (uint64_t[5]){ queue, ring->size, ring->desc_gpa, ring->avail_gpa, ring->used_gpa });
}

static void hv_notify(struct tenon_driver *driver, unsigned queue)
{
    call(driver, HV_KICK, queue);
}

static bool hv_irq_take(struct tenon_driver *driver, unsigned queue)
{
    uint64_t irqs = call(driver, HV_IRQS, 0);

    for (unsigned i = 0; i < driver->queue_count; i++) {
        driver->queues[i].irq_pending |= irqs >> i & HV_QUEUE_IRQ;
    }
    bool taken = driver->queues[queue].irq_pending;
    driver->queues[queue].irq_pending = false;
    return taken;
}

static bool hv_is_broken(struct tenon_driver *driver, unsigned queue)
{
    (void)queue;
    return call(driver, HV_STATUS, 0) & HV_BROKEN;
}

static const struct tenon_driver_ops hv_driver_ops = {
    .name = "hv",
    .offered = hv_offered,
    .negotiate = hv_negotiate,
    .queue_max = hv_queue_max,
    .queue_start = hv_queue_start,
    .notify = hv_notify,
    .irq_take = hv_irq_take,
    .broken = hv_is_broken,
    .reset = hv_reset,
};

/* ---- the test ---- */

static void check(bool good, const char *what)
{
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    if (!good) {
        exit(1);
    }
}

static unsigned turn(void *worker)
{
    int handled = tenon_worker_run(worker, 0);

    return handled > 0 ? (unsigned)handled : 0;
}

static void test(struct tenon_driver *driver)
{
    uint8_t out[4096], in[4096] = { 0 };

    memset(out, 'x', sizeof(out));
    check(tnd_start(driver, NULL) == 0, "the device starts");
    check(tnd_blk_write(driver, 0, 8, out, sizeof(out)) == 0, "a write ends well");
    check(tnd_blk_read(driver, 0, 8, in, sizeof(in)) == 0, "a read ends well");
    check(memcmp(in, out, sizeof(in)) == 0, "and has what was written");
    tnd_raw_avail_idx(driver->queues[0].ring, 5000); /* a guest that has gone mad */
    tnd_notify(driver, 0);
    check(tnd_wait_broken(driver, 0), "a broken queue is told of");
    check(tnd_reset(driver) == 0, "the device is reset");
    check(tnd_start(driver, NULL) == 0, "and starts again");
    check(tnd_blk_flush(driver, 0) == 0, "and works");
}

int main(void)
{
    const struct tnd_place places[] = { { 0x40000000, 1 << 20 } };
    struct tenon_blk_opts blk = { .size = sizeof(blk), .worker_count = 1 };
    struct tenon_driver *driver = NULL;
    struct tenon_worker *worker = NULL;
    struct tenon_mem *mem = NULL;
    struct tnd_ram *ram = NULL;
    struct hv hv = { .device = NULL };

    check(tnd_ram_new(places, 1, &ram) == 0, "guest memory");
    check(tenon_mem_new(&mem) == 0 && tnd_ram_share(ram, mem) == 0, "is shared with the device");
    check(tenon_worker_new(NULL, &worker) == 0, "a worker without a thread");
    check(tenon_disk_open("memory=1M", &blk.disk) == 0, "a disk");
    blk.workers = &worker;
    check(tenon_blk_new(&blk, &hv.device) == 0, "a device");
    const struct tenon_bus_ops ops = { .size = sizeof(ops),
                                       .queue_irq = hv_queue_irq,
                                       .config_irq = hv_config_irq,
                                       .broken = hv_broken };
    check(tenon_bus_attach(hv.device, mem, &ops, &hv) == 0, "behind this transport");
    check(tnd_new(&hv_driver_ops, ram, sizeof(struct hv_driver), &driver) == 0, "a driver");
    ((struct hv_driver *)driver)->hv = &hv;
    driver->crank = turn;
    driver->crank_opaque = worker;

    test(driver);

    check(tnd_reset(driver) == 0, "the end");
    tenon_bus_detach(hv.device);
    tenon_device_free(hv.device);
    tnd_free(driver);
    tenon_disk_close(blk.disk);
    tenon_worker_free(worker);
    tenon_mem_free(mem);
    tnd_ram_free(ram);
    return 0;
}
