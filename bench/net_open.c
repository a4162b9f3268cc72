/*
 * net_open.c: what a measurement needs: one or two drivers, and the peer of a link.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_load.h"
#include "spec/vhost_user.h"
#include "spec/virtio.h"
#include "spec/virtio_net.h"

enum { CONNECT_ROUNDS = 400, READY_US = 200000 };

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    for (unsigned i = 0; i < CONNECT_ROUNDS; i++) {
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            return fd < 0 ? -errno : fd;
        }
        usleep(5000);
    }
    return -ECONNREFUSED;
}

static uint64_t bit(unsigned feature)
{
    return UINT64_C(1) << feature;
}

static int open_end(struct net_bench *bench, struct net_end *end, const char *socket,
                    const uint8_t *frame)
{
    const struct net_options *options = bench->options;
    uint32_t frame_room = NET_HEADER + options->bytes;
    /* For whatever may come, as drivers do. */
    uint32_t room = options->bytes > NET_ORDINARY ? frame_room : NET_HEADER + NET_ORDINARY;
    struct tnd_place place = { .gpa = 0x100000 };
    struct tnd_setup setup = {
        .queues = 2, .queue_size = options->ring, .pairs = true, .mem_table = true
    };
    int fd = connect_to(socket), r;

    /* Without a control queue nothing is filtered. */
    setup.without[0] = bit(TN_NET_F_CTRL_VQ) | bit(TN_NET_F_CTRL_RX) | bit(TN_NET_F_CTRL_VLAN) |
                       bit(TN_NET_F_CTRL_RX_EXTRA) | bit(TN_NET_F_GUEST_ANNOUNCE) |
                       bit(TN_NET_F_MQ) | bit(TN_NET_F_CTRL_MAC_ADDR) |
                       bit(TN_NET_F_CTRL_GUEST_OFFLOADS) | bit(TN_NET_F_NOTF_COAL) |
                       bit(TN_NET_F_VQ_NOTF_COAL) | bit(TN_NET_F_RSS) | bit(TN_NET_F_HASH_REPORT) |
                       bit(TN_F_RING_PACKED) | bit(TN_F_IN_ORDER);
    if (!options->tso) {
        setup.without[0] |= bit(TN_NET_F_GUEST_TSO4) | bit(TN_NET_F_GUEST_TSO6) |
                            bit(TN_NET_F_GUEST_ECN) | bit(TN_NET_F_GUEST_UFO) |
                            bit(TN_NET_F_GUEST_USO4) | bit(TN_NET_F_GUEST_USO6) |
                            bit(TN_NET_F_GUEST_CSUM);
    }
    if (fd < 0) {
        return fd;
    }
    place.bytes = ((uint64_t)options->ring * (room + 64) * 2 + (16 << 20)) & ~(uint64_t)4095;
    r = tnd_ram_new(&place, 1, &end->ram);
    if (r == 0) {
        r = tnd_vhost_new(end->ram, fd, &end->driver);
    }
    if (r == 0) {
        /* As QEMU speaks to a network back-end: no record of what is in flight. */
        tnd_vhost_protocol(end->driver, 1u << TN_VU_PF_MQ | 1u << TN_VU_PF_REPLY_ACK |
                                            1u << TN_VU_PF_CONFIG | 1u << TN_VU_PF_STATUS);
        r = tnd_start(end->driver, &setup);
    }
    if (r == 0) {
        r = net_ring_open(&end->rings[NET_RX], end->driver, tnd_net_rx(0), room, NULL);
    }
    if (r == 0) {
        r = net_ring_open(&end->rings[NET_TX], end->driver, tnd_net_tx(0), frame_room, frame);
    }
    end->rings[NET_RX].used_bytes = frame_room;
    end->open = r == 0;
    return r;
}

/*
 * A link that comes up later loses what is sent before; and not every back-end says when it is up.
 */
static int await_carrier(struct net_bench *bench)
{
    usleep(READY_US);
    for (unsigned i = 0; i < CONNECT_ROUNDS; i++) {
        bool up = true;
        for (unsigned e = 0; e < bench->options->socket_count; e++) {
            struct tenon_driver *driver = bench->ends[e].driver;
            struct tnd_net_config config;
            if (driver && tnd_has(driver, TN_NET_F_STATUS) &&
                tnd_net_config(driver, &config) == 0) {
                up &= (config.status & TN_NET_S_LINK_UP) != 0;
            }
        }
        if (up) {
            return 0;
        }
        usleep(5000);
    }
    return -ENETDOWN;
}

int net_open_all(struct net_bench *bench)
{
    const struct net_options *options = bench->options;
    uint8_t *frame = net_frame_make(options);
    int r = frame ? 0 : -ENOMEM;

    if (r == 0 && options->peer) {
        r = net_peer_open(&bench->peer, options, frame);
    }
    for (unsigned i = 0; i < options->socket_count && r == 0; i++) {
        r = open_end(bench, &bench->ends[i], options->sockets[i], frame);
    }
    free(frame);
    return r == 0 ? await_carrier(bench) : r;
}

void net_close_all(struct net_bench *bench)
{
    for (unsigned i = 0; i < bench->options->socket_count; i++) {
        struct net_end *end = &bench->ends[i];
        tnd_free(end->driver);
        tnd_ram_free(end->ram);
        net_ring_close(&end->rings[NET_RX]);
        net_ring_close(&end->rings[NET_TX]);
    }
    if (bench->options->peer) {
        net_peer_close(&bench->peer);
    }
}
