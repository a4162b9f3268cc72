/*
 * check_requests.c: what a disk is for: its content, through real rings, on both disks.
 */
#include <stddef.h>

#include "checks.h"
#include "disk.h"
#include "memory.h"
#include "tap.h"
#include "window.h"

static uint8_t data[8 * SECTOR] __attribute__((aligned(SECTOR)));

static void start(void)
{
    for (unsigned w = 0; w < 2; w++) {
        WANT(disk_start(w, disk_features()), true);
    }
}

/* Both images were written by the script, as sector_fill does. */
static void reads(void)
{
    static const unsigned sectors[] = { 0, 1, 77, READ_ONLY_SECTORS - 1 };

    start();
    for (unsigned w = 0; w < 2; w++) {
        for (unsigned i = 0; i < TAP_COUNT(sectors); i++) {
            memset(data, 0xaa, SECTOR + 1);
            WANT(disk_do(w, 0, TN_BLK_T_IN, sectors[i], data, SECTOR), TN_BLK_S_OK);
            WANT(ring_last_length(&disks[w].rings[0]), SECTOR + 1);
            WANT(sector_is(data, sectors[i]), true);
            WANT(data[SECTOR], 0xaa);
        }
    }
    WANT(disk_do(0, 1, TN_BLK_T_IN, 8, data, sizeof(data)), TN_BLK_S_OK); /* the other queue */
    for (unsigned i = 0; i < sizeof(data) / SECTOR; i++) {
        WANT(sector_is(data + i * SECTOR, 8 + i), true);
    }
}

/* Sectors 1000 and up become those of 5000 and up; the script looks for them in the image. */
static void writes(void)
{
    for (unsigned i = 0; i < sizeof(data) / SECTOR; i++) {
        sector_fill(data + i * SECTOR, 5000 + i);
    }
    WANT(disk_do(0, 0, TN_BLK_T_OUT, 1000, data, sizeof(data)), TN_BLK_S_OK);
    WANT(ring_last_length(&disks[0].rings[0]), 1);
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        memset(data, 0, sizeof(data));
        WANT(disk_do(0, queue, TN_BLK_T_IN, 1000, data, sizeof(data)), TN_BLK_S_OK);
        WANT(sector_is(data, 5000), true);
        WANT(sector_is(data + sizeof(data) - SECTOR, 5007), true);
    }
    WANT(disk_do(0, 0, TN_BLK_T_IN, 1008, data, SECTOR), TN_BLK_S_OK);
    WANT(sector_is(data, 1008), true); /* what lies behind is what it was */
}

static void flushes(void)
{
    WANT(disk_do(0, 0, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_OK);
    WANT(disk_do(0, 1, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_OK);
    WANT(disk_do(1, 0, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_OK);
}

static void identities(void)
{
    static const char names[2][TN_BLK_ID_BYTES] = { "bare disk 0", "bare disk 1" };

    for (unsigned w = 0; w < 2; w++) {
        memset(data, 0xaa, TN_BLK_ID_BYTES + 1);
        WANT(disk_do(w, 0, TN_BLK_T_GET_ID, 0, data, TN_BLK_ID_BYTES), TN_BLK_S_OK);
        WANT(ring_last_length(&disks[w].rings[0]), TN_BLK_ID_BYTES + 1);
        WANT(memcmp(data, names[w], TN_BLK_ID_BYTES), 0);
        WANT(data[TN_BLK_ID_BYTES], 0xaa);
    }
}

static void out_of_range(void)
{
    static const uint64_t past[] = { DISK_SECTORS, DISK_SECTORS + 1, 1ull << 32, 1ull << 55,
                                     ~0ull };

    for (unsigned i = 0; i < TAP_COUNT(past); i++) {
        WANT(disk_do(0, 0, TN_BLK_T_IN, past[i], data, SECTOR), TN_BLK_S_IOERR);
        WANT(disk_do(0, 0, TN_BLK_T_OUT, past[i], data, SECTOR), TN_BLK_S_IOERR);
    }
    WANT(disk_do(0, 0, TN_BLK_T_IN, DISK_SECTORS - 1, data, 2 * SECTOR), TN_BLK_S_IOERR);
    WANT(disk_do(0, 0, TN_BLK_T_IN, DISK_SECTORS - 1, data, SECTOR), TN_BLK_S_OK);
    WANT(sector_is(data, DISK_SECTORS - 1), true);
    WANT(disk_do(0, 0, TN_BLK_T_IN, 0, data, SECTOR - 1), TN_BLK_S_IOERR);
    /* A buffer where the machine has no memory: this request fails, and the queue goes on. */
    WANT(disk_do(0, 0, TN_BLK_T_IN, 0, (void *)0xc0000000, SECTOR), TN_BLK_S_IOERR);
    WANT(disk_do(0, 0, TN_BLK_T_OUT, 0, (void *)(uintptr_t)window_at(0), SECTOR), TN_BLK_S_IOERR);
    WANT(disk_do(0, 0, TN_BLK_T_IN, 0, data, SECTOR), TN_BLK_S_OK);
    WANT(sector_is(data, 0), true);
    WANT(window_get(0, TN_MMIO_STATUS), LIVE);
}

static void unknown(void)
{
    static const uint32_t types[] = {
        2, 3, 7, TN_BLK_T_GET_LIFETIME, TN_BLK_T_SECURE_ERASE, 99, 0xdeadbeef
    };

    for (unsigned i = 0; i < TAP_COUNT(types); i++) {
        WANT(disk_do(0, 0, types[i], 0, data, SECTOR), TN_BLK_S_UNSUPP);
    }
}

static void read_only(void)
{
    sector_fill(data, 1);
    WANT(disk_do(1, 0, TN_BLK_T_OUT, 0, data, SECTOR), TN_BLK_S_IOERR);
    WANT(disk_do(1, 0, TN_BLK_T_IN, 0, data, SECTOR), TN_BLK_S_OK);
    WANT(sector_is(data, 0), true);
}

/* Full rings on three queues of two disks, kicked once each. */
static void many(void)
{
    static struct request requests[3][REQUESTS];
    static uint8_t into[3][REQUESTS][SECTOR];

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned n = 0; n < 3; n++) {
            struct ring *ring = &disks[n / 2].rings[n % 2];
            for (unsigned slot = 0; slot < REQUESTS; slot++) {
                request_set(&requests[n][slot], TN_BLK_T_IN, 10 * round + slot, into[n][slot],
                            SECTOR);
                request_add(ring, slot, &requests[n][slot]);
            }
            ring_publish(ring);
            disk_kick(n / 2, n % 2);
        }
        for (unsigned n = 0; n < 3; n++) {
            WANT(ring_wait(&disks[n / 2].rings[n % 2]), true);
            for (unsigned slot = 0; slot < REQUESTS; slot++) {
                WANT(requests[n][slot].status, TN_BLK_S_OK);
                WANT(sector_is(into[n][slot], 10 * round + slot), true);
            }
        }
    }
}

void check_requests(void)
{
    static const struct tap_case cases[] = {
        { "BLK-24 BLK-29 BLK-30: reads", reads },
        { "BLK-31: writes, read back through each queue", writes },
        { "BLK-21: flushes", flushes },
        { "BLK-44: serial numbers", identities },
        { "BLK-32 BLK-33: past the end, out of memory: IOERR", out_of_range },
        { "BLK-27: unknown requests: UNSUPP", unknown },
        { "BLK-38: a disk that cannot be written", read_only },
        { "BLK-37: many at once on both disks", many },
    };

    tap_run(cases, TAP_COUNT(cases));
}
