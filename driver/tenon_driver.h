/*
 * tenon_driver.h: the driver's side of virtio: plays the guest against a device of Tenon, in tests,
 * fuzzers and benches, yours too.
 *
 *   tnd_ram      guest memory: regions, guard pages, snapshots that prove what was not written
 *   tnd_ring     a split ring as the driver sees it, with raw access to every field of it
 *   tenon_driver one device behind virtio-mmio registers or a vhost-user socket: the same test runs
 *   over both
 *   tnd_blk_*    block requests in any framing
 *   tnd_net_*    frames in any framing, and control commands: tenon_driver_net.h
 *
 * Two ways to run: the device's worker has a thread of its own; or it has none, and the driver
 * turns its crank whenever it waits (tenon_driver.crank), so that everything happens on one thread
 * in one order.
 *
 * Functions return 0 (or a useful number) or a negative errno. Nothing waits longer than
 * tenon_driver.timeout_ms. One thread per driver, unless a function says otherwise.
 */
#ifndef TENON_DRIVER_H
#define TENON_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/mmio.h>

#include "tenon_driver_ring.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one device (driver.c) ---- */

enum { TND_MAX_QUEUES = 256 };

struct tenon_driver;

/*
 * How the driver reaches a device. virtio-mmio and vhost-user are here; write these for a transport
 * of your own, and hand them to tnd_new. `live`, `irq_wait` and `free` may be NULL, and so may
 * whatever your tests do not ask for.
 */
struct tenon_driver_ops {
    const char *name;
    int (*offered)(struct tenon_driver *driver, uint64_t features[2]);
    /* From reset to features accepted; -EOPNOTSUPP when the device refused them. */
    int (*negotiate)(struct tenon_driver *driver, const uint64_t features[2]);
    int (*queue_max)(struct tenon_driver *driver, unsigned queue); /* 0: no such queue */
    int (*queue_start)(struct tenon_driver *driver, unsigned queue);
    int (*live)(struct tenon_driver *driver); /* DRIVER_OK */
    /*
     * Stops one queue (QueueReset, GET_VRING_BASE); `base` is where it would go on, where the
     * transport says so.
     */
    int (*queue_stop)(struct tenon_driver *driver, unsigned queue, uint16_t *base);
    void (*notify)(struct tenon_driver *driver, unsigned queue);
    /* Takes a used-buffer notification, if there was one. Any thread. */
    bool (*irq_take)(struct tenon_driver *driver, unsigned queue);
    /* Sleeps until one may have come, or the time is over. Any thread. */
    void (*irq_wait)(struct tenon_driver *driver, unsigned queue, int timeout_ms);
    int (*config_read)(struct tenon_driver *driver, uint32_t offset, void *to, uint32_t bytes);
    int (*config_write)(struct tenon_driver *driver, uint32_t offset, const void *from,
                        uint32_t bytes);
    uint64_t (*config_irqs)(struct tenon_driver *driver); /* how many since the start */
    bool (*broken)(struct tenon_driver *driver,
                   unsigned queue); /* the device says that we broke this queue */
    int (*reset)(struct tenon_driver *driver);
    void (*free)(struct tenon_driver *driver); /* what the transport holds, not the driver itself */
};

struct tnd_setup {
    uint64_t without[2];  /* features not to accept */
    uint64_t only[2];     /* if not zero: accept none but these */
    unsigned queues;      /* default 1 */
    uint32_t queue_size;  /* default: what the device offers, at most 256 */
    uint16_t start;       /* first ring position; vhost-user only */
    unsigned ring_region; /* region for the rings; 0: wherever there is room */
    bool mem_table;       /* vhost-user: SET_MEM_TABLE even where ADD_MEM_REG would do */
    /* vhost-user: the back-end counts pairs of queues, and one more may follow (VU-46) */
    bool pairs;
};

struct tnd_queue {
    struct tnd_ring *ring;
    bool irq_pending;
    bool broken;
    uint64_t irqs; /* notifications taken */
    uint64_t kicks;
    int kick_fd, call_fd, err_fd; /* vhost-user; -1: none */
};

