/*
 * Frames from each of two DPDK ports to the other, through whatever is between them: each must
 * arrive whole, once and in order. Both ports are virtio-user's, a driver that polls and has no
 * line of Linux's. What a frame holds follows from its number and its port, so that it can be made
 * again where it arrives. The ports come with EAL's options (--vdev), before "--":
 *
 *     dpdk_frames EAL-OPTION... -- frames=N longest=BYTES window=FRAMES
 *
 * One thread does all. No Tenon code is in here: this is a peer. See test_dpdk.sh.
 */
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BURST = 32,
    RING = 256,
    MBUFS = 4096,
    SHORTEST = 60,
    LONGEST = 9000,
    ETHER_TYPE = 0x88b5, /* for local experiments: what else is on the link has another */
    QUIET_SECONDS = 20,  /* so long without a frame means that one is lost */
};

struct frame_head {
    uint8_t to[6];
    uint8_t from[6];
    uint16_t type;
    uint16_t length;
    uint64_t number;
} __attribute__((packed));

struct port {
    uint16_t id;
    uint64_t sent;    /* frames from here that the driver took */
    uint64_t arrived; /* frames here, which is the number that comes next, too */
    uint64_t bytes;   /* of them */
    uint64_t strangers;
    uint64_t full; /* bursts of which the driver did not take all */
    struct rte_mbuf *waiting[BURST];
    uint16_t first; /* of those that wait to be sent */
    uint16_t count;
};

struct run {
    uint64_t frames;
    uint64_t window; /* frames on their way at most; 0: as many as fit */
    uint32_t longest;
    struct rte_mempool *pool;
    struct port ports[2];
    uint8_t made[LONGEST + sizeof(uint64_t)];
    uint8_t got[LONGEST];
};

/* splitmix64: numbers that look random, each from its place alone. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Makes frame `number` from `port` in run->made; returns its length. */
static uint32_t make_frame(struct run *run, const struct port *port, uint64_t number)
{
    uint64_t seed = mix(number * 2 + port->id);
    uint32_t length = SHORTEST + (uint32_t)(seed % (run->longest - SHORTEST + 1));
    if (number % 64 == 0) {
        length = number % 128 == 0 ? SHORTEST : run->longest;
    }
    struct frame_head head = {
        .to = { 0x02, 0, 0, 0, 0, (uint8_t)(port->id ^ 1) },
        .from = { 0x02, 0, 0, 0, 0, (uint8_t)port->id },
        .type = htons(ETHER_TYPE),
        .length = (uint16_t)length,
        .number = number,
    };
    memcpy(run->made, &head, sizeof(head));
    for (uint32_t at = sizeof(head); at < length; at += sizeof(seed)) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memcpy(run->made + at, &seed, sizeof(seed));
    }
    return length;
}

/* The frame in run->made as buffers of DPDK's: several if it is longer than one. */
static struct rte_mbuf *to_buffers(struct run *run, uint32_t length)
{
    struct rte_mbuf *whole = NULL;
    for (uint32_t at = 0; at < length;) {
        struct rte_mbuf *part = rte_pktmbuf_alloc(run->pool);
        if (part == NULL) {
            rte_pktmbuf_free(whole);
            return NULL;
        }
        uint32_t size = RTE_MIN(length - at, (uint32_t)rte_pktmbuf_tailroom(part));
        memcpy(rte_pktmbuf_append(part, (uint16_t)size), run->made + at, size);
        at += size;
        if (whole == NULL) {
            whole = part;
        } else if (rte_pktmbuf_chain(whole, part) != 0) {
            rte_exit(2, "a frame has too many segments\n");
        }
    }
    return whole;
}

static bool send_some(struct run *run, struct port *port, const struct port *other)
{
    if (port->count == 0) {
        uint64_t left = run->frames - port->sent;
        uint64_t on_the_way = port->sent - other->arrived;
        if (run->window != 0) {
            left = RTE_MIN(left, run->window - RTE_MIN(on_the_way, run->window));
        }
        port->first = 0;
        while (port->count < RTE_MIN(left, (uint64_t)BURST)) {
            uint32_t length = make_frame(run, port, port->sent + port->count);
            struct rte_mbuf *frame = to_buffers(run, length);
            if (frame == NULL) {
                break; /* all of them are on their way */
            }
            port->waiting[port->count++] = frame;
        }
    }
    if (port->count == 0) {
        return false;
    }
    uint16_t taken = rte_eth_tx_burst(port->id, 0, port->waiting + port->first, port->count);
    port->full += taken < port->count;
    port->first += taken;
    port->count -= taken;
    port->sent += taken;
    return taken > 0;
}

static void check_frame(struct run *run, struct port *port, const struct port *other,
                        const struct rte_mbuf *frame)
{
    uint32_t length = rte_pktmbuf_pkt_len(frame);
    struct frame_head head = { 0 };
    const uint8_t *got =
        length > sizeof(run->got) ? NULL : rte_pktmbuf_read(frame, 0, length, run->got);
    if (got == NULL) {
        rte_exit(1, "port %u: a frame of %u bytes came, which nobody sent\n", port->id, length);
    }
    memcpy(&head, got, RTE_MIN(length, sizeof(head)));
    if (length < sizeof(head) || head.type != htons(ETHER_TYPE)) {
        port->strangers++;
        return;
    }
    if (head.number != port->arrived) {
        rte_exit(1, "port %u: frame %" PRIu64 " came instead of %" PRIu64 "\n", port->id,
                 head.number, port->arrived);
    }
    uint32_t expected = make_frame(run, other, port->arrived);
    if (length != expected || memcmp(got, run->made, length) != 0) {
        rte_exit(1, "port %u: frame %" PRIu64 " came changed, %u bytes instead of %u\n", port->id,
                 head.number, length, expected);
    }
    port->arrived++;
    port->bytes += length;
}

