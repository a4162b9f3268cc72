/*
 * fake_disk.h: disks that do what a test tells them: hold operations back, finish them in any
 * order, fail them, or move only a part of what was asked.
 *
 *   fake_disk   asynchronous (tenon_disk_open_custom): a log of all operations, a hold, faults
 *   short_disk  plain blocking functions (tenon_disk_open_simple): short counts, EINTR, an early
 *   end of the file
 */
#ifndef TENON_TEST_FAKE_DISK_H
#define TENON_TEST_FAKE_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <tenon/disk.h>

enum { FAKE_LOG = 8192 };

/* One operation as the disk saw it. */
struct fake_op {
    struct tenon_io *io; /* NULL when it was ended */
    uint8_t op, flags;
    unsigned iov_count;
    uint64_t offset, bytes;
    int result;
    unsigned ended; /* the how-manieth to end, from 1; 0: under way */
    unsigned batch; /* how many commits came before it */
};

struct fake_disk {
    pthread_mutex_t lock;
    uint8_t *bytes;
    struct tenon_disk_info info;
    bool hold; /* operations stay until released */
    bool can_cancel;
    unsigned depth; /* most operations under way; 0: any number. More: -EAGAIN */
    /* Decides the result of each operation when it ends: 0 does it. Called with the lock held. */
    int (*fault)(void *opaque, const struct fake_op *op);
    void *fault_opaque;
    struct fake_op log[FAKE_LOG];
    unsigned count, ended, commits, cancelled;
    unsigned channels; /* open now */
    bool freed;
};

/* `options` of the disk may be changed in fake->info before fake_open. */
struct fake_disk *fake_new(uint64_t bytes);
int fake_open(struct fake_disk *fake, struct tenon_disk **out);
/* The tenon_disk has been closed. */
void fake_free(struct fake_disk *fake);

void fake_hold(struct fake_disk *fake, bool on);
/* From now on this function decides; what the test wrote before is seen by it. NULL: none. */
void fake_set_fault(struct fake_disk *fake, int (*fault)(void *opaque, const struct fake_op *op),
                    void *opaque);
/* How many operations were submitted; how many are held now. Any thread. */
unsigned fake_submitted(struct fake_disk *fake);
unsigned fake_held(struct fake_disk *fake);
/* A copy of what is in the log. */
struct fake_op fake_op(struct fake_disk *fake, unsigned index);
/*
 * Ends one held operation, by its place in the log; false when it is not held. The work is done
 * now. Any thread.
 */
bool fake_release(struct fake_disk *fake, unsigned index);
/* Ends all that are held, in their order, and lets later ones pass. */
void fake_release_all(struct fake_disk *fake);
/* How many operations of this kind there were. */
unsigned fake_count(struct fake_disk *fake, uint8_t op);

struct short_disk {
    uint8_t *bytes;
    uint64_t size, end;  /* end: where reads find the end of the file; default size */
    unsigned most;       /* bytes moved by one call at most; 0: all */
    int interrupts;      /* so many calls fail with -EINTR first; -1: all of them */
    int error;           /* every call fails with this */
    uint64_t error_from; /* writes at or past this offset fail with -ENOSPC; 0: none */
    bool no_progress;    /* writes move 0 bytes */
    unsigned calls;
};

int short_open(struct short_disk *disk, struct tenon_disk **out);

#endif