struct tenon_driver {
    const struct tenon_driver_ops *ops;
    struct tnd_ram *ram;
    uint64_t offered[2], features[2]; /* features: accepted by tnd_start */
    unsigned queue_count;             /* queues started */
    struct tnd_queue queues[TND_MAX_QUEUES];
    /*
     * NULL: the device has threads. Else does what is to do, and returns how many events that were.
     */
    unsigned (*crank)(void *opaque);
    void *crank_opaque;
    unsigned timeout_ms;    /* default 20000 */
    uint64_t blk_done;      /* block requests done so far */
    void *net_buffers;      /* receive buffers that are posted (driver_net.c) */
    struct tnd_setup setup; /* as given to tnd_queues, defaults filled in */
};

/*
 * A driver over a transport of yours: `bytes` of zeroed memory, a struct that begins with struct
 * tenon_driver. `ram` is the caller's and outlives the driver. -EINVAL, -ENOMEM.
 */
int tnd_new(const struct tenon_driver_ops *ops, struct tnd_ram *ram, size_t bytes,
            struct tenon_driver **out);
/*
 * The whole way from reset to a device that runs, as Linux (MMIO) and QEMU (vhost-user) go it.
 * NULL: all defaults.
 */
int tnd_start(struct tenon_driver *driver, const struct tnd_setup *setup);
/* The steps of it. */
int tnd_negotiate(struct tenon_driver *driver, const struct tnd_setup *setup);
int tnd_queues(struct tenon_driver *driver, const struct tnd_setup *setup);
/* Resets the device and forgets all rings. */
int tnd_reset(struct tenon_driver *driver);
/* Stops one queue and starts it again on a cleared ring (MMIO) or where it stopped (vhost-user). */
int tnd_queue_restart(struct tenon_driver *driver, unsigned queue);
void tnd_free(struct tenon_driver *driver);
bool tnd_has(const struct tenon_driver *driver, unsigned feature);

/* Adds a chain. Returns its head. */
int tnd_add(struct tenon_driver *driver, unsigned queue, const struct tnd_seg *segs, unsigned count,
            enum tnd_form form, void *token);
/* Publishes what was added, and kicks when the device wants it. */
void tnd_kick(struct tenon_driver *driver, unsigned queue);
/* Kicks, wanted or not. */
void tnd_notify(struct tenon_driver *driver, unsigned queue);
/*
 * Waits for one used entry, by interrupts: a lost one is -ETIMEDOUT. -EPIPE: the device says that
 * the queue is broken.
 */
int tnd_wait_used(struct tenon_driver *driver, unsigned queue, struct tnd_used *used);
/* The same by looking at the ring. */
int tnd_poll_used(struct tenon_driver *driver, unsigned queue, struct tnd_used *used);
bool tnd_irq_take(struct tenon_driver *driver, unsigned queue);
bool tnd_wait_irq(struct tenon_driver *driver, unsigned queue);
/*
 * The same until tnd_now_ms() is past `end_ms`: -ETIMEDOUT. -EPIPE: the device says that the queue
 * is broken.
 */
int tnd_await_irq(struct tenon_driver *driver, unsigned queue, uint64_t end_ms);
bool tnd_broken(struct tenon_driver *driver, unsigned queue);
bool tnd_wait_broken(struct tenon_driver *driver, unsigned queue);
uint64_t tnd_config_irqs(struct tenon_driver *driver);
int tnd_config_read(struct tenon_driver *driver, uint32_t offset, void *to, uint32_t bytes);
int tnd_config_write(struct tenon_driver *driver, uint32_t offset, const void *from,
                     uint32_t bytes);

/*
 * Lets the device do what it has to do: turns the crank until nothing is left, or gives a device
 * with threads `ms` milliseconds.
 */
