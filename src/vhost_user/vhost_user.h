/*
 * vhost_user.h: the door of vhost_user/: one server, its one connection, and what each file adds.
 *
 *   socket ──wire.c──> message ──messages.c──> vring.c, memtable.c, shmem.c ──bus.h──> device
 *                                  └── session.c: accept, waiting, the end of a connection
 *
 * Threads: everything lives on the server's worker, with three exceptions that are marked below:
 * the interrupt of a queue (queue's worker), the news that a queue broke (queue's worker), and the
 * configuration notice (any thread). Nobody waits: a message that cannot be answered yet leaves
 * `then` behind, and the socket is not read until it has run.
 */
#ifndef TN_VHOST_USER_VHOST_USER_H
#define TN_VHOST_USER_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/mem.h"
#include "spec/vhost_user.h"
#include "tenon/bus.h"
#include "tenon/vhost_user.h"

enum {
    TN_VU_SLOTS = 512, /* memory regions at once; QEMU asks for 509 (users.md 1.4) */
    TN_VU_PAYLOAD_ROOM =
        4096 /* the longest payload of a message we do not know; longer: we hang up */
};

/* ---- wire.c: bytes and descriptors, no meaning ---- */

union tn_vu_payload {
    uint64_t u64;
    struct tn_vu_vring_state state;
    struct tn_vu_vring_addr addr;
    struct tn_vu_mem_table table;
    struct tn_vu_mem_reg region;
    struct tn_vu_config config;
    struct tn_vu_inflight inflight;
    uint8_t bytes[TN_VU_PAYLOAD_ROOM];
};

struct tn_vu_message {
    struct tn_vu_header header;
    union tn_vu_payload payload;
    int fds[TN_VU_MAX_FDS]; /* -1: taken */
    unsigned fd_count;
};

/* NULL, or why no payload may follow this header. */
typedef const char *tn_wire_judge(const struct tn_vu_header *header);

struct tn_wire {
    int fd;      /* the socket; -1: closed */
    size_t have; /* bytes of the message that have come so far */
    struct tn_vu_message message;
    uint8_t out[sizeof(struct tn_vu_header) + sizeof(struct tn_vu_config) + TN_VU_CONFIG_MAX];
    size_t out_bytes, out_sent; /* a reply that the socket did not take at once */
    int out_fd;                 /* goes with its first byte; -1: none */
};

enum tn_wire_event {
    TN_WIRE_AGAIN = 0,   /* nothing more for now */
    TN_WIRE_MESSAGE = 1, /* wire->message is complete; tn_wire_next begins the next one */
    TN_WIRE_CLOSED = 2,  /* the other side hung up; *why says when */
    TN_WIRE_BROKEN = 3   /* the stream cannot be trusted any more; *why */
};

void tn_wire_open(struct tn_wire *wire, int fd);
/* Closes the socket and every descriptor that was not taken. */
void tn_wire_close(struct tn_wire *wire);
enum tn_wire_event tn_wire_receive(struct tn_wire *wire, tn_wire_judge *judge, const char **why);
void tn_wire_next(struct tn_wire *wire);
/*
 * Sends a reply; what the socket does not take now is kept (one reply at a time: see
 * tn_wire_sending). `fd` is closed when it was sent. 0, or -errno when the connection is lost.
 */
int tn_wire_reply(struct tn_wire *wire, uint32_t request, const void *payload, uint32_t bytes,
                  int fd);
int tn_wire_flush(struct tn_wire *wire);
bool tn_wire_sending(const struct tn_wire *wire);
/* The i-th descriptor of the message becomes the caller's. */
int tn_message_take_fd(struct tn_vu_message *message, unsigned i);

/* ---- memtable.c: where the front-end's addresses lie in guest memory ---- */

struct tn_slot_file {
    uint64_t device, inode;
};

struct tn_slot_region {
    struct tn_vu_region region;
    struct tn_slot_file file;
    unsigned times; /* that it was added, see tn_memtable_add */
};

struct tn_memtable {
    struct tenon_mem *mem;
    struct tn_view view; /* the session's own look at it: only to see that memory is gone */
    struct tn_slot_region *slots;
    unsigned count;
};

/* ---- shmem.c: the inflight region (VU-73, VU-74) ---- */

