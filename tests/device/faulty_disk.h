/*
 * faulty_disk.h: a disk that works badly but honestly: it fails what it likes, ends operations in
 * any order and late, is full now and then, moves less than was asked, and keeps what it was not
 * told to flush in a volatile cache. What it answered it remembers, for the test to compare.
 *
 *   write ──> cache ──flush──> media
 */
#ifndef TENON_TEST_FAULTY_DISK_H
#define TENON_TEST_FAULTY_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <tenon/disk.h>

enum { FAULTY_BYTES = 256 * 512, FAULTY_IDS = 8192, FAULTY_THREADS = 2, FAULTY_DEPTH = 10 };

enum { FAULTY_UNKNOWN = 1 }; /* in `result`: the disk never ended this write */

struct faulty_disk {
    pthread_mutex_t lock;
    pthread_cond_t more;
    uint8_t cache[FAULTY_BYTES], media[FAULTY_BYTES];
    int result[FAULTY_IDS]; /* of each write, by the number in the first 8 bytes of its sectors */
    unsigned failed_others; /* operations but writes that were failed */
    unsigned permille;      /* how many of a thousand operations fail */
    uint32_t random;
    struct tenon_io *pending[FAULTY_DEPTH];
    unsigned count;
    unsigned full;        /* how often it was full */
    unsigned overlapping; /* writes that overlapped another one under way */
    struct tenon_io *running[FAULTY_THREADS];
    pthread_t threads[FAULTY_THREADS];
    bool stop;
};

struct faulty_disk *faulty_new(unsigned seed);
/* Asynchronous, with threads of its own. */
int faulty_open(struct faulty_disk *faulty, struct tenon_disk **out);
/* Plain functions: short counts, EINTR, errors in the middle. */
int faulty_open_simple(struct faulty_disk *faulty, struct tenon_disk **out);
/* What is on the media, or in the cache: of every sector the newest. Any thread. */
void faulty_copy(struct faulty_disk *faulty, bool media, uint64_t offset, void *to, uint64_t bytes);
/* The tenon_disk has been closed. */
void faulty_free(struct faulty_disk *faulty);

#endif
