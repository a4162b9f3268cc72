/*
 * check_registers.c: what a window answers before any driver has begun: identity, offsets, widths,
 * and where no window is.
 */
#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "disk.h"
#include "tap.h"
#include "window.h"

static const uint16_t readable[] = {
    TN_MMIO_MAGIC_VALUE,   TN_MMIO_VERSION,          TN_MMIO_DEVICE_ID,
    TN_MMIO_VENDOR_ID,     TN_MMIO_DEVICE_FEATURES,  TN_MMIO_QUEUE_SIZE_MAX,
    TN_MMIO_QUEUE_READY,   TN_MMIO_INTERRUPT_STATUS, TN_MMIO_STATUS,
    TN_MMIO_SHM_LEN_LOW,   TN_MMIO_SHM_LEN_HIGH,     TN_MMIO_SHM_BASE_LOW,
    TN_MMIO_SHM_BASE_HIGH, TN_MMIO_QUEUE_RESET,      TN_MMIO_CONFIG_GENERATION
};

static bool is_readable(unsigned offset)
{
    for (unsigned i = 0; i < TAP_COUNT(readable); i++) {
        if (readable[i] == offset) {
            return true;
        }
    }
    return false;
}

static void identity(void)
{
    for (unsigned w = 0; w < windows(); w++) {
        WANT(window_get(w, TN_MMIO_MAGIC_VALUE), 0x74726976);
        WANT(window_get(w, TN_MMIO_VERSION), 2);
        WANT(window_get(w, TN_MMIO_DEVICE_ID), 2);
        WANT(window_get(w, TN_MMIO_VENDOR_ID), 0x4e4e4554);
        WANT(window_get(w, TN_MMIO_VENDOR_ID), 0x4e4e4554);
    }
}

static void as_new(void)
{
    for (unsigned w = 0; w < windows(); w++) {
        WANT(window_get(w, TN_MMIO_STATUS), 0);
        WANT(window_get(w, TN_MMIO_INTERRUPT_STATUS), 0);
        WANT(window_get(w, TN_MMIO_QUEUE_READY), 0);
        WANT(window_get(w, TN_MMIO_QUEUE_RESET), 0);
        WANT(window_get(w, TN_MMIO_QUEUE_SIZE_MAX), QUEUE_MAX);
    }
}

static void others_read_0(void)
{
    for (unsigned offset = 0; offset < TN_MMIO_CONFIG; offset += 4) {
        if (!is_readable(offset)) {
            WANT(window_get(0, offset), 0);
        }
    }
    /* The same once something was written there. */
    for (unsigned offset = TN_MMIO_DEVICE_FEATURES_SEL; offset < TN_MMIO_CONFIG; offset += 4) {
        if (!is_readable(offset) && offset != TN_MMIO_QUEUE_NOTIFY) {
            window_set(0, offset, 0xffffffff);
            WANT(window_get(0, offset), 0);
        }
    }
    WANT(window_reset(0), true);
}

static void read_only_stay(void)
{
    for (unsigned i = 0; i < TAP_COUNT(readable); i++) {
        unsigned offset = readable[i];
        if (offset == TN_MMIO_STATUS || offset == TN_MMIO_QUEUE_READY ||
            offset == TN_MMIO_QUEUE_RESET) {
            continue; /* these can be written */
        }
        uint32_t before = window_get(0, offset);
        window_set(0, offset, ~before);
        WANT(window_get(0, offset), before);
        window_set(0, offset, 0);
        WANT(window_get(0, offset), before);
    }
}

/* Whether an access is the one that a control register answers. */
static bool is_legal(unsigned offset, unsigned bytes)
{
    return bytes == 4 && offset % 4 == 0;
}

static void other_widths_read_0(void)
{
    for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
        for (unsigned offset = 0; offset + bytes <= TN_MMIO_CONFIG; offset++) {
            if (!is_legal(offset, bytes)) {
                WANT(window_read(0, offset, bytes), 0);
            }
        }
    }
}

static void other_widths_write_nothing(void)
{
    WANT(window_reset(0), true);
    for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
        for (unsigned shift = 0; shift < 4; shift++) {
            if (!is_legal(shift, bytes)) {
                window_write(0, TN_MMIO_STATUS + shift, 0x0101010101010101, bytes);
                WANT(window_get(0, TN_MMIO_STATUS), 0);
                window_write(0, TN_MMIO_DEVICE_FEATURES_SEL + shift, 0x0101010101010101, bytes);
            }
        }
    }
    WANT(window_get(0, TN_MMIO_DEVICE_FEATURES) & 1u << TN_BLK_F_FLUSH, 1u << TN_BLK_F_FLUSH);
    WANT(window_step(0, SEEN), SEEN);
    window_write(0, TN_MMIO_STATUS, 0, 1); /* no reset by a byte, nor by too much */
    window_write(0, TN_MMIO_STATUS, 0, 2);
    window_write(0, TN_MMIO_STATUS, 0, 8);
    window_write(0, TN_MMIO_STATUS - 4, 0, 8);
    WANT(window_get(0, TN_MMIO_STATUS), SEEN);
    WANT(window_reset(0), true);
}

static void no_shared_memory(void)
{
    static const uint32_t ids[] = { 0, 1, 255, 0xffffffff };

    for (unsigned i = 0; i < TAP_COUNT(ids); i++) {
        window_set(0, TN_MMIO_SHM_SEL, ids[i]);
        for (unsigned at = TN_MMIO_SHM_LEN_LOW; at <= TN_MMIO_SHM_BASE_HIGH; at += 4) {
            WANT(window_get(0, at), 0xffffffff);
        }
    }
}

static void generation(void)
{
    uint32_t before = window_get(0, TN_MMIO_CONFIG_GENERATION);

    for (unsigned i = 0; i < 20; i++) {
        window_get(0, TN_MMIO_CONFIG + 4 * i);
        WANT(window_get(0, TN_MMIO_CONFIG_GENERATION), before);
    }
}

/* Nothing is mapped behind the last window: reads are all ones, and writes change nothing. */
static void beyond_the_last(void)
{
    unsigned w = windows();

    for (unsigned offset = 0; offset < WINDOW_BYTES; offset += 8) {
        WANT(window_read(w, offset, 8), ~0ull);
        WANT(window_read(w, offset, 4), 0xffffffff);
        WANT(window_read(w, offset, 2), 0xffff);
        WANT(window_read(w, offset + 3, 1), 0xff);
        window_write(w, offset, 0, 8);
        window_write(w, offset, 0, 4);
    }
    WANT(read_bytes((uint32_t)WINDOWS_AT - 4, 4), 0xffffffff);
    WANT(window_read(w, 0, 8), ~0ull);
}

void check_registers(void)
{
    static const struct tap_case cases[] = {
        { "MMIO-01 MMIO-02 MMIO-03 MMIO-04: magic, version, device and vendor", identity },
        { "BASIC-01 MMIO-10 MMIO-12 MMIO-14 MMIO-23: a new device's registers", as_new },
        { "MMIO-42: write-only and unknown registers read 0", others_read_0 },
        { "MMIO-42: writes to read-only registers do nothing", read_only_stay },
        { "MMIO-40: reads of 1, 2 and 8 bytes, and unaligned ones, are 0", other_widths_read_0 },
        { "MMIO-40: such writes do nothing", other_widths_write_nothing },
        { "MMIO-20 MMIO-21 MMIO-22: no shared memory", no_shared_memory },
        { "MMIO-24 MMIO-31: the generation stands while nothing changes", generation },
        { "where no window is, reads are all ones", beyond_the_last },
    };

    tap_run(cases, TAP_COUNT(cases));
}
