/*
 * net_run.c: one measurement of a network device: drivers over vhost-user and, where the device has
 * a link, the peer behind it, all on one thread, which sleeps for interrupts as guests do.
 *
 *   one way, both ways   driver A <--> two devices back to back <--> driver B
 *   in, out, lone        driver A <--> a device and its link    <--> the peer
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net_load.h"

enum { SLEEP_MOST_MS = 10000, DRAIN_MS = 100 };

uint64_t net_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int net_bind_cpu(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    if (cpu < 0) {
        return 0;
    }
    CPU_SET(cpu, &cpus);
    return sched_setaffinity(0, sizeof(cpus), &cpus) == 0 ? 0 : -errno;
}

static uint64_t cpu_ns(pid_t pid)
{
    struct timespec t = { 0 };
    clockid_t clock;

    if (pid > 0 && clock_getcpuclockid(pid, &clock) == 0) {
        clock_gettime(clock, &t);
    }
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- a flood ---- */

static bool counts_by_itself(const struct net_bench *bench)
{
    return bench->options->kind == NET_OUT && bench->peer.kind == NET_PEER_TAP;
}

static int peer_receive(struct net_bench *bench)
{
    int got = net_peer_receive(&bench->peer);

    bench->received += got > 0 ? (unsigned)got : 0;
    return got;
}

/* One step of everybody; whether anything was done, or a negative errno. */
static int pass(struct net_bench *bench, bool sending)
{
    const struct net_options *options = bench->options;
    bool peer_sends = options->kind == NET_IN;
    unsigned done = 0;
    int r = 0;

    for (unsigned i = 0; i < bench->options->socket_count; i++) {
        struct net_end *end = &bench->ends[i];
        bool sends = options->kind == NET_BOTH_WAYS || (i % 2 == 0 && options->kind != NET_IN);
        if (end->open && sends) {
            unsigned n = net_ring_send(&end->rings[NET_TX], sending ? NET_BATCH : 0);
            bench->sent += n;
            done += n;
        }
        if (end->open) {
            unsigned n = net_ring_receive(&end->rings[NET_RX], NET_BATCH);
            bench->received += n;
            done += n;
        }
    }
    if (options->peer && peer_sends && sending) {
        r = net_peer_send(&bench->peer, NET_BATCH);
        bench->sent += r > 0 ? (unsigned)r : 0;
    } else if (options->peer && !peer_sends && !counts_by_itself(bench)) {
        r = peer_receive(bench);
    }
    return r < 0 ? r : (int)done + r;
}

/*
 * As Linux, which stops when a packet of many pieces would find no room, and wants to be told when
 * more than three quarters of those under way are done (virtqueue_enable_cb_delayed).
 */
static uint16_t most_of(uint16_t flying)
{
    enum { PIECES = 19 };

    return flying > PIECES ? (uint16_t)((flying - PIECES) * 3u / 4) : 0;
}

/* Until somebody has something to do. */
static int nap(struct net_bench *bench, bool sending, int most_ms)
{
    struct pollfd fds[2 * NET_ENDS + 1];
    struct net_ring *rings[2 * NET_ENDS];
    unsigned count = 0, all;
    bool now = false;

    for (unsigned i = 0; i < bench->options->socket_count; i++) {
        struct net_end *end = &bench->ends[i];
        for (unsigned q = 0; q < 2 && end->open; q++) {
            struct net_ring *ring = &end->rings[q];
            uint16_t after = q == NET_TX ? most_of(net_ring_flying(ring)) : 0;
            if (q == NET_TX && net_ring_flying(ring) == 0) {
                continue;
            }
            now |= net_ring_wait(ring, after);
            rings[count] = ring;
            fds[count++] = (struct pollfd){ .fd = net_ring_fd(ring), .events = POLLIN };
        }
    }
    all = count;
    if (bench->options->peer && !counts_by_itself(bench)) {
        bool out = bench->options->kind == NET_IN;
        if (!out || sending) {
            fds[all++] = (struct pollfd){ .fd = bench->peer.fd, .events = out ? POLLOUT : POLLIN };
        }
    }
    /* Where the kernel counts for us, nobody wakes us. */
    int r = now || all == 0 ? 1 : poll(fds, all, most_ms);
    if (all == 0) {
        usleep(1000);
    }
    for (unsigned i = 0; i < count; i++) {
        if (!now && fds[i].revents != 0) {
            net_ring_drain(rings[i]);
        }
        net_ring_no_wait(rings[i]);
    }
    return r;
}

