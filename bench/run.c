/*
 * run.c: one measurement: a driver that keeps so many requests in flight, over vhost-user, without
 * a guest around it.
 *
 *   a slot   [header][data][status] in guest memory, laid out once; a request is its three
 *            descriptors, and goes into the ring again when it has come back
 *
 * It costs as little as a driver can, so that what is measured is the back-end. Sleeping waits for
 * the interrupt as a guest's driver does; polling never asks for one.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "tenon_driver.h"

enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, HEADER = 16, SECTOR = 512, STATUS_UNSET = 0xee };
enum { CLOCK_EVERY = 16, SLEEP_MOST_MS = 10000 };

struct slot {
    uint64_t header, data, status; /* guest addresses */
    uint8_t *header_at, *status_at;
    uint64_t begun;
    unsigned queue;
    bool flush; /* the request that is in flight is one */
};

struct bench {
    const struct load_options *options;
    struct tnd_ram *ram;
    struct tenon_driver *driver;
    struct slot *slots;
    unsigned slot_count;
    uint64_t random, next; /* the next block of a sequence */
    uint64_t done, errors;
    struct latencies latencies;
    struct instructions instructions;
    bool measuring;
};

static int complain(int error, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(error < 0 ? -error : error));
    return error < 0 ? error : -error;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The processor time that another process has used. */
