/*
 * Writes, flushes and checks a disk from inside a guest, with a model of its content in memory.
 *
 *   hammer run DEVICE OFFSET BYTES THREADS BLOCK    until a line comes on standard input
 *   hammer fill DEVICE OFFSET BYTES BLOCK           writes generation 1 everywhere, and flushes
 *   hammer check DEVICE OFFSET BYTES BLOCK          reads, and expects what fill wrote
 *
 * In a run each thread owns an equal part, one request at a time: it writes 1 to 16 blocks, or
 * reads some and compares them with the model, or flushes. Each block says where it belongs and
 * which write put it there, so a lost, doubled, torn or misplaced write is seen by the next read.
 * At the end everything is read once more. Any error of the disk ends the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BLOCKS = 16, MAX_THREADS = 16 };

struct part {
    pthread_t thread;
    uint64_t first;  /* the first block, counted from the start of the device */
    uint64_t blocks; /* how many belong to this thread */
    uint32_t *model; /* the generation that each block holds; 0: never written */
    uint64_t seed;
    uint8_t *buffer;
};

static int disk;
static size_t block;
static atomic_bool stop;
static atomic_ullong writes, reads, flushes;

static void die(const char *what, uint64_t at, int error)
{
    printf("hammer: %s at block %llu: %s\n", what, (unsigned long long)at,
           error ? strerror(error) : "the content differs");
    fflush(stdout);
    _exit(1);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 29;
    x *= 0xc4ceb9fe1a85ec53u;
    return x ^ (x >> 32);
}

static uint64_t draw(struct part *p)
{
    p->seed += 0x9e3779b97f4a7c15u;
    return mix(p->seed);
}

static void stamp(uint8_t *to, uint64_t number, uint32_t generation)
{
    uint64_t word = mix(number * 0x100000001u + generation);

    for (size_t i = 0; i < block; i += sizeof(word)) {
        memcpy(to + i, &word, sizeof(word));
        word = word * 6364136223846793005u + 1442695040888963407u;
    }
    memcpy(to, &number, sizeof(number));
    memcpy(to + 8, &generation, sizeof(generation));
}

static void write_blocks(struct part *p, uint64_t at, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        stamp(p->buffer + i * block, p->first + at + i, ++p->model[at + i]);
    }
    ssize_t got = pwrite(disk, p->buffer, n * block, (off_t)((p->first + at) * block));
    if (got != (ssize_t)(n * block)) {
        die("write", p->first + at, got < 0 ? errno : EIO);
    }
    atomic_fetch_add(&writes, 1);
}

static void check_blocks(struct part *p, uint64_t at, uint64_t n)
{
    uint8_t expected[4096];

    ssize_t got = pread(disk, p->buffer, n * block, (off_t)((p->first + at) * block));
    if (got != (ssize_t)(n * block)) {
        die("read", p->first + at, got < 0 ? errno : EIO);
    }
    for (uint64_t i = 0; i < n; i++) {
        if (p->model[at + i]) {
            stamp(expected, p->first + at + i, p->model[at + i]);
            if (memcmp(expected, p->buffer + i * block, block)) {
                printf("hammer: expected write %u, found block %llu write %u\n", p->model[at + i],
                       *(unsigned long long *)(p->buffer + i * block),
                       *(unsigned *)(p->buffer + i * block + 8));
                die("compare", p->first + at + i, 0);
            }
        }
    }
    atomic_fetch_add(&reads, 1);
}

static void flush_disk(void)
{
    if (fdatasync(disk)) {
        die("flush", 0, errno);
    }
    atomic_fetch_add(&flushes, 1);
}

static void check_all(struct part *p)
{
    for (uint64_t at = 0; at < p->blocks; at += MAX_BLOCKS) {
        uint64_t left = p->blocks - at;
        check_blocks(p, at, left < MAX_BLOCKS ? left : MAX_BLOCKS);
    }
}

static void *run_part(void *arg)
{
    struct part *p = arg;

    while (!atomic_load(&stop)) {
        uint64_t at = draw(p) % p->blocks;
        uint64_t n = 1 + draw(p) % MAX_BLOCKS;
        n = n > p->blocks - at ? p->blocks - at : n;
        uint64_t what = draw(p) % 10;
        if (what < 6) {
            write_blocks(p, at, n);
        } else if (what < 9) {
            check_blocks(p, at, n);
        } else {
            flush_disk();
        }
    }
    check_all(p);
    return NULL;
}

static void *report(void *arg)
{
    (void)arg;
    for (;;) {
        sleep(1);
        printf("hammer ops %llu\n", (unsigned long long)(writes + reads + flushes));
        fflush(stdout);
    }
    return NULL;
}

static void run(struct part *parts, unsigned threads)
{
    char line[64];
    pthread_t reporter;

    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&parts[i].thread, NULL, run_part, &parts[i])) {
            die("thread", i, EAGAIN);
        }
    }
    pthread_create(&reporter, NULL, report, NULL);
    (void)!fgets(line, sizeof(line), stdin);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(parts[i].thread, NULL);
    }
}

static void fill(struct part *p)
{
    for (uint64_t at = 0; at < p->blocks; at += MAX_BLOCKS) {
        uint64_t left = p->blocks - at;
        write_blocks(p, at, left < MAX_BLOCKS ? left : MAX_BLOCKS);
    }
    flush_disk();
}

int main(int argc, char **argv)
{
    static struct part parts[MAX_THREADS];
    bool is_run = argc == 7 && !strcmp(argv[1], "run");

    if (!is_run && argc != 6) {
        return 2;
    }
    uint64_t offset = strtoull(argv[3], NULL, 0), bytes = strtoull(argv[4], NULL, 0);
    unsigned threads = is_run ? (unsigned)atoi(argv[5]) : 1;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    block = strtoull(argv[is_run ? 6 : 5], NULL, 0);
    disk = open(argv[2], O_RDWR | O_DIRECT | O_CLOEXEC);
    if (disk < 0 || block < 512 || block > 4096 || threads < 1 || threads > MAX_THREADS) {
        die("open", 0, disk < 0 ? errno : EINVAL);
    }
    for (unsigned i = 0; i < threads; i++) {
        struct part *p = &parts[i];
        p->blocks = bytes / block / threads;
        p->first = offset / block + i * p->blocks;
        p->model = calloc(p->blocks, sizeof(*p->model));
        p->buffer = aligned_alloc(4096, MAX_BLOCKS * 4096);
        p->seed = mix((uint64_t)now.tv_nsec) + i;
        if (!p->model || !p->buffer) {
            die("memory", 0, ENOMEM);
        }
    }
    if (is_run) {
        run(parts, threads);
    } else if (!strcmp(argv[1], "fill")) {
        fill(parts);
    } else {
        for (uint64_t i = 0; i < parts[0].blocks; i++) {
            parts[0].model[i] = 1;
        }
        check_all(parts);
    }
    printf("hammer done: writes %llu reads %llu flushes %llu\n", writes, reads, flushes);
    return 0;
}
