/*
 * kill9.c: the daemon dies at random moments under a guest with many requests in flight, and the
 * next one takes over with the record of what was in flight (VU-73..77).
 *
 *   kill9 TENON [ROUNDS [SEED]]     TAP; the seed of a run is printed, and gives the same traffic
 *
 * Both engines; once by SIGKILL, once by SIGTERM (then all that the daemon had taken is answered
 * before it ends). Each request is answered exactly once, and nothing answered is lost.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kill9.h"
#include "spec/vhost_user.h"

struct run {
    struct victim victim;
    struct traffic traffic;
    struct tnd_ram *ram;
    uint64_t taken;   /* requests that dead daemons had taken and not answered */
    uint64_t waiting; /* requests in flight at the deaths */
    unsigned deaths_in_handshake;
};

/* How many requests the record of a dead daemon names, all queues together. */
static unsigned recorded(struct run *run)
{
    size_t bytes, queue_bytes;
    const uint8_t *map = tnd_vhost_inflight(run->traffic.driver, &bytes);
    unsigned n = 0;

    queue_bytes = bytes / QUEUES;
    for (unsigned q = 0; map && q < QUEUES; q++) {
        const struct tn_inflight_split *part =
            (const struct tn_inflight_split *)(const void *)(map + q * queue_bytes);
        /* Used entries whose index moved and that were not yet struck off do not count. */
        bool clean = part->used_idx == tnd_raw_used_idx(run->traffic.driver->queues[q].ring);
        for (unsigned i = 0; clean && i < RING; i++) {
            n += part->desc[i].inflight;
        }
    }
    return n;
}

static bool begin(struct run *run, const char *program, const char *engine, uint64_t seed)
{
    static const struct tnd_place place = { 0x100000, 32 << 20 };
    struct tnd_setup setup = { .queues = QUEUES, .queue_size = RING };

    memset(run, 0, sizeof(*run));
    run->traffic.random = seed;
    victim_prepare(&run->victim, program, engine);
    int fd = victim_start(&run->victim);
    int error = fd < 0 ? fd : tnd_ram_new(&place, 1, &run->ram);
    if (!error) {
        error = tnd_vhost_new(run->ram, fd, &run->traffic.driver);
    }
    if (!error) {
        run->traffic.driver->timeout_ms = 60000;
        error = tnd_start(run->traffic.driver, &setup);
    }
    if (error) {
        traffic_wrong(&run->traffic, "the first daemon does not start: %s", strerror(-error));
    } else if (!tnd_vhost_has_protocol(run->traffic.driver, TN_VU_PF_INFLIGHT_SHMFD)) {
        traffic_wrong(&run->traffic, "the daemon does not offer INFLIGHT_SHMFD");
    }
    return !run->traffic.wrong[0];
}

static void end(struct run *run)
{
    victim_clean(&run->victim);
    for (unsigned q = 0; run->traffic.driver && q < QUEUES; q++) {
        for (unsigned i = 0; i < DEPTH; i++) {
            if (run->traffic.requests[q][i].used && !run->traffic.requests[q][i].blk.done) {
                tnd_blk_forget(run->traffic.driver, &run->traffic.requests[q][i].blk);
            }
        }
    }
    tnd_free(run->traffic.driver);
    tnd_ram_free(run->ram);
}

/* Bursts until the moment has come: by the clock of another thread, or right after a burst. */
static void storm(struct run *run, int signal)
{
    struct traffic *t = &run->traffic;
    bool by_clock = traffic_random(t, 2) == 0;
    /* By the clock: how many more after the signal, for the guest does not know. */
    uint64_t bursts = by_clock ? traffic_random(t, 6) : 1 + traffic_random(t, 60);

    if (by_clock) {
        victim_doom(&run->victim, signal, (unsigned)traffic_random(t, 20000));
    }
    while (bursts != 0) {
        bursts -= !by_clock || victim_is_hit(&run->victim);
        unsigned queue = (unsigned)traffic_random(t, QUEUES);
        traffic_burst(t, queue, 1 + (unsigned)traffic_random(t, DEPTH), true);
        if (traffic_random(t, 3) != 0) {
            traffic_reap(t);
        }
    }
    if (!by_clock) {
        victim_kill(&run->victim, signal);
    }
}

