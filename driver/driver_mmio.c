/*
 * driver_mmio.c: a guest's virtio-mmio driver (VIRTIO 1.4 section 4.2.3), over the public register
 * functions.
 *
 *   tnd_* ──> reads and writes of registers ──> tenon_mmio_read, tenon_mmio_write
 *   line  <── tnd_mmio_irq (any thread) <── device        handler: read InterruptStatus,
 *   acknowledge, note what it said
 *
 * The line is level-triggered: the handler runs only while it is raised, so an event without a
 * raised line is a lost interrupt here as in a guest. The handler may run on any thread; the lock
 * makes it one interrupt controller.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/le.h"
#include "spec/virtio.h"
#include "spec/virtio_mmio.h"
#include "tenon_driver.h"

struct mmio_driver {
    struct tenon_driver base;
    tnd_mmio_access_fn *access; /* NULL: not connected yet */
    void *opaque;
    struct tenon_mmio *window; /* NULL: connected through the embedder's code */
    bool by_fd;
    pthread_mutex_t lock; /* protects the rest */
    pthread_cond_t raised_now;
    int level;
    uint64_t raised;
    uint64_t config_irqs;
};

static struct mmio_driver *of(struct tenon_driver *driver)
{
    return (struct mmio_driver *)driver;
}

void tnd_mmio_get_raw(struct tenon_driver *driver, uint64_t offset, void *to, unsigned bytes)
{
    of(driver)->access(of(driver)->opaque, offset, to, bytes, false);
}

void tnd_mmio_set_raw(struct tenon_driver *driver, uint64_t offset, const void *from,
                      unsigned bytes)
{
    of(driver)->access(of(driver)->opaque, offset, (void *)(uintptr_t)from, bytes, true);
}

uint32_t tnd_mmio_get(struct tenon_driver *driver, uint64_t offset)
{
    le32 value = { 0xdeadbeef };
    tnd_mmio_get_raw(driver, offset, &value, sizeof(value));
    return tn_from_le32(value);
}

void tnd_mmio_set(struct tenon_driver *driver, uint64_t offset, uint32_t value)
{
    le32 wire = tn_to_le32(value);
    tnd_mmio_set_raw(driver, offset, &wire, sizeof(wire));
}

/* ---- interrupts ---- */

void tnd_mmio_irq(void *driver, int level)
{
    struct mmio_driver *d = driver;
    pthread_mutex_lock(&d->lock);
    d->level = level;
    if (level) {
        d->raised++;
        pthread_cond_broadcast(&d->raised_now);
    }
    pthread_mutex_unlock(&d->lock);
}

int tnd_mmio_level(struct tenon_driver *driver)
{
    pthread_mutex_lock(&of(driver)->lock);
    int level = of(driver)->level;
    pthread_mutex_unlock(&of(driver)->lock);
    return level;
}

uint64_t tnd_mmio_raised(struct tenon_driver *driver)
{
    pthread_mutex_lock(&of(driver)->lock);
    uint64_t raised = of(driver)->raised;
    pthread_mutex_unlock(&of(driver)->lock);
    return raised;
}

/*
 * The interrupt handler: acknowledges first and looks at the rings afterwards, as Linux does. Not
 * with the lock held: it is called back.
 */
static void handle_irq(struct mmio_driver *d)
{
    if (!d->access || tnd_mmio_level(&d->base) == 0) {
        return;
    }
    uint32_t status = tnd_mmio_get(&d->base, TN_MMIO_INTERRUPT_STATUS);
    tnd_mmio_set(&d->base, TN_MMIO_INTERRUPT_ACK, status);
    pthread_mutex_lock(&d->lock);
    if (status & TN_MMIO_INT_CONFIG) {
        d->config_irqs++;
    }
    for (unsigned i = 0; status & TN_MMIO_INT_USED_BUFFER && i < d->base.queue_count; i++) {
        d->base.queues[i].irq_pending = true;
    }
    pthread_mutex_unlock(&d->lock);
}

static bool mmio_irq_take(struct tenon_driver *driver, unsigned queue)
{
    struct mmio_driver *d = of(driver);
    handle_irq(d);
    pthread_mutex_lock(&d->lock);
    bool pending = driver->queues[queue].irq_pending;
    driver->queues[queue].irq_pending = false;
    pthread_mutex_unlock(&d->lock);
    return pending;
}

static void mmio_irq_wait(struct tenon_driver *driver, unsigned queue, int timeout_ms)
{
    struct mmio_driver *d = of(driver);
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += (long)timeout_ms * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;

    pthread_mutex_lock(&d->lock);
    while (d->level == 0 && !driver->queues[queue].irq_pending) {
        if (pthread_cond_timedwait(&d->raised_now, &d->lock, &end) != 0) {
            break;
        }
    }
    pthread_mutex_unlock(&d->lock);
}

static uint64_t mmio_config_irqs(struct tenon_driver *driver)
{
    handle_irq(of(driver));
    return of(driver)->config_irqs;
}