void tnd_settle(struct tenon_driver *driver, unsigned ms);
/* Waits until fn(opaque) is true. False: the time is over. */
bool tnd_until(struct tenon_driver *driver, bool (*fn)(void *opaque), void *opaque);
/* One step of waiting: cranks, or sleeps shortly. */
void tnd_pass(struct tenon_driver *driver);
uint64_t tnd_now_ms(void);

/* ---- virtio-mmio (driver_mmio.c) ---- */

/*
 * First the driver, then the window with opts.irq = tnd_mmio_irq and opts.opaque = the driver, then
 * the two are connected. `ram` is the caller's and outlives the driver, as does the window.
 */
int tnd_mmio_new(struct tnd_ram *ram, struct tenon_driver **out);
void tnd_mmio_irq(void *driver, int level);
void tnd_mmio_connect(struct tenon_driver *driver, struct tenon_mmio *window);
/*
 * Or through the code by which a guest's accesses come: your exit handler. `offset` is counted from
 * the begin of the window; `data` is written to when the guest reads.
 */
typedef void tnd_mmio_access_fn(void *opaque, uint64_t offset, void *data, unsigned bytes,
                                bool write);
void tnd_mmio_connect_through(struct tenon_driver *driver, tnd_mmio_access_fn *access,
                              void *opaque);
/*
 * Kicks go by the ioeventfd instead of the register. Before the queues start; after
 * tnd_mmio_connect.
 */
void tnd_mmio_kick_by_fd(struct tenon_driver *driver, bool on);
uint32_t tnd_mmio_get(struct tenon_driver *driver, uint64_t offset);
void tnd_mmio_set(struct tenon_driver *driver, uint64_t offset, uint32_t value);
void tnd_mmio_get_raw(struct tenon_driver *driver, uint64_t offset, void *to, unsigned bytes);
void tnd_mmio_set_raw(struct tenon_driver *driver, uint64_t offset, const void *from,
                      unsigned bytes);
/* QueueSel and the size and address registers; not QueueReady. */
void tnd_mmio_queue_registers(struct tenon_driver *driver, unsigned queue, uint32_t size,
                              uint64_t desc, uint64_t avail, uint64_t used);
int tnd_mmio_level(struct tenon_driver *driver);       /* the interrupt line now */
uint64_t tnd_mmio_raised(struct tenon_driver *driver); /* calls with level 1 so far */

/* ---- vhost-user (driver_vhost.c, driver_wire.c) ---- */

enum { TND_VHOST_PAYLOAD = 4096, TND_VHOST_FDS = 32 };

struct tnd_vhost_message {
    uint32_t request, flags, size;
    uint8_t payload[TND_VHOST_PAYLOAD];
    int fds[TND_VHOST_FDS];
    unsigned fd_count;
};

/* A front-end over a connected socket, which it owns. No message is sent yet. */
int tnd_vhost_new(struct tnd_ram *ram, int socket, struct tenon_driver **out);
/*
 * A new socket after the back-end has died. The next tnd_vhost_resume tells the new back-end all,
 * the inflight region too; the rings and what is in flight stay.
 */
void tnd_vhost_reconnect(struct tenon_driver *driver, int socket);
int tnd_vhost_resume(struct tenon_driver *driver);
int tnd_vhost_socket(struct tenon_driver *driver);
/* Protocol features to acknowledge; default: all that are offered and known here. */
void tnd_vhost_protocol(struct tenon_driver *driver, uint64_t wanted);
bool tnd_vhost_has_protocol(struct tenon_driver *driver, unsigned bit);
/* Raw: exactly these bytes and descriptors. tnd_vhost_send_bytes sends any bytes at all. */
int tnd_vhost_send(struct tenon_driver *driver, uint32_t request, uint32_t flags,
                   const void *payload, uint32_t size, const int *fds, unsigned fd_count);
int tnd_vhost_send_bytes(struct tenon_driver *driver, const void *bytes, size_t count,
                         const int *fds, unsigned fd_count);
/*
 * -ETIMEDOUT; -ECONNRESET: the back-end closed the connection. Descriptors in it are the caller's.
 */