struct tn_inflight_map {
    void *mapping; /* NULL: none */
    size_t mapping_bytes;
    uint8_t *base;
    size_t stride; /* bytes of one queue's part */
    unsigned queues;
    struct tn_guard *guard;
};

/* ---- vring.c ---- */

enum { TN_CALL_UNCHANGED = -2 };

struct tn_vring {
    struct tenon_vhost_user *server;
    unsigned index;
    uint32_t entries;
    uint16_t base; /* next available position while the device does not run it */
    bool have_addr;
    uint64_t desc_user, used_user, avail_user;
    bool started; /* SET_VRING_KICK came */
    bool enabled;
    bool running;  /* the device has it: from the start until `stopped` was heard */
    bool stopping; /* ... and it was asked to stop */
    bool again;    /* it is stopped only to be started again */
    int kick;      /* ours; the device gets a duplicate. -1 while started: poll */
    int err;

    /* Read by the queue's worker. */
    int call;      /* only there, once the queue has a worker */
    int call_next; /* atomic: the descriptor to go on with, or TN_CALL_UNCHANGED */
    bool live;     /* atomic: running; a new call descriptor is then rung once */
    bool posted;   /* call_post was used, so the end has to wait for it */
    struct tenon_post call_post, fence_post; /* to the queue's worker */

    /* Written by the queue's worker, then posted to ours. */
    uint16_t stopped_at;
    struct tenon_post stopped_post, broken_post, fenced_post;
    bool broken;
};

/* ---- the server and its one connection ---- */

enum tn_vu_outcome {
    TN_VU_DONE = 0,      /* ack 0 when asked for */
    TN_VU_REPLIED = 1,   /* it had its own reply */
    TN_VU_WAIT = 2,      /* `then` goes on */
    TN_VU_IGNORED = 3,   /* not done: ack 1 when asked for; else nobody is told */
    TN_VU_REFUSED = 4,   /* not done: ack 1 when asked for; else the connection ends */
    TN_VU_MALFORMED = 5, /* the connection ends */
    TN_VU_LOST = 6       /* the reply could not be sent: so it ends, too */
};

typedef enum tn_vu_outcome tn_vu_then(struct tenon_vhost_user *server);

enum tn_vu_state {
    TN_VU_IDLE = 0, /* nobody is connected: the listening socket is watched */
    TN_VU_OPEN = 1,
    TN_VU_ENDING = 2 /* the device is being drained; the socket is still open, but not read */
};

struct tenon_vhost_user {
    struct tenon_device *device;
    struct tenon_worker *worker;
    void (*event)(void *opaque, struct tenon_vhost_user *server, enum tenon_vhost_user_event event,
                  const char *detail);
    void *opaque;
    int listen_fd;
    int connected_fd; /* the one connection, until it was opened */
    struct tenon_watch *listen_watch;
    struct tenon_timer *accept_timer; /* no descriptors left: try again later */
    bool closing;                     /* tenon_vhost_user_close was called */
    bool finished;                    /* ... and its last step was posted */
    void (*closed)(void *opaque);
    void *closed_opaque;
    struct tenon_post open_post, quiet_post, config_post, free_post;

    enum tn_vu_state state;
    struct tn_wire wire;
    struct tenon_watch *watch;
    unsigned pending; /* calls back that we wait for */
    tn_vu_then *then;
    char why[256];   /* why the last message was not done, or why the connection ends */
    bool complained; /* one refusal was logged */
    bool drained;    /* the socket had nothing more */

    uint64_t protocol; /* protocol features that were acked */
    uint64_t features; /* VIRTIO features that were acked, with bit 30 */
    bool features_ok;  /* the device took them */
    uint8_t status;
    bool notice_owed; /* a configuration change that the front-end has not heard of */
    int channel;      /* back-end requests; -1: none */

    struct tn_memtable memory;
    struct tn_inflight_map inflight;
    unsigned queues;
    struct tn_vring *rings;
};

