/*
 * window.h: the register windows of the machine, and the steps of a driver's start.
 */
#ifndef BARE_WINDOW_H
#define BARE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/virtio.h"
#include "spec/virtio_blk.h"
#include "spec/virtio_mmio.h"

enum { WINDOWS_AT = 0xd0000000, WINDOW_STRIDE = 0x1000, WINDOW_BYTES = 0x200 };
enum { FIRST_GSI = 5, WINDOW_GSIS = 19 }; /* after the last the lines are shared */

/* Device status, step by step. */
enum {
    SEEN = TN_STATUS_ACKNOWLEDGE,
    DRIVER = SEEN | TN_STATUS_DRIVER,
    AGREED = DRIVER | TN_STATUS_FEATURES_OK,
    LIVE = AGREED | TN_STATUS_DRIVER_OK
};

static inline uint64_t feature(unsigned bit)
{
    return (uint64_t)1 << bit;
}

unsigned windows(void); /* how many there are */

static inline unsigned window_gsi(unsigned window)
{
    return FIRST_GSI + window % WINDOW_GSIS;
}

static inline uint64_t window_at(unsigned window)
{
    return (uint32_t)WINDOWS_AT + (uint64_t)window * WINDOW_STRIDE;
}

uint32_t window_get(unsigned window, unsigned offset);
void window_set(unsigned window, unsigned offset, uint32_t value);

uint64_t window_read(unsigned window, unsigned offset, unsigned bytes);
void window_write(unsigned window, unsigned offset, uint64_t value, unsigned bytes);

/* Writes Status and says what it reads then. */
uint32_t window_step(unsigned window, uint32_t status);

/* Writes 0 to Status; false if it does not read 0 in good time. */
bool window_reset(unsigned window);

uint64_t window_offered(unsigned window);
void window_accept(unsigned window, unsigned word, uint32_t features);

/* From a reset to FEATURES_OK; whether the device agreed. */
bool window_agree(unsigned window, uint64_t features);

/* Where the selected queue lies: desc, driver, device area. */
void window_areas(unsigned window, uint64_t desc, uint64_t driver, uint64_t device);

/* Writes QueueReady of the selected queue and says what it reads then. */
uint32_t window_ready(unsigned window, uint32_t value);

#endif