/* Starts a daemon and hands everything to it. 0, or what went wrong (it may have been killed). */
static int take_over(struct run *run)
{
    int fd = victim_start(&run->victim);

    if (fd < 0) {
        return fd;
    }
    tnd_vhost_reconnect(run->traffic.driver, fd);
    if (traffic_random(&run->traffic, 4) == 0) {
        victim_doom(&run->victim, SIGKILL, (unsigned)traffic_random(&run->traffic, 3000));
        run->deaths_in_handshake++;
        (void)tnd_vhost_resume(run->traffic.driver); /* it may or may not get there */
        victim_wait(&run->victim);
        return take_over(run);
    }
    return tnd_vhost_resume(run->traffic.driver);
}

static void judge_end(struct run *run, int signal, int status)
{
    unsigned left = recorded(run);

    run->taken += left;
    run->waiting += traffic_in_flight(&run->traffic);
    if (signal == SIGKILL) {
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
            traffic_wrong(&run->traffic, "the daemon ended by itself, status 0x%x",
                          (unsigned)status);
        }
        return;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        traffic_wrong(&run->traffic, "SIGTERM: the daemon ended with status 0x%x",
                      (unsigned)status);
    }
    if (left != 0) {
        traffic_wrong(&run->traffic, "SIGTERM: %u requests were taken and not answered", left);
    }
}

static bool one_round(struct run *run, int signal)
{
    struct traffic *t = &run->traffic;

    storm(run, signal);
    int status = victim_wait(&run->victim);
    judge_end(run, signal, status);
    traffic_reap(t);
    /* The guest goes on while there is no daemon. */
    if (traffic_random(t, 2) == 0) {
        traffic_burst(t, (unsigned)traffic_random(t, QUEUES), DEPTH, traffic_random(t, 2) == 0);
    }
    int error = take_over(run);
    if (error) {
        traffic_wrong(t, "the next daemon does not take over: %s", strerror(-error));
    }
    if (t->wrong[0]) {
        return false;
    }
    /* Sometimes it has to stand more before it has answered the old. */
    if (traffic_random(t, 3) == 0) {
        return true;
    }
    return traffic_settle(t) && traffic_check_image(t, run->victim.image);
}

static bool last_words(struct run *run)
{
    struct traffic *t = &run->traffic;

    if (!traffic_settle(t)) {
        return false;
    }
    tnd_settle(t->driver, 50); /* an answer too many would come now */
    traffic_reap(t);
    for (unsigned q = 0; q < QUEUES; q++) {
        if (tnd_broken(t->driver, q)) {
            traffic_wrong(t, "queue %u was declared broken", q);
        }
    }
    return traffic_check_image(t, run->victim.image);
}

static bool run_case(unsigned number, const char *program, const char *engine, int signal,
                     unsigned rounds, uint64_t seed)
{
    static struct run run;
    const char *how = signal == SIGKILL ? "kill -9" : "SIGTERM";
    unsigned i = 0;

    bool good = begin(&run, program, engine, seed);
    for (; good && i < rounds; i++) {
        good = one_round(&run, signal);
    }
    good = good && last_words(&run);
    printf("%s %u - %s, engine %s, %u rounds: each request answered once, nothing lost\n",
           good ? "ok" : "not ok", number, how, engine, rounds);
    printf("# %llu requests (%llu writes, %llu reads, %llu flushes); at the deaths %llu waited for "
           "an answer, %llu of them taken; %u more deaths in the handshake\n",
           (unsigned long long)run.traffic.done, (unsigned long long)run.traffic.writes,
           (unsigned long long)run.traffic.reads, (unsigned long long)run.traffic.flushes,
           (unsigned long long)run.waiting, (unsigned long long)run.taken, run.deaths_in_handshake);
    if (!good) {
        printf("# round %u, seed %llu: %s\n", i, (unsigned long long)seed, run.traffic.wrong);
    }
    fflush(stdout);
    end(&run);
    return good;
}

int main(int argc, char **argv)
{
    static const char *const engines[] = { "inline", "threads" };
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 20;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : tnd_now_ms();
    unsigned number = 0;
    bool good = true;

    if (argc < 2 || rounds == 0) {
        fprintf(stderr, "usage: kill9 TENON [ROUNDS [SEED]]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    printf("1..4\n# seed %llu\n", (unsigned long long)seed);
    for (unsigned e = 0; e < 2; e++) {
        good &= run_case(number + 1, argv[1], engines[e], SIGKILL, rounds, seed + number);
        good &=
            run_case(number + 2, argv[1], engines[e], SIGTERM, (rounds + 3) / 4, ~seed + number);
        number += 2;
    }
    return good ? 0 : 1;
}
