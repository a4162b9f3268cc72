/*
 * net_rig.h: a network device under test, over a link that the test has in its hands (fake_link.h).
 *
 *   {mmio, vhost-user} x {inline-fill, inline-lend, threads-fill, threads-lend} x {epoll, poll}
 *
 * fill: the link reads frames straight into what it is given; lend: it shows what it has
 * inline, threads: as in harness.h, whose rig this is, with another device on it
 */
#ifndef TENON_TEST_NET_RIG_H
#define TENON_TEST_NET_RIG_H

#include <tenon/net.h>

#include "fake_link.h"
#include "harness.h"
#include "spec/virtio_net.h"
#include "tenon_driver_net.h"

struct net_options {
    struct tenon_net_opts net; /* link and workers are the rig's; the name is "net" */
    struct tenon_link_info info;
    struct tnd_setup setup; /* queues 0: all that were negotiated */
    bool no_start;
    void (*irq)(void *rig, int level); /* as in rig_options */
};

/* Fails the test when anything goes wrong. `options` may be NULL. */
struct rig *net_rig_new(void **state, const struct net_options *options);
/* Once more after a reset, with the same setup. */
void net_rig_start(struct rig *rig, const struct net_options *options);
/* rig_main over the combinations above. */
int net_rig_main(int argc, char **argv, const struct rig_case *cases, unsigned count);

/* The address of every rig's device. */
extern const uint8_t net_mac[6];

/*
 * A buffer that holds the longest frame of an MTU of 1500, with tags and header: what a device over
 * a link that fills waits for, where buffers are mergeable.
 */
enum { NET_ROOM = 1600, NET_SMALLEST = 14, NET_PLAIN = 60, NET_FULL = 1514 };

/*
 * A frame to the device, or from it, of `bytes` (14 at least): its content depends on `number` and
 * on the place, and begins behind the Ethernet header with the number, as far as it fits.
 */
void net_frame(uint8_t *frame, uint32_t bytes, uint32_t number, bool to_device);
/* Fails when these bytes are not that frame. */
void net_check_frame(const uint8_t *frame, uint32_t bytes, uint32_t want_bytes, uint32_t number,
                     bool to_device);
/* The number that stands in a frame. */
uint32_t net_number(const uint8_t *frame);

/* The link has such a frame for the device. */
void net_deliver(struct rig *rig, unsigned pair, uint32_t bytes, uint32_t number);
/* Waits for the next frame and fails when it is not this one, plain and whole, and nothing else. */
void net_expect(struct rig *rig, unsigned pair, uint32_t bytes, uint32_t number);
/* Sends such a frame and waits until it is done. */
void net_transmit(struct rig *rig, unsigned pair, uint32_t bytes, uint32_t number);
/* Waits until the link has got so many in all, and fails when it got more. */
void net_await_sent(struct rig *rig, unsigned count);
/* The next one that was sent is this one. */
void net_expect_sent(struct rig *rig, uint32_t bytes, uint32_t number);
/* Waits until the link has no frame that waits. */
void net_await_received(struct rig *rig, unsigned pair);
/* Waits until a counter of a queue is at least so large; then it is exactly so large. */
void net_await_stat(struct rig *rig, const char *name, int queue, uint64_t value);
/* A frame each way, with buffers of its own: the device works. */
void net_check_alive(struct rig *rig, unsigned pair);
/* One more chain, made by hand, is used: how many bytes. Fails when it is another chain. */
uint32_t net_await_used(struct rig *rig, unsigned queue, int head);

#endif