/* session.c */
/* Keeps the sentence for the log line and gives `outcome` back. */
enum tn_vu_outcome tn_vu_say(struct tenon_vhost_user *server, enum tn_vu_outcome outcome,
                             const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Goes on with `then` when everything that is pending has called back: at once when nothing is. */
enum tn_vu_outcome tn_vu_wait(struct tenon_vhost_user *server, tn_vu_then *then);
/* One of the pending calls came. On the server's worker. */
void tn_vu_arrived(struct tenon_vhost_user *server);
/* Ends the connection: drains, releases, and is then ready for the next. `why` is copied. */
void tn_vu_end(struct tenon_vhost_user *server, const char *why);
enum tn_vu_outcome tn_vu_reply(struct tenon_vhost_user *server, const void *payload, uint32_t bytes,
                               int fd);

/* messages.c */
const char *tn_message_judge(const struct tn_vu_header *header);
const char *tn_message_name(uint32_t request, char *room, size_t room_bytes);
enum tn_vu_outcome tn_message_handle(struct tenon_vhost_user *server, struct tn_vu_message *m);
uint64_t tn_vu_features(const struct tenon_vhost_user *server);
bool tn_vu_has_protocol(const struct tenon_vhost_user *server, unsigned bit);

/*
 * Called by server.c when a server is made: watches the listening socket, or opens the connection.
 */
int tn_session_listen(struct tenon_vhost_user *server);
void tn_session_open(struct tenon_post *post);

/* reset.c */
/* Resets the device; adds to `pending`. */
void tn_vu_quiet(struct tenon_vhost_user *server);
void tn_vu_quiet_heard(struct tenon_post *post);

/* notice.c: the back-end's own channel */
void tn_notice_config(struct tenon_post *post);
void tn_notice_try(struct tenon_vhost_user *server);
void tn_notice_close(struct tenon_vhost_user *server);

/* memtable.c */
int tn_memtable_open(struct tn_memtable *memory);
void tn_memtable_close(struct tn_memtable *memory);
/* Removes every region; each adds to `pending` until it was released. */
void tn_memtable_clear(struct tenon_vhost_user *server);
/* The guest address of [user, user + bytes); false when that is not within one region. */
bool tn_memtable_find(const struct tn_memtable *memory, uint64_t user, uint64_t bytes,
                      uint64_t *gpa);
/* Whether the front-end has cut off memory that it gave us. */
bool tn_memtable_poisoned(struct tn_memtable *memory);

/* vring.c */
void tn_vring_init(struct tn_vring *ring, struct tenon_vhost_user *server, unsigned index);
/* Starts the ring when it was kicked, is enabled, and does not run; else that is no error. */
enum tn_vu_outcome tn_vring_try_start(struct tn_vring *ring);
/* Stops it when it runs: adds to `pending`. 0 or -ENOMEM. */
int tn_vring_stop(struct tn_vring *ring);
void tn_vring_set_call(struct tn_vring *ring, int fd);
/* Back to the state of a new connection, but for the call and err descriptors. It does not run. */
void tn_vring_reset(struct tn_vring *ring);
/* Gives back all descriptors; adds to `pending` when that is up to the queue's worker. */
void tn_vring_release(struct tn_vring *ring);
/* Stops all rings that run, to start them again with tn_vring_restart_all. 0 or -ENOMEM. */
int tn_vring_hold_all(struct tenon_vhost_user *server);
enum tn_vu_outcome tn_vring_restart_all(struct tenon_vhost_user *server);
/* Whether news of the queue's worker is on its way to us. */
bool tn_vring_has_news(const struct tn_vring *ring);
bool tn_vring_any_running(const struct tenon_vhost_user *server);
extern const struct tenon_bus_ops tn_vring_bus_ops;

/* shmem.c */
void tn_inflight_drop(struct tn_inflight_map *map);
bool tn_inflight_gone(const struct tn_inflight_map *map);
/* The part of queue `index`; NULL when there is none. */
void *tn_inflight_part(const struct tn_inflight_map *map, unsigned index, size_t *bytes);

/* Handlers of messages: in the file whose state they change. */
typedef enum tn_vu_outcome tn_message_fn(struct tenon_vhost_user *server, struct tn_vu_message *m);
tn_message_fn tn_memtable_set, tn_memtable_add, tn_memtable_remove;
tn_message_fn tn_vring_on_num, tn_vring_on_addr, tn_vring_on_base, tn_vring_on_get_base;
tn_message_fn tn_vring_on_kick, tn_vring_on_call, tn_vring_on_err, tn_vring_on_enable;
tn_message_fn tn_inflight_get, tn_inflight_set;
tn_message_fn tn_reset_on_reset_device, tn_reset_on_set_status, tn_reset_on_get_status;
tn_message_fn tn_notice_on_channel;

#endif