/* ---- the way to a running device ---- */

static int mmio_reset(struct tenon_driver *driver)
{
    uint64_t end = tnd_now_ms() + driver->timeout_ms;

    tnd_mmio_set(driver, TN_MMIO_STATUS, 0);
    while (tnd_mmio_get(driver, TN_MMIO_STATUS) != 0) {
        if (tnd_now_ms() > end) {
            return -ETIMEDOUT;
        }
        tnd_pass(driver);
    }
    return 0;
}

static int mmio_offered(struct tenon_driver *driver, uint64_t features[2])
{
    if (tnd_mmio_get(driver, TN_MMIO_MAGIC_VALUE) != TN_MMIO_MAGIC ||
        tnd_mmio_get(driver, TN_MMIO_VERSION) != 2 ||
        tnd_mmio_get(driver, TN_MMIO_DEVICE_ID) == 0) {
        return -ENODEV;
    }
    for (uint32_t i = 0; i < 4; i++) {
        tnd_mmio_set(driver, TN_MMIO_DEVICE_FEATURES_SEL, i);
        uint64_t word = tnd_mmio_get(driver, TN_MMIO_DEVICE_FEATURES);
        features[i / 2] = i % 2 ? features[i / 2] | word << 32 : word;
    }
    return 0;
}

static void add_status(struct tenon_driver *driver, uint32_t bit)
{
    uint32_t now = tnd_mmio_get(driver, TN_MMIO_STATUS);
    tnd_mmio_set(driver, TN_MMIO_STATUS, now | bit);
}

static int mmio_negotiate(struct tenon_driver *driver, const uint64_t features[2])
{
    int error = mmio_reset(driver);
    if (error) {
        return error;
    }
    add_status(driver, TN_STATUS_ACKNOWLEDGE);
    add_status(driver, TN_STATUS_DRIVER);
    for (uint32_t i = 0; i < 4; i++) {
        tnd_mmio_set(driver, TN_MMIO_DRIVER_FEATURES_SEL, i);
        tnd_mmio_set(driver, TN_MMIO_DRIVER_FEATURES, (uint32_t)(features[i / 2] >> (i % 2 * 32)));
    }
    add_status(driver, TN_STATUS_FEATURES_OK);
    return tnd_mmio_get(driver, TN_MMIO_STATUS) & TN_STATUS_FEATURES_OK ? 0 : -EOPNOTSUPP;
}

static int mmio_queue_max(struct tenon_driver *driver, unsigned queue)
{
    tnd_mmio_set(driver, TN_MMIO_QUEUE_SEL, queue);
    return (int)tnd_mmio_get(driver, TN_MMIO_QUEUE_SIZE_MAX);
}