static bool receive_some(struct run *run, struct port *port, const struct port *other)
{
    struct rte_mbuf *frames[BURST];
    uint16_t count = rte_eth_rx_burst(port->id, 0, frames, BURST);
    for (uint16_t i = 0; i < count; i++) {
        check_frame(run, port, other, frames[i]);
        rte_pktmbuf_free(frames[i]);
    }
    return count > 0;
}

static void open_port(struct run *run, struct port *port)
{
    struct rte_eth_conf conf = { 0 };
    struct rte_eth_dev_info info;
    int status = rte_eth_dev_info_get(port->id, &info);
    conf.rxmode.mtu = RTE_MAX(run->longest, 1514u) - RTE_ETHER_HDR_LEN;
    conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    if (status != 0 || (status = rte_eth_dev_configure(port->id, 1, 1, &conf)) != 0 ||
        (status = rte_eth_rx_queue_setup(port->id, 0, RING, SOCKET_ID_ANY, NULL, run->pool)) != 0 ||
        (status = rte_eth_tx_queue_setup(port->id, 0, RING, SOCKET_ID_ANY, NULL)) != 0 ||
        (status = rte_eth_dev_start(port->id)) != 0) {
        rte_exit(2, "port %u does not start: %s\n", port->id, strerror(-status));
    }
}

/* Waits for both carriers: a link that has just been made may lose what comes earlier. */
static void wait_for_carrier(const struct run *run)
{
    for (int turns = 0; turns < QUIET_SECONDS * 100; turns++) {
        struct rte_eth_link link[2] = { 0 };
        rte_eth_link_get_nowait(run->ports[0].id, &link[0]);
        rte_eth_link_get_nowait(run->ports[1].id, &link[1]);
        if (link[0].link_status != 0 && link[1].link_status != 0) {
            return;
        }
        rte_delay_us_sleep(10000);
    }
    rte_exit(1, "the ports have no carrier after %d seconds\n", QUIET_SECONDS);
}

static void exchange(struct run *run)
{
    struct port *a = &run->ports[0];
    struct port *b = &run->ports[1];
    uint64_t last = rte_get_timer_cycles();
    while (a->arrived < run->frames || b->arrived < run->frames) {
        bool moved = send_some(run, a, b);
        moved |= send_some(run, b, a);
        moved |= receive_some(run, a, b);
        moved |= receive_some(run, b, a);
        uint64_t now = rte_get_timer_cycles();
        if (moved) {
            last = now;
        } else if (now - last > QUIET_SECONDS * rte_get_timer_hz()) {
            rte_exit(1,
                     "no frame for %d seconds: port 0 sent %" PRIu64 " and got %" PRIu64
                     ", port 1 sent %" PRIu64 " and got %" PRIu64 "\n",
                     QUIET_SECONDS, a->sent, a->arrived, b->sent, b->arrived);
        }
    }
    /* One that is there twice comes after the last. */
    rte_delay_us_sleep(100000);
    receive_some(run, a, b);
    receive_some(run, b, a);
    if (a->arrived + b->arrived != 2 * run->frames) {
        rte_exit(1, "more frames came than were sent\n");
    }
}

int main(int argc, char **argv)
{
    static struct run run = { .frames = 1000000, .longest = 1514 };
    int used = rte_eal_init(argc, argv);
    if (used < 0 || rte_eth_dev_count_avail() != 2) {
        rte_exit(2, "two ports are needed: --vdev=net_virtio_user0,path=... and another\n");
    }
    for (int i = used + 1; i < argc; i++) {
        if (sscanf(argv[i], "frames=%" SCNu64, &run.frames) != 1 &&
            sscanf(argv[i], "window=%" SCNu64, &run.window) != 1 &&
            (sscanf(argv[i], "longest=%" SCNu32, &run.longest) != 1 || run.longest < SHORTEST ||
             run.longest > LONGEST)) {
            rte_exit(2, "what is '%s'? frames=N longest=%d..%d window=N\n", argv[i], SHORTEST,
                     LONGEST);
        }
    }
    run.pool =
        rte_pktmbuf_pool_create("frames", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (run.pool == NULL) {
        rte_exit(2, "no memory for %d buffers\n", MBUFS);
    }
    for (uint16_t i = 0; i < 2; i++) {
        run.ports[i].id = i;
        open_port(&run, &run.ports[i]);
    }
    wait_for_carrier(&run);
    uint64_t start = rte_get_timer_cycles();
    exchange(&run);
    double seconds = (double)(rte_get_timer_cycles() - start) / (double)rte_get_timer_hz() - 0.1;
    printf("each way %" PRIu64 " frames, %" PRIu64 " bytes in all, in %.2f s;"
           " bursts that did not fit %" PRIu64 ", strangers %" PRIu64 "\n",
           run.frames, run.ports[0].bytes + run.ports[1].bytes, seconds,
           run.ports[0].full + run.ports[1].full, run.ports[0].strangers + run.ports[1].strangers);
    return 0;
}
