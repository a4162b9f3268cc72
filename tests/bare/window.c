/*
 * window.c: access to registers, and the steps of a driver's start.
 */
#include "window.h"

#include "cpu.h"

enum { WINDOWS_MAX = 64 };

uint64_t window_read(unsigned window, unsigned offset, unsigned bytes)
{
    return read_bytes(window_at(window) + offset, bytes);
}

void window_write(unsigned window, unsigned offset, uint64_t value, unsigned bytes)
{
    write_bytes(window_at(window) + offset, value, bytes);
}

uint32_t window_get(unsigned window, unsigned offset)
{
    return (uint32_t)window_read(window, offset, 4);
}

void window_set(unsigned window, unsigned offset, uint32_t value)
{
    window_write(window, offset, value, 4);
}

unsigned windows(void)
{
    static unsigned count;
    static bool known;

    while (!known && count < WINDOWS_MAX &&
           window_get(count, TN_MMIO_MAGIC_VALUE) == TN_MMIO_MAGIC) {
        count++;
    }
    known = true;
    return count;
}

uint32_t window_step(unsigned window, uint32_t status)
{
    window_set(window, TN_MMIO_STATUS, status);
    return window_get(window, TN_MMIO_STATUS);
}

bool window_reset(unsigned window)
{
    uint64_t start = ticks();
    uint32_t status = window_step(window, 0);

    while (status != 0 && ticks() - start < TICKS_PATIENCE) {
        status = window_get(window, TN_MMIO_STATUS);
    }
    return status == 0;
}

uint64_t window_offered(unsigned window)
{
    uint64_t low;

    window_set(window, TN_MMIO_DEVICE_FEATURES_SEL, 0);
    low = window_get(window, TN_MMIO_DEVICE_FEATURES);
    window_set(window, TN_MMIO_DEVICE_FEATURES_SEL, 1);
    return low | (uint64_t)window_get(window, TN_MMIO_DEVICE_FEATURES) << 32;
}

void window_accept(unsigned window, unsigned word, uint32_t features)
{
    window_set(window, TN_MMIO_DRIVER_FEATURES_SEL, word);
    window_set(window, TN_MMIO_DRIVER_FEATURES, features);
}

bool window_agree(unsigned window, uint64_t features)
{
    if (!window_reset(window)) {
        return false;
    }
    window_set(window, TN_MMIO_STATUS, SEEN);
    window_set(window, TN_MMIO_STATUS, DRIVER);
    window_accept(window, 0, (uint32_t)features);
    window_accept(window, 1, (uint32_t)(features >> 32));
    return window_step(window, AGREED) == AGREED;
}

void window_areas(unsigned window, uint64_t desc, uint64_t driver, uint64_t device)
{
    window_set(window, TN_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
    window_set(window, TN_MMIO_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
    window_set(window, TN_MMIO_QUEUE_DRIVER_LOW, (uint32_t)driver);
    window_set(window, TN_MMIO_QUEUE_DRIVER_HIGH, (uint32_t)(driver >> 32));
    window_set(window, TN_MMIO_QUEUE_DEVICE_LOW, (uint32_t)device);
    window_set(window, TN_MMIO_QUEUE_DEVICE_HIGH, (uint32_t)(device >> 32));
}

uint32_t window_ready(unsigned window, uint32_t value)
{
    window_set(window, TN_MMIO_QUEUE_READY, value);
    return window_get(window, TN_MMIO_QUEUE_READY);
}