void tnd_mmio_queue_registers(struct tenon_driver *driver, unsigned queue, uint32_t size,
                              uint64_t desc, uint64_t avail, uint64_t used)
{
    tnd_mmio_set(driver, TN_MMIO_QUEUE_SEL, queue);
    tnd_mmio_set(driver, TN_MMIO_QUEUE_SIZE, size);
    tnd_mmio_set(driver, TN_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
    tnd_mmio_set(driver, TN_MMIO_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
    tnd_mmio_set(driver, TN_MMIO_QUEUE_DRIVER_LOW, (uint32_t)avail);
    tnd_mmio_set(driver, TN_MMIO_QUEUE_DRIVER_HIGH, (uint32_t)(avail >> 32));
    tnd_mmio_set(driver, TN_MMIO_QUEUE_DEVICE_LOW, (uint32_t)used);
    tnd_mmio_set(driver, TN_MMIO_QUEUE_DEVICE_HIGH, (uint32_t)(used >> 32));
}

static int mmio_queue_start(struct tenon_driver *driver, unsigned queue)
{
    const struct tnd_ring *ring = driver->queues[queue].ring;
    if (ring->start != 0) {
        return -ENOTSUP; /* this transport begins at 0 */
    }
    if (of(driver)->by_fd && driver->queues[queue].kick_fd < 0) {
        if (!of(driver)->window) {
            return -ENOTSUP;
        }
        driver->queues[queue].kick_fd = tenon_mmio_notify_fd(of(driver)->window, queue);
        if (driver->queues[queue].kick_fd < 0) {
            return driver->queues[queue].kick_fd;
        }
    }
    tnd_mmio_queue_registers(driver, queue, ring->size, ring->desc_gpa, ring->avail_gpa,
                             ring->used_gpa);
    tnd_mmio_set(driver, TN_MMIO_QUEUE_READY, 1);
    return tnd_mmio_get(driver, TN_MMIO_QUEUE_READY) == 1 ? 0 : -EINVAL;
}

static int mmio_live(struct tenon_driver *driver)
{
    add_status(driver, TN_STATUS_DRIVER_OK);
    return tnd_mmio_get(driver, TN_MMIO_STATUS) & TN_STATUS_DRIVER_OK ? 0 : -EIO;
}

static int mmio_queue_stop(struct tenon_driver *driver, unsigned queue, uint16_t *base)
{
    uint64_t end = tnd_now_ms() + driver->timeout_ms;
    bool by_reset = tnd_has(driver, TN_F_RING_RESET);
    uint64_t reg = by_reset ? TN_MMIO_QUEUE_RESET : TN_MMIO_QUEUE_READY;

    tnd_mmio_set(driver, TN_MMIO_QUEUE_SEL, queue);
    tnd_mmio_set(driver, reg, by_reset ? 1 : 0);
    while (tnd_mmio_get(driver, reg) != 0) {
        if (tnd_now_ms() > end) {
            return -ETIMEDOUT;
        }
        tnd_pass(driver);
        tnd_mmio_set(driver, TN_MMIO_QUEUE_SEL, queue);
    }
    *base = 0;
    return 0;
}

static void mmio_notify(struct tenon_driver *driver, unsigned queue)
{
    if (!of(driver)->by_fd) {
        tnd_mmio_set(driver, TN_MMIO_QUEUE_NOTIFY, queue);
        return;
    }
    uint64_t one = 1;
    if (write(driver->queues[queue].kick_fd, &one, sizeof(one)) < 0) {
        return; /* full: the device has not yet looked, and will */
    }
}

/* ---- config space ---- */

/* Field by field: 4 bytes where offset and length allow, else 2, else 1 (MMIO-41). */
static unsigned access_width(uint32_t offset, uint32_t left)
{
    if (offset % 4 == 0 && left >= 4) {
        return 4;
    }
    return offset % 2 == 0 && left >= 2 ? 2 : 1;
}

static int mmio_config_read(struct tenon_driver *driver, uint32_t offset, void *to, uint32_t bytes)
{
    uint32_t before;
    do {
        before = tnd_mmio_get(driver, TN_MMIO_CONFIG_GENERATION);
        for (uint32_t done = 0; done < bytes;) {
            unsigned n = access_width(offset + done, bytes - done);
            tnd_mmio_get_raw(driver, TN_MMIO_CONFIG + (uint64_t)offset + done, (uint8_t *)to + done,
                             n);
            done += n;
        }
    } while (before != tnd_mmio_get(driver, TN_MMIO_CONFIG_GENERATION));
    return 0;
}

static int mmio_config_write(struct tenon_driver *driver, uint32_t offset, const void *from,
                             uint32_t bytes)
{
    for (uint32_t done = 0; done < bytes;) {
        unsigned n = access_width(offset + done, bytes - done);
        tnd_mmio_set_raw(driver, TN_MMIO_CONFIG + (uint64_t)offset + done,
                         (const uint8_t *)from + done, n);
        done += n;
    }
    return 0;
}

static bool mmio_broken(struct tenon_driver *driver, unsigned queue)
{
    (void)queue;
    return tnd_mmio_get(driver, TN_MMIO_STATUS) & TN_STATUS_NEEDS_RESET;
}

static void mmio_free(struct tenon_driver *driver)
{
    pthread_cond_destroy(&of(driver)->raised_now);
    pthread_mutex_destroy(&of(driver)->lock);
}

static const struct tenon_driver_ops mmio_ops = {
    .name = "mmio",
    .offered = mmio_offered,
    .negotiate = mmio_negotiate,
    .queue_max = mmio_queue_max,
    .queue_start = mmio_queue_start,
    .live = mmio_live,
    .queue_stop = mmio_queue_stop,
    .notify = mmio_notify,
    .irq_take = mmio_irq_take,
    .irq_wait = mmio_irq_wait,
    .config_read = mmio_config_read,
    .config_write = mmio_config_write,
    .config_irqs = mmio_config_irqs,
    .broken = mmio_broken,
    .reset = mmio_reset,
    .free = mmio_free,
};

int tnd_mmio_new(struct tnd_ram *ram, struct tenon_driver **out)
{
    int error = tnd_new(&mmio_ops, ram, sizeof(struct mmio_driver), out);
    if (!error) {
        pthread_mutex_init(&of(*out)->lock, NULL);
        pthread_cond_init(&of(*out)->raised_now, NULL);
    }
    return error;
}

static void access_window(void *window, uint64_t offset, void *data, unsigned bytes, bool write)
{
    if (write) {
        tenon_mmio_write(window, offset, data, bytes);
    } else {
        tenon_mmio_read(window, offset, data, bytes);
    }
}

void tnd_mmio_connect(struct tenon_driver *driver, struct tenon_mmio *window)
{
    tnd_mmio_connect_through(driver, access_window, window);
    of(driver)->window = window;
}

void tnd_mmio_connect_through(struct tenon_driver *driver, tnd_mmio_access_fn *access, void *opaque)
{
    of(driver)->access = access;
    of(driver)->opaque = opaque;
    of(driver)->window = NULL;
}

void tnd_mmio_kick_by_fd(struct tenon_driver *driver, bool on)
{
    of(driver)->by_fd = on;
}
