/*
 * kill9.h: what the three files of this test share.
 *
 *   kill9.c    rounds: a daemon that dies, another that takes over, and the verdict
 *   victim.c   the daemon as a process: started, killed at a moment, waited for
 *   traffic.c  the guest: requests in flight on all queues, and the model of the disk
 */
#ifndef KILL9_H
#define KILL9_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tenon_driver.h"

enum {
    QUEUES = 4,
    RING = 64,
    DEPTH = 40,        /* most requests of a queue in flight */
    SECTORS = 8192,    /* of the disk; each queue writes a part of its own */
    MOST_SECTORS = 24, /* of one request */
    SECTOR = 512
};

/* ---- victim.c ---- */

struct victim {
    const char *program, *engine;
    char folder[64], image[96], socket[96];
    pid_t pid;             /* 0: none */
    pthread_t killer;      /* sends the signal at its moment */
    bool killer_runs, hit; /* hit: atomic */
    int signal;
    unsigned delay_us;
};

/* The image and the folder for it and the socket. */
void victim_prepare(struct victim *victim, const char *program, const char *engine);
void victim_clean(struct victim *victim);
/* Starts the daemon and connects to it. The socket, or a negative errno. */
int victim_start(struct victim *victim);
/* The daemon gets the signal after so many microseconds, from another thread. */
void victim_doom(struct victim *victim, int signal, unsigned delay_us);
bool victim_is_hit(const struct victim *victim);
/* It gets it now. */
void victim_kill(struct victim *victim, int signal);
/* Waits for its end: what waitpid says, or -1 when it does not end in time (and is killed). */
int victim_wait(struct victim *victim);

/* ---- traffic.c ---- */

struct request {
    struct tnd_blk_request blk;
    bool used;
    uint32_t sectors;
    uint64_t id;                   /* writes: what is in its sectors */
    uint64_t oldest[MOST_SECTORS]; /* reads: what had been answered when it was submitted */
    uint8_t data[MOST_SECTORS * SECTOR];
};

struct traffic {
    struct tenon_driver *driver;
    uint64_t random;
    uint64_t next_id;
    uint64_t answered[SECTORS]; /* the last write of each that was answered; 0: none */
    uint64_t newest[SECTORS];   /* the last write of each that was submitted */
    struct request requests[QUEUES][DEPTH];
    uint64_t done, writes, reads, flushes;
    char wrong[200]; /* the first thing that was wrong; empty: nothing */
};

uint64_t traffic_random(struct traffic *traffic, uint64_t below);
/* Fills a queue up to `depth` requests in flight, and publishes them at once. */
void traffic_burst(struct traffic *traffic, unsigned queue, unsigned depth, bool kick);
/* Takes what is answered, and checks it. */
void traffic_reap(struct traffic *traffic);
/* Waits until all is answered: false, and `wrong` says why, when that does not happen. */
bool traffic_settle(struct traffic *traffic);
unsigned traffic_in_flight(const struct traffic *traffic);
/* Compares the whole image with the model; nothing is in flight. */
bool traffic_check_image(struct traffic *traffic, const char *image);
void traffic_wrong(struct traffic *traffic, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
