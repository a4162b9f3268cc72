/*
 * test_net_embedder.c: who hears that a network device cannot begin: a thread that does not start
 * (item 53 of the conformance list), a port that does not open; and registers in any order over one
 * (item 57).
 */
#include <errno.h>
#include <stdio.h>

#include "any_register.h"
#include "deaf_bus.h"
#include "net_rig.h"
#include "no_threads.h"

enum { RX = 0, BOUND_MS = 5000, STEPS = 4000 };

/* A device of its own over the rig's link, which nobody has opened: it makes its own threads. */
static struct tenon_device *device_over(struct rig *rig, unsigned pairs)
{
    struct tenon_net_opts opts = { .size = sizeof(opts),
                                   .name = "alone",
                                   .link = rig->opened_link,
                                   .pairs = pairs,
                                   .own_workers = pairs };
    struct tenon_device *device = NULL;

    assert_int_equal(tenon_net_new(&opts, &device), 0);
    return device;
}

static struct rig *rig_of(void **state, unsigned pairs)
{
    struct net_options options = { .net = { .pairs = pairs }, .no_start = true };

    return net_rig_new(state, &options);
}

/* ---- over a bus of our own ---- */

static int start(struct rig *rig, struct tenon_device *device, unsigned queue)
{
    struct tenon_ring ring = { .size = sizeof(ring), .entries = 8, .kick_fd = -1 };

    ring.desc_gpa = tnd_ram_alloc_in(rig->ram, 1, 4096, 4096);
    ring.driver_gpa = ring.desc_gpa + 1024;
    ring.device_gpa = ring.desc_gpa + 2048;
    tnd_ram_fill(rig->ram, ring.desc_gpa, 0, 4096);
    return tenon_bus_queue_start(device, queue, &ring);
}

/* The first pair's thread, and then the second one's while the first pair runs. */
static void item53_a_worker_that_cannot_start_is_an_error(void **state)
{
    struct rig *rig = rig_of(state, 2);
    struct tenon_device *device = device_over(rig, 2);
    uint64_t features[2];

    assert_int_equal(tenon_bus_attach(device, rig->mem, &deaf_bus, rig), 0);
    tenon_bus_features(device, features);
    assert_int_equal(tenon_bus_negotiate(device, features), 0);
    for (unsigned pair = 0; pair < 2; pair++) {
        size_t usual = threads_forbid();
        int error = start(rig, device, tnd_net_rx(pair));
        threads_allow(usual);
        assert_int_equal(error, -EAGAIN);
        assert_non_null(strstr(tenon_error(), "thread"));
        assert_int_equal(start(rig, device, tnd_net_rx(pair)), 0); /* and it is not the end */
        assert_int_equal(start(rig, device, tnd_net_tx(pair)), 0); /* it has one */
    }
    tenon_bus_quiet(device, NULL, NULL);
    assert_int_equal(tenon_bus_wait_quiet(device, BOUND_MS), 0);
    tenon_bus_detach(device);
    tenon_device_free(device);
}

/* ---- behind registers: the driver is told, and works when it tries again ---- */

struct window {
    struct tenon_device *device;
    struct tenon_mmio *registers;
    struct tenon_driver *driver;
};

static struct window window_over(struct rig *rig)
{
    struct window w = { .device = device_over(rig, 1) };
    struct tenon_mmio_opts mmio = { .size = sizeof(mmio), .mem = rig->mem, .irq = tnd_mmio_irq };

    assert_int_equal(tnd_mmio_new(rig->ram, &w.driver), 0);
    mmio.opaque = w.driver;
    mmio.device = w.device;
    assert_int_equal(tenon_mmio_new(&mmio, &w.registers), 0);
    tnd_mmio_connect(w.driver, w.registers);
    return w;
}

static void begin(struct window *w)
{
    struct tnd_setup setup = { .queues = 2, .pairs = true };

    assert_int_equal(tnd_negotiate(w->driver, &setup), 0);
    assert_int_equal(tnd_queues(w->driver, &setup), 0);
}

static void is_alive(struct rig *rig, struct window *w)
{
    static struct tnd_net_frame got;
    uint8_t frame[NET_PLAIN];

    assert_int_equal(tnd_net_fill(w->driver, RX, NET_ROOM, 10), 0);
    net_frame(frame, NET_PLAIN, 5, true);
    memset(frame, 0xff, 6); /* its address is not the rig's */
    fake_link_deliver(rig->link, 0, frame, NET_PLAIN, NULL);
    assert_int_equal(tnd_net_receive(w->driver, RX, &got), 0);
    assert_memory_equal(got.data, frame, NET_PLAIN);
}

static void end(struct window *w)
{
    tenon_mmio_free(w->registers);
    tenon_device_free(w->device);
    tnd_free(w->driver);
}

static void item53_behind_registers(void **state)
{
    struct rig *rig = rig_of(state, 1);
    struct window w = window_over(rig);

    size_t usual = threads_forbid();
    begin(&w);
    threads_allow(usual);
    assert_true(tnd_broken(w.driver, RX));
    assert_true(tnd_config_irqs(w.driver) > 0);
    assert_int_equal(tnd_reset(w.driver), 0);
    begin(&w);
    is_alive(rig, &w);
    end(&w);
}

/* Another device has the port. */
static void a_port_that_does_not_open(void **state)
{
    struct net_options options = { .no_start = true };
    struct rig *rig = net_rig_new(state, &options);
    struct window w = window_over(rig);

    net_rig_start(rig, &options);
    net_check_alive(rig, 0);
    begin(&w);
    assert_true(tnd_wait_broken(w.driver, RX));
    net_check_alive(rig, 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    fake_link_forget(rig->link, 0);
    assert_int_equal(tnd_reset(w.driver), 0);
    begin(&w);
    is_alive(rig, &w);
    end(&w);
}

/* ---- item 57 ---- */

static void item57_registers_in_any_order(void **state)
{
    struct rig *rig = rig_of(state, 2);

    for (unsigned seed = 1; seed <= 4; seed++) {
        uint32_t random = seed * 77777;
        for (unsigned i = 0; i < STEPS; i++) {
            if (i % 160 == 0) { /* an honest beginning, or nothing would ever run */
                assert_int_equal(tnd_negotiate(rig->driver, NULL), 0);
            } else if (i % 20 == 0) {
                tnd_mmio_queue_registers(rig->driver, i / 20 % 5, 8, 0x1000, 0x2000, 0x3000);
                tnd_mmio_set(rig->driver, TN_MMIO_QUEUE_READY, 1);
            }
            any_register(rig, &random);
            if (i % 16 == 0) {
                net_deliver(rig, i / 16 % 2, NET_PLAIN, i);
                tnd_settle(rig->driver, 0);
            }
        }
    }
    assert_true(rig_event(&rig->started) > 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    for (unsigned i = 0; i < rig->ram->count; i++) {
        tnd_ram_fill(rig->ram, rig->ram->regions[i].gpa, 0, rig->ram->regions[i].bytes);
    }
    fake_link_forget(rig->link, 0);
    fake_link_forget(rig->link, 1);
    net_rig_start(rig, NULL);
    net_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(item53_a_worker_that_cannot_start_is_an_error, RIG_MMIO | RIG_THREADS | RIG_EPOLL),
    RIG_TEST_ON(item53_behind_registers, RIG_MMIO | RIG_THREADS | RIG_EPOLL),
    RIG_TEST_ON(a_port_that_does_not_open, RIG_MMIO | RIG_THREADS | RIG_EPOLL),
    RIG_TEST_ON(item57_registers_in_any_order, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
