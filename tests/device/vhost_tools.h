/*
 * vhost_tools.h: what the tests of vhost-user sessions share: messages one by one instead of the
 * driver's usual handshake, a second device in the same process, counts of what a process holds,
 * and the log.
 */
#ifndef TENON_TEST_VHOST_TOOLS_H
#define TENON_TEST_VHOST_TOOLS_H

#include "harness.h"
#include "spec/vhost_user.h"

/* Every combination of a vhost-user rig. */
#define VHOST_TEST(fn) RIG_TEST_ON(fn, RIG_VHOST)

enum { NO_ANSWER_MS = 60 }; /* so long we look whether an answer comes that must not */

/* ---- messages ---- */

/* One message with its payload, asking for an answer where that is negotiated. 0, or -errno. */
int say(struct tenon_driver *driver, uint32_t request, const void *payload, uint32_t bytes, int fd);
int say_u64(struct tenon_driver *driver, uint32_t request, uint64_t value);
int say_state(struct tenon_driver *driver, uint32_t request, uint32_t index, uint32_t num);
/* SET_VRING_KICK, _CALL, _ERR; fd -1: with the no-fd flag. */
int say_fd(struct tenon_driver *driver, uint32_t request, unsigned queue, int fd);
/* Sends without waiting for an answer. */
void send_only(struct tenon_driver *driver, uint32_t request, uint32_t flags, const void *payload,
               uint32_t bytes, int fd);
/* The number that an answer brings. */
uint64_t answer_u64(const struct tnd_vhost_message *m);
/* Nothing comes on the socket for a while. */
void expect_silence(struct tenon_driver *driver);
/* The acknowledgement of the last message comes, and says yes. */
void expect_ack(struct tenon_driver *driver);
/* The back-end hangs up (it may have answered before). */
void expect_hang_up(struct tenon_driver *driver);

/* ---- rings by hand ---- */

/* A ring of the driver, not yet told of. */
void make_ring(struct rig *rig, unsigned queue, uint32_t size, uint16_t start);
int tell_num(struct rig *rig, unsigned queue);
int tell_base(struct rig *rig, unsigned queue, uint16_t base);
int tell_addr(struct rig *rig, unsigned queue);
/* The descriptor is made when the queue has none. */
int tell_kick(struct rig *rig, unsigned queue);
int tell_call(struct rig *rig, unsigned queue);
int tell_enable(struct rig *rig, unsigned queue, bool on);

/* ---- a chain by hand: a read or write of one sector, with memory where the test wants it ---- */

struct chain {
    uint64_t header, data, status;
    int head;
};

/* Published and kicked. `region`: where header, data and status lie. */
struct chain put_chain(struct rig *rig, unsigned queue, unsigned region, uint32_t type,
                       uint64_t sector);
uint8_t chain_status(struct rig *rig, const struct chain *chain);

/* ---- requests in flight on one queue: writes next to each other, and reads of them ---- */

enum { BATCH = 12, BATCH_BYTES = 2048 };

struct batch {
    struct tnd_blk_request requests[BATCH];
    uint8_t data[BATCH][BATCH_BYTES];
    unsigned queue;
};

/* Publishes writes of a pattern. Each queue has sectors of its own. */
void batch_begin(struct rig *rig, struct batch *batch, unsigned queue, unsigned seed);
/* Waits for all, by interrupts, and finds what was written in the image. */
void batch_end(struct rig *rig, struct batch *batch);

/* ---- another front-end, another device ---- */

/* A driver of its own over a new connection to the rig's listener; the test frees it. */
struct tenon_driver *new_front_end(struct rig *rig, struct tnd_ram *ram);

struct neighbour {
    struct rig *rig;
    uint8_t image[1 << 20];
    struct tnd_ram *ram;
    struct tenon_disk *disk;
    struct tenon_device *device;
    struct tenon_vhost_user *server;
    struct tenon_driver *driver;
    char socket_name[32];             /* listening */
    int socket;                       /* else: its end, until it is handed over; ours */
    unsigned connected, disconnected; /* events */
};

/*
 * A device over memory, served on the same workers as the rig's, and its front-end, started.
 * `listening`: by a socket of its own name; else its only connection is handed to it.
 */
struct neighbour *neighbour_new(struct rig *rig, bool listening);
int neighbour_connect(struct neighbour *n);
void neighbour_check(struct neighbour *n);
/* The server's close function was called, and has called back. */
void neighbour_close_server(struct neighbour *n);
void neighbour_free(struct neighbour *n);

/* ---- the process, and the log ---- */

unsigned count_fds(void);
unsigned count_mappings(void);
/* Waits until no more descriptors are open than that: a connection ends after its last message. */
void await_fds(struct rig *rig, unsigned count);

/* rig_main with the log kept. */
int vhost_main(int argc, char **argv, const struct rig_case *cases, unsigned count);
/* Warnings and errors since log_begin. */
void log_begin(void);
unsigned log_lines(void);
bool log_has(const char *text);

#endif