static uint64_t cpu_ns(pid_t pid)
{
    struct timespec t = { 0 };
    clockid_t clock;
    if (pid > 0 && clock_getcpuclockid(pid, &clock) == 0) {
        clock_gettime(clock, &t);
    }
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- requests ---- */

static uint64_t next_block(struct bench *bench)
{
    uint64_t blocks = bench->options->area / bench->options->block;
    switch (bench->options->kind) {
    case LOAD_READ:
    case LOAD_WRITE:
        bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
        return (uint64_t)(((unsigned __int128)bench->random * blocks) >> 64);
    default:
        return bench->next++ % blocks;
    }
}

static uint32_t next_type(const struct bench *bench, const struct slot *slot)
{
    switch (bench->options->kind) {
    case LOAD_READ:
    case LOAD_SEQ_READ:
        return TYPE_IN;
    case LOAD_WRITE_FLUSH:
        return slot->flush ? TYPE_FLUSH : TYPE_OUT;
    default:
        return TYPE_OUT;
    }
}

/* Little-endian, as the wire has it. */
static void put_header(uint8_t *to, uint32_t type, uint64_t sector)
{
    for (unsigned i = 0; i < 8; i++) {
        to[i] = (uint8_t)(i < 4 ? type >> (8 * i) : 0);
        to[8 + i] = (uint8_t)(sector >> (8 * i));
    }
}

static int add(struct bench *bench, struct slot *slot, uint64_t now)
{
    uint32_t type = next_type(bench, slot), block = bench->options->block;
    struct tnd_seg segs[LOAD_SEGMENTS] = {
        { .gpa = slot->header, .bytes = HEADER },
        { .gpa = slot->data, .bytes = block, .write = type == TYPE_IN },
        { .gpa = slot->status, .bytes = 1, .write = true },
    };
    unsigned count = LOAD_SEGMENTS;

    put_header(slot->header_at, type,
               type == TYPE_FLUSH ? 0 : next_block(bench) * (block / SECTOR));
    *slot->status_at = STATUS_UNSET;
    if (type == TYPE_FLUSH) {
        segs[1] = segs[2];
        count = 2;
    }
    slot->begun = now;
    int head = tnd_add(bench->driver, slot->queue, segs, count, TND_DIRECT, slot);
    return head < 0 ? head : 0;
}

/* A pair of a write and its flush counts as one. */
static void finish(struct bench *bench, struct slot *slot, uint64_t now)
{
    if (*slot->status_at != 0) {
        bench->errors++;
    }
    if (bench->options->kind == LOAD_WRITE_FLUSH) {
        slot->flush = !slot->flush;
        if (slot->flush) {
            return;
        }
    }
    if (bench->measuring) {
        bench->done++;
        latency_add(&bench->latencies, now - slot->begun);
    }
}

/* Takes what is done in one queue and puts as much in again; how many that were, or an error. */
static int turn(struct bench *bench, unsigned queue)
{
    struct tnd_ring *ring = bench->driver->queues[queue].ring;
    struct tnd_used used;
    uint64_t now = 0;
    int count = 0;

    while (tnd_ring_take(ring, &used)) {
        if (!used.token) {
            return -EPROTO;
        }
        if (count++ % CLOCK_EVERY == 0) {
            now = now_ns();
        }
        finish(bench, used.token, now);
        int error = add(bench, used.token, now);
        if (error < 0) {
            return error;
        }
    }
    if (count > 0) {
        tnd_kick(bench->driver, queue);
    }
    return count;
}

/* ---- waiting ---- */

/* Sleeps until an interrupt of any queue comes, unless there is something already. */
static int sleep_for(struct bench *bench)
{
    struct tenon_driver *driver = bench->driver;
    unsigned queues = bench->options->queues;
    struct pollfd fds[TND_MAX_QUEUES];

    for (unsigned q = 0; q < queues; q++) {
        if (tnd_ring_irq_on(driver->queues[q].ring)) {
            return 0;
        }
        fds[q] = (struct pollfd){ .fd = driver->queues[q].call_fd, .events = POLLIN };
    }
    if (poll(fds, queues, SLEEP_MOST_MS) <= 0) {
        return -ETIMEDOUT;
    }
    for (unsigned q = 0; q < queues; q++) {
        if (fds[q].revents != 0) {
            tnd_irq_take(driver, q);
        }
    }
    return 0;
}

static int run_until(struct bench *bench, uint64_t end)
{
    unsigned queues = bench->options->queues;
    while (now_ns() < end) {
        int count = 0;
        for (unsigned q = 0; q < queues && count >= 0; q++) {
            int n = turn(bench, q);
            count = n < 0 ? n : count + n;
        }
        if (count < 0) {
            return count;
        }
        if (count == 0 && !bench->options->poll) {
            int error = sleep_for(bench);
            if (error < 0) {
                return error;
            }
        }
    }
    return 0;
}

/* ---- the whole ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return -errno;
    }
    return fd;
}

static int lay_out(struct bench *bench)
{
    bench->slot_count = bench->options->depth * bench->options->queues;
    bench->slots = calloc(bench->slot_count, sizeof(*bench->slots));
    if (!bench->slots) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < bench->slot_count; i++) {
        struct slot *slot = &bench->slots[i];
        slot->data = tnd_ram_alloc(bench->ram, bench->options->block);
        slot->header = tnd_ram_alloc(bench->ram, HEADER);
        slot->status = tnd_ram_alloc(bench->ram, 1);
        slot->header_at = tnd_ram_at(bench->ram, slot->header, HEADER);
        slot->status_at = tnd_ram_at(bench->ram, slot->status, 1);
        slot->queue = i % bench->options->queues;
        if (!slot->header_at || !slot->status_at ||
            !tnd_ram_at(bench->ram, slot->data, bench->options->block)) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int open_driver(struct bench *bench)
{
    const struct load_options *options = bench->options;
    struct tnd_place place = {
        .gpa = 0x100000,
        .bytes = (uint64_t)options->depth * options->queues * options->block * 2 + (16 << 20)
    };
    struct tnd_setup setup = { .queues = options->queues, .queue_size = options->ring };
    int fd = connect_to(options->socket);
    if (fd < 0) {
        return complain(fd, options->socket);
    }
    place.bytes = (place.bytes + 4095) & ~(uint64_t)4095;
    int error = tnd_ram_new(&place, 1, &bench->ram);
    if (error == 0) {
        error = tnd_vhost_new(bench->ram, fd, &bench->driver);
    }
    if (error == 0) {
        error = tnd_start(bench->driver, &setup);
    }
    if (error < 0) {
        return complain(error, "the back-end does not start");
    }
    return lay_out(bench);
}

static int begin(struct bench *bench)
{
    for (unsigned i = 0; i < bench->slot_count; i++) {
        int error = add(bench, &bench->slots[i], now_ns());
        if (error < 0) {
            return error;
        }
    }
    for (unsigned q = 0; q < bench->options->queues; q++) {
        if (bench->options->poll) {
            tnd_ring_irq_off(bench->driver->queues[q].ring);
        }
        tnd_kick(bench->driver, q);
    }
    return 0;
}

static void sums(const struct bench *bench, struct load_result *to)
{
    *to = (struct load_result){ .cpu_ns = cpu_ns(bench->options->pid),
                                .instructions = instructions_read(&bench->instructions),
                                .ns = now_ns() };
    for (unsigned q = 0; q < bench->options->queues; q++) {
        to->kicks += bench->driver->queues[q].kicks;
        to->interrupts += bench->driver->queues[q].irqs;
    }
}

/* The processor time of the back-end while nothing is asked of it; a tenth of it passes before. */
static double idle_percent(const struct load_options *options)
{
    if (options->idle_ms == 0) {
        return -1;
    }
    usleep(options->idle_ms * 100);
    uint64_t cpu = cpu_ns(options->pid), begin = now_ns();
    usleep(options->idle_ms * 1000);
    return (double)(cpu_ns(options->pid) - cpu) * 100 / (double)(now_ns() - begin);
}

static int measure(struct bench *bench, struct load_result *result)
{
    const struct load_options *options = bench->options;
    struct load_result before;
    int error = begin(bench);

    if (error == 0) {
        error = run_until(bench, now_ns() + options->warm_ms * 1000000ull);
    }
    instructions_open(&bench->instructions, options->pid); /* its threads run by now */
    sums(bench, &before);
    bench->measuring = true;
    if (error == 0) {
        error = run_until(bench, now_ns() + options->run_ms * 1000000ull);
    }
    bench->measuring = false;
    sums(bench, result);
    instructions_close(&bench->instructions);
    if (error < 0) {
        return complain(error, "the load");
    }
    result->ns -= before.ns;
    result->cpu_ns -= before.cpu_ns;
    result->instructions -= before.instructions;
    result->kicks -= before.kicks;
    result->interrupts -= before.interrupts;
    result->requests = bench->done;
    result->errors = bench->errors;
    result->p50_ns = latency_at(&bench->latencies, 50);
    result->idle_cpu_percent = idle_percent(options);
    result->p99_ns = latency_at(&bench->latencies, 99);
    return 0;
}

int load_run(const struct load_options *options, struct load_result *result)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    cpu_set_t cpus;

    if (!bench) {
        return complain(ENOMEM, "the load");
    }
    CPU_ZERO(&cpus);
    if (options->cpu >= 0) {
        CPU_SET(options->cpu, &cpus);
        if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
            complain(errno, "--cpu"); /* it goes on, elsewhere */
        }
    }
    bench->options = options;
    bench->random = 0x9e3779b97f4a7c15u;
    int error = open_driver(bench);
    if (error == 0) {
        error = measure(bench, result);
    }
    tnd_free(bench->driver); /* what is in flight ends with the connection */
    tnd_ram_free(bench->ram);
    free(bench->slots);
    free(bench);
    return error;
}
