/*
 * mmio.c: the register file of virtio over MMIO, version 2 (section 4.2.2): who answers which
 * offset, and the interrupt line.
 *
 * Control registers answer aligned 32-bit accesses; anything else reads as 0 and is ignored
 * (MMIO-40). The interrupt line follows InterruptStatus (MMIO-28); bits are set and cleared by
 * atomic operations, so that an event between a driver's read and its acknowledgement is never lost
 * (MMIO-27).
 */
#include "mmio/mmio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/le.h"
#include "base/opts.h"
#include "mem/mem.h"

enum { DEFAULT_VENDOR = 0x4e4e4554, CONTROL_BYTES = 4, VERSION = 2 };

uint32_t mmio_status(const struct tenon_mmio *mmio)
{
    return __atomic_load_n(&mmio->status, __ATOMIC_ACQUIRE);
}

/* ---- interrupts ---- */

/*
 * Says `level`, and again until it is what InterruptStatus says: another thread may have raised or
 * acknowledged between the change of that and our call. Whoever says the last word has looked after
 * it.
 */
void mmio_set_line(struct tenon_mmio *mmio, int level)
{
    int now = level;

    do {
        level = now;
        mmio->irq(mmio->opaque, level);
        now = __atomic_load_n(&mmio->interrupt_status, __ATOMIC_SEQ_CST) != 0;
    } while (now != level);
}

void mmio_raise(struct tenon_mmio *mmio, uint32_t bits)
{
    __atomic_fetch_or(&mmio->interrupt_status, bits, __ATOMIC_SEQ_CST);
    mmio_set_line(mmio, 1); /* for every event: an edge-triggered line needs each one */
}

static void acknowledge(struct tenon_mmio *mmio, uint32_t bits)
{
    if (__atomic_and_fetch(&mmio->interrupt_status, ~bits, __ATOMIC_SEQ_CST) == 0) {
        mmio_set_line(mmio, 0);
    }
}

static void queue_irq(void *bus, unsigned queue)
{
    (void)queue; /* one bit speaks for every queue */
    mmio_raise(bus, TN_MMIO_INT_USED_BUFFER);
}

static void config_irq(void *bus)
{
    struct tenon_mmio *mmio = bus;

    if (mmio_status(mmio) & TN_STATUS_DRIVER_OK) {
        mmio_raise(mmio, TN_MMIO_INT_CONFIG);
    }
}

