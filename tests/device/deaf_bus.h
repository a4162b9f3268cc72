/*
 * deaf_bus.h: what a device tells a transport that does not listen, for tests that start queues by
 * hand.
 */
#ifndef TENON_TEST_DEAF_BUS_H
#define TENON_TEST_DEAF_BUS_H

#include <tenon/bus.h>

static inline void deaf_irq(void *bus, unsigned queue)
{
    (void)bus;
    (void)queue;
}

static inline void deaf_config_irq(void *bus)
{
    (void)bus;
}

static inline void deaf_broken(void *bus, unsigned queue, const char *why)
{
    (void)bus;
    (void)queue;
    (void)why;
}

static const struct tenon_bus_ops deaf_bus = { .size = sizeof(deaf_bus),
                                               .queue_irq = deaf_irq,
                                               .config_irq = deaf_config_irq,
                                               .broken = deaf_broken };

#endif