static int flood_until(struct net_bench *bench, uint64_t end)
{
    while (net_now() < end) {
        int r = 0;
        for (unsigned i = 0; i < 16 && r >= 0; i++) {
            r = pass(bench, true);
            if (r == 0) {
                break;
            }
        }
        if (r == 0 && !bench->options->poll) {
            r = nap(bench, true, SLEEP_MOST_MS) > 0 ? 0 : -ETIMEDOUT;
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* What is under way arrives, unless it is lost. */
static void drain(struct net_bench *bench)
{
    for (;;) {
        int r = pass(bench, false);
        if (r < 0 || (r == 0 && nap(bench, false, DRAIN_MS) <= 0)) {
            break;
        }
    }
    if (counts_by_itself(bench)) {
        peer_receive(bench);
    }
}

/* ---- a lone frame ---- */

static int await_ring(struct net_bench *bench, struct net_ring *ring)
{
    while (net_ring_receive(ring, 1) == 0) {
        struct pollfd fd = { .fd = net_ring_fd(ring), .events = POLLIN };
        if (bench->options->poll || net_ring_wait(ring, 0)) {
            continue;
        }
        if (poll(&fd, 1, SLEEP_MOST_MS) <= 0) {
            return -ETIMEDOUT;
        }
        net_ring_drain(ring);
        net_ring_no_wait(ring);
    }
    return 0;
}

static int await_peer(struct net_bench *bench)
{
    for (;;) {
        struct pollfd fd = { .fd = bench->peer.fd, .events = POLLIN };
        int r = net_peer_receive(&bench->peer);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
        if (!bench->options->poll && poll(&fd, 1, SLEEP_MOST_MS) <= 0) {
            return -ETIMEDOUT;
        }
    }
}

static int there_and_back(struct net_bench *bench)
{
    struct net_end *a = &bench->ends[0], *b = &bench->ends[1];
    int r;

    net_ring_send(&a->rings[NET_TX], 1);
    if (bench->options->peer) {
        r = await_peer(bench);
        if (r == 0) {
            r = net_peer_send(&bench->peer, 1);
        }
    } else {
        r = await_ring(bench, &b->rings[NET_RX]);
        net_ring_send(&b->rings[NET_TX], 1);
    }
    return r < 0 ? r : await_ring(bench, &a->rings[NET_RX]);
}

static int lone_until(struct net_bench *bench, uint64_t end)
{
    uint64_t begun = net_now();

    while (begun < end) {
        int r = there_and_back(bench);
        uint64_t now = net_now();
        if (r < 0) {
            return r;
        }
        latency_add(&bench->latencies, now - begun);
        bench->sent++;
        bench->received++;
        begun = now;
    }
    return 0;
}

/* ---- the whole ---- */

static int run_until(struct net_bench *bench, uint64_t end)
{
    return bench->options->kind == NET_LONE ? lone_until(bench, end) : flood_until(bench, end);
}

static void sums(struct net_bench *bench, struct net_result *to)
{
    *to = (struct net_result){ 0 };
    if (counts_by_itself(bench)) {
        peer_receive(bench);
    }
    for (unsigned i = 0; i < 2 * bench->options->socket_count; i++) {
        struct net_ring *ring = &bench->ends[i / 2].rings[i % 2];
        if (bench->ends[i / 2].open) {
            net_ring_drain(ring);
            to->kicks += ring->kicks;
            to->interrupts += ring->interrupts;
            to->errors += ring->errors;
        }
    }
    /* With a bare loop in the device's place the peer sees one side only. */
    to->frames =
        bench->options->bare && bench->options->kind == NET_IN ? bench->sent : bench->received;
    to->cpu_ns = cpu_ns(bench->options->pid);
    to->ns = net_now();
}

static int measure(struct net_bench *bench, struct net_result *result)
{
    const struct net_options *options = bench->options;
    struct net_result before;
    int r = run_until(bench, net_now() + options->warm_ms * 1000000ull);

    memset(&bench->latencies, 0, sizeof(bench->latencies));
    sums(bench, &before);
    if (r == 0) {
        r = run_until(bench, net_now() + options->run_ms * 1000000ull);
    }
    sums(bench, result);
    if (r < 0) {
        return r;
    }
    result->ns -= before.ns;
    result->cpu_ns -= before.cpu_ns;
    result->kicks -= before.kicks;
    result->interrupts -= before.interrupts;
    result->frames -= before.frames;
    result->p50_ns = latency_at(&bench->latencies, 50);
    result->p99_ns = latency_at(&bench->latencies, 99);
    if (options->kind != NET_LONE && !options->bare) {
        drain(bench);
    }
    result->sent = bench->sent;
    result->lost =
        options->bare || bench->sent < bench->received ? 0 : bench->sent - bench->received;
    return 0;
}

int net_run(const struct net_options *options, struct net_result *result)
{
    struct net_bench *bench = calloc(1, sizeof(*bench));
    int r;

    if (!bench) {
        return -ENOMEM;
    }
    bench->options = options;
    bench->peer.fd = -1;
    net_bind_cpu(options->cpu);
    r = net_open_all(bench);
    if (r == 0) {
        r = measure(bench, result);
    }
    net_close_all(bench);
    free(bench);
    return r;
}