/* BASIC-04, BASIC-05: told once, until the driver resets. */
void mmio_needs_reset(struct tenon_mmio *mmio)
{
    uint32_t before = mmio_status(mmio);

    do {
        if (before == 0) {
            return; /* the driver's own reset came first: nobody is left to be told */
        }
    } while (!__atomic_compare_exchange_n(&mmio->status, &before, before | TN_STATUS_NEEDS_RESET,
                                          false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    if (!(before & TN_STATUS_NEEDS_RESET) && (before & TN_STATUS_DRIVER_OK)) {
        mmio_raise(mmio, TN_MMIO_INT_CONFIG);
    }
}

static void broken(void *bus, unsigned queue, const char *why)
{
    (void)queue;
    (void)why; /* the device has logged it */
    mmio_needs_reset(bus);
}

/* ---- registers ---- */

static uint32_t offered_word(const struct tenon_mmio *mmio, uint32_t word)
{
    uint64_t features[2];

    if (word >= MMIO_FEATURE_WORDS) { /* the whole selector counts (MMIO-06) */
        return 0;
    }
    tenon_bus_features(mmio->device, features);
    return (uint32_t)(features[word / 2] >> (word % 2 * 32));
}

static uint32_t read_locked(struct tenon_mmio *mmio, uint32_t offset)
{
    uint32_t value;

    pthread_mutex_lock(&mmio->lock);
    if (offset == TN_MMIO_DEVICE_FEATURES) {
        value = offered_word(mmio, mmio->device_features_sel);
    } else {
        value = mmio_queue_read(mmio, offset);
    }
    pthread_mutex_unlock(&mmio->lock);
    return value;
}

static uint32_t read_control(struct tenon_mmio *mmio, uint32_t offset)
{
    switch (offset) {
    case TN_MMIO_MAGIC_VALUE:
        return TN_MMIO_MAGIC;
    case TN_MMIO_VERSION:
        return VERSION;
    case TN_MMIO_DEVICE_ID:
        return tenon_bus_device_id(mmio->device);
    case TN_MMIO_VENDOR_ID:
        return mmio->vendor_id;
    case TN_MMIO_INTERRUPT_STATUS:
        return __atomic_load_n(&mmio->interrupt_status, __ATOMIC_SEQ_CST);
    case TN_MMIO_STATUS:
        return mmio_status(mmio);
    /* no shared memory regions: every length and base is all ones (MMIO-21, MMIO-22) */
    case TN_MMIO_SHM_LEN_LOW:
    case TN_MMIO_SHM_LEN_HIGH:
    case TN_MMIO_SHM_BASE_LOW:
    case TN_MMIO_SHM_BASE_HIGH:
        return UINT32_MAX;
    case TN_MMIO_CONFIG_GENERATION:
        return tenon_bus_config_generation(mmio->device);
    case TN_MMIO_DEVICE_FEATURES:
    case TN_MMIO_QUEUE_SIZE_MAX:
    case TN_MMIO_QUEUE_READY:
    case TN_MMIO_QUEUE_RESET:
        return read_locked(mmio, offset);
    default:
        return 0; /* write-only and unknown registers (MMIO-42) */
    }
}

void tenon_mmio_read(struct tenon_mmio *mmio, uint64_t offset, void *data, unsigned bytes)
{
    le32 value;

    memset(data, 0, bytes);
    if (offset >= TN_MMIO_CONFIG) {
        if (offset - TN_MMIO_CONFIG <= UINT32_MAX) {
            tenon_bus_config_read(mmio->device, (uint32_t)(offset - TN_MMIO_CONFIG), data, bytes);
        }
        return;
    }
    if (bytes != CONTROL_BYTES || offset % CONTROL_BYTES != 0) {
        return;
    }
    value = tn_to_le32(read_control(mmio, (uint32_t)offset));
    memcpy(data, &value, sizeof(value));
}

/*
 * Section 2.2: the driver's bits count between DRIVER and FEATURES_OK; each word is replaced as a
 * whole (MMIO-07).
 */
static void write_driver_features(struct tenon_mmio *mmio, uint32_t value)
{
    uint32_t status = mmio_status(mmio);

    if (!(status & TN_STATUS_DRIVER) ||
        (status & (TN_STATUS_FEATURES_OK | TN_STATUS_NEEDS_RESET | TN_STATUS_FAILED))) {
        return;
    }
    if (mmio->driver_features_sel < MMIO_FEATURE_WORDS) {
        mmio->driver_features[mmio->driver_features_sel] = value;
    } else if (value != 0) {
        mmio->driver_features_bad = true;
    }
}

/* MMIO-44: ignored unless the driver is live; a queue that does not run ignores it by itself. */
static void notify(struct tenon_mmio *mmio, uint32_t queue)
{
    uint32_t status = mmio_status(mmio);

    if ((status & TN_STATUS_DRIVER_OK) && !(status & TN_STATUS_FAILED) &&
        queue < mmio->queue_count) {
        tenon_bus_queue_kick(mmio->device, queue);
    }
}

static void write_locked(struct tenon_mmio *mmio, uint32_t offset, uint32_t value)
{
    pthread_mutex_lock(&mmio->lock);
    switch (offset) {
    case TN_MMIO_DEVICE_FEATURES_SEL:
        mmio->device_features_sel = value;
        break;
    case TN_MMIO_DRIVER_FEATURES_SEL:
        mmio->driver_features_sel = value;
        break;
    case TN_MMIO_DRIVER_FEATURES:
        write_driver_features(mmio, value);
        break;
    case TN_MMIO_QUEUE_SEL:
        mmio->queue_sel = value;
        break;
    default:
        mmio_queue_write(mmio, offset, value);
        break;
    }
    pthread_mutex_unlock(&mmio->lock);
}

static void write_config(struct tenon_mmio *mmio, uint64_t offset, const void *data, unsigned bytes)
{
    uint32_t status = mmio_status(mmio);

    /* BASIC-39: not before FEATURES_OK, and not on a device that is given up. */
    if ((status & TN_STATUS_FEATURES_OK) &&
        !(status & (TN_STATUS_NEEDS_RESET | TN_STATUS_FAILED)) && offset <= UINT32_MAX) {
        tenon_bus_config_write(mmio->device, (uint32_t)offset, data, bytes);
    }
}

void tenon_mmio_write(struct tenon_mmio *mmio, uint64_t offset, const void *data, unsigned bytes)
{
    le32 wire;

    if (offset >= TN_MMIO_CONFIG) {
        write_config(mmio, offset - TN_MMIO_CONFIG, data, bytes);
        return;
    }
    if (bytes != CONTROL_BYTES || offset % CONTROL_BYTES != 0) {
        return;
    }
    memcpy(&wire, data, sizeof(wire));
    uint32_t value = tn_from_le32(wire);
    switch (offset) {
    case TN_MMIO_QUEUE_NOTIFY:
        notify(mmio, value);
        break;
    case TN_MMIO_INTERRUPT_ACK:
        acknowledge(mmio, value); /* exactly the written bits (MMIO-15) */
        break;
    case TN_MMIO_STATUS:
        mmio_status_write(mmio, value);
        break;
    default:
        write_locked(mmio, (uint32_t)offset, value);
        break;
    }
}

/* ---- the object ---- */

int tenon_mmio_notify_fd(struct tenon_mmio *mmio, unsigned queue)
{
    return tenon_bus_queue_kick_fd(mmio->device, queue);
}

static void free_mmio(struct tenon_mmio *mmio)
{
    pthread_cond_destroy(&mmio->reset_done);
    pthread_mutex_destroy(&mmio->reset_lock);
    pthread_mutex_destroy(&mmio->lock);
    free(mmio->queues);
    free(mmio);
}

int tenon_mmio_new(const struct tenon_mmio_opts *given, struct tenon_mmio **out)
{
    static const struct tenon_bus_ops ops = {
        .size = sizeof(ops), .queue_irq = queue_irq, .config_irq = config_irq, .broken = broken
    };
    struct tenon_mmio_opts opts;
    int error = tn_opts_copy(&opts, sizeof(opts), given, "tenon_mmio_opts");

    if (error < 0) {
        return error;
    }
    if (!opts.device || !opts.mem || !opts.irq) {
        return tn_error(-EINVAL, "tenon_mmio_opts: device, mem and irq are all required");
    }
    struct tenon_mmio *mmio = calloc(1, sizeof(*mmio));
    if (!mmio) {
        return tn_error(-ENOMEM, "%s: no memory for its registers", tenon_device_name(opts.device));
    }
    mmio->device = opts.device;
    mmio->mem = opts.mem;
    mmio->irq = opts.irq;
    mmio->opaque = opts.opaque;
    mmio->vendor_id = opts.vendor_id ? opts.vendor_id : DEFAULT_VENDOR;
    mmio->queue_count = tenon_bus_queue_count(opts.device);
    pthread_mutex_init(&mmio->lock, NULL);
    pthread_mutex_init(&mmio->reset_lock, NULL);
    pthread_cond_init(&mmio->reset_done, NULL);
    mmio->queues = calloc(mmio->queue_count, sizeof(*mmio->queues));
    error = mmio->queues ? tenon_bus_attach(opts.device, opts.mem, &ops, mmio) : -ENOMEM;
    if (error < 0) {
        free_mmio(mmio);
        return error;
    }
    *out = mmio;
    return 0;
}

void tenon_mmio_free(struct tenon_mmio *mmio)
{
    if (!mmio) {
        return;
    }
    mmio_reset_begin(mmio);
    mmio_reset_wait(mmio, true);
    tenon_bus_detach(mmio->device);
    free_mmio(mmio);
}