int tnd_vhost_receive(struct tenon_driver *driver, struct tnd_vhost_message *message,
                      unsigned timeout_ms);
/*
 * A message and, where REPLY_ACK is there, its answer: 0, or -EREMOTEIO when the back-end said no.
 */
int tnd_vhost_tell(struct tenon_driver *driver, uint32_t request, const void *payload,
                   uint32_t size, const int *fds, unsigned fd_count);
/* A message that is always answered by a number. */
int tnd_vhost_ask(struct tenon_driver *driver, uint32_t request, uint64_t *answer);
int tnd_vhost_add_region(struct tenon_driver *driver, unsigned region);
int tnd_vhost_remove_region(struct tenon_driver *driver, unsigned region);
int tnd_vhost_send_table(struct tenon_driver *driver);
/* The inflight region as this process maps it; NULL: none. */
void *tnd_vhost_inflight(struct tenon_driver *driver, size_t *bytes);

/* ---- block requests (driver_blk.c) ---- */

struct tnd_range {
    uint64_t sector;
    uint32_t sectors, flags;
};

struct tnd_blk_request {
    uint32_t type, reserved;
    uint64_t sector;
    const void *out; /* device-readable data behind the header */
    uint32_t out_bytes;
    void *in; /* where device-written data goes when the request is done; may be NULL */
    uint32_t in_bytes;
    enum tnd_form form;
    /*
     * Lengths of the pieces that the readable part (header, data) and the writable part (data,
     * status) are cut into; what they leave over is one more piece. A 0 is an empty descriptor.
     */
    const uint32_t *out_cuts, *in_cuts;
    unsigned out_cut_count, in_cut_count;
    bool scatter; /* each piece in memory of its own */
    /* Result. */
    bool done;
    uint8_t status; /* TND_BLK_UNTOUCHED: the device has not written it */
    uint32_t used_bytes;
    uint64_t order; /* how many requests of this driver were done before it */
    /* The library's. */
    unsigned queue;
    struct tnd_seg *segs;
    unsigned seg_count, out_segs;
    uint64_t out_gpa, in_gpa;
};

enum { TND_BLK_UNTOUCHED = 0xee };

/* Adds a request, without publishing. It stays where it is until it is done. -ENOSPC, -ENOMEM. */
int tnd_blk_add(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request);
/* Adds, publishes and kicks. */
int tnd_blk_submit(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request);
/* Takes what is done, without waiting; returns how many requests that were. */
unsigned tnd_blk_reap(struct tenon_driver *driver, unsigned queue);
/* Waits for this one (others of the queue are taken along). 0, -ETIMEDOUT, -EPIPE. */
int tnd_blk_wait(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request);
/* Gives back the guest memory of a request that will never be done (after a reset). */
void tnd_blk_forget(struct tenon_driver *driver, struct tnd_blk_request *request);
/* Submit and wait: the status byte (0..255), or a negative errno. */
int tnd_blk_run(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request);
int tnd_blk_read(struct tenon_driver *driver, unsigned queue, uint64_t sector, void *to,
                 uint32_t bytes);
int tnd_blk_write(struct tenon_driver *driver, unsigned queue, uint64_t sector, const void *from,
                  uint32_t bytes);
int tnd_blk_flush(struct tenon_driver *driver, unsigned queue);
int tnd_blk_discard(struct tenon_driver *driver, unsigned queue, const struct tnd_range *ranges,
                    unsigned count);
int tnd_blk_write_zeroes(struct tenon_driver *driver, unsigned queue,
                         const struct tnd_range *ranges, unsigned count);
int tnd_blk_get_id(struct tenon_driver *driver, unsigned queue, char id[20]);
uint64_t tnd_blk_capacity(
    struct tenon_driver *driver); /* sectors, read with the generation check */
/* A header of 16 bytes in new guest memory, for chains made by hand. */
uint64_t tnd_blk_header(struct tenon_driver *driver, uint32_t type, uint64_t sector);

#ifdef __cplusplus
}
#endif

#endif
