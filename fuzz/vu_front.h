/*
 * vu_front.h: a front-end for fuzz_vhost_user.c: its socket, its memory, and behind the socket a
 * real server with a block device over a memory disk, all on one thread.
 */
#ifndef TN_FUZZ_VU_FRONT_H
#define TN_FUZZ_VU_FRONT_H

#include "input.h"
#include "spec/vhost_user.h"
#include "tenon/vhost_user.h"
#include "tenon/worker.h"

enum {
    QUEUES = 2,
    ENTRIES = 16,
    RAM = 1 << 17,
    RING_BYTES = 0x3000, /* of each queue: descriptors, available, used: a page each */
    BUFFERS = 0x8000,    /* from here on: headers and data */
    DISK_BYTES = 1 << 16,
    MESSAGE_MAX = 512
};

static const uint64_t GPA = 0x10000, USER = 0x7f1200000000;

struct front {
    struct input in;
    struct tenon_worker *worker;
    struct tenon_disk *disk;
    struct tenon_device *device;
    struct tenon_vhost_user *server;
    int listen_fd, socket;
    int ram_fd, inflight_fd;
    uint8_t *ram;
    bool cut; /* the memory file was cut off: do not touch it ourselves */
    bool closed;
    struct tn_vu_inflight inflight;
    uint16_t avail[QUEUES];
};

void front_open(struct front *front);
/* Closes everything, and checks that the server let go of it, too. */
void front_close(struct front *front);
/* Lets the server do what there is to do. */
void front_crank(struct front *front);
void front_redial(struct front *front);
/* Everything that the server has sent. It may have hung up: then the next connection is made. */
void front_listen(struct front *front);
void front_send(struct front *front, const void *bytes, size_t count, const int *fds,
                unsigned fd_count);
/* A descriptor of any kind; 0: the guest's memory, 1: an eventfd, 4: a socket, 5: inflight. */
int front_new_fd(struct front *front, uint8_t kind);
unsigned front_count_fds(void);

#endif
