/*
 * guest.c: see guest.h.
 */
#include "guest.h"

#include <string.h>

#include "base/le.h"
#include "input.h"
#include "spec/virtio.h"
#include "spec/virtio_mmio.h"

enum { CRANKS_MAX = 64 };

static void irq(void *opaque, int level)
{
    struct guest *guest = opaque;

    guest->level = level;
    guest->irqs += level != 0;
}

static void add_ram(struct guest *guest, unsigned which, uint64_t gpa, uint32_t bytes)
{
    guest->ram[which] = malloc(bytes);
    memset(guest->ram[which], 0, bytes);
    struct tenon_region region = {
        .size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = guest->ram[which]
    };
    FUZZ_CHECK(tenon_mem_add(guest->mem, &region) == 0);
}

void guest_prepare(struct guest *guest)
{
    memset(guest, 0, sizeof(*guest));
    FUZZ_CHECK(tenon_mem_new(&guest->mem) == 0);
    add_ram(guest, 0, GUEST_BASE, GUEST_FIRST);
    add_ram(guest, 1, GUEST_BASE + GUEST_FIRST, GUEST_SECOND);
    FUZZ_CHECK(tenon_worker_new(NULL, &guest->worker) == 0);
}

void guest_attach(struct guest *guest)
{
    struct tenon_mmio_opts mmio = { .size = sizeof(mmio),
                                    .device = guest->device,
                                    .mem = guest->mem,
                                    .irq = irq,
                                    .opaque = guest };
    FUZZ_CHECK(tenon_mmio_new(&mmio, &guest->mmio) == 0);
}

void guest_open(struct guest *guest, struct tenon_blk_opts *opts)
{
    guest_prepare(guest);
    opts->size = sizeof(*opts);
    opts->workers = &guest->worker;
    opts->worker_count = 1;
    FUZZ_CHECK(tenon_blk_new(opts, &guest->device) == 0);
    guest_attach(guest);
}

void guest_close(struct guest *guest)
{
    tenon_mmio_free(guest->mmio);
    tenon_device_free(guest->device);
    tenon_worker_free(guest->worker);
    tenon_mem_free(guest->mem);
    free(guest->ram[0]);
    free(guest->ram[1]);
}

uint32_t guest_get(struct guest *guest, uint32_t offset)
{
    le32 value;
    tenon_mmio_read(guest->mmio, offset, &value, sizeof(value));
    return tn_from_le32(value);
}

void guest_set(struct guest *guest, uint32_t offset, uint32_t value)
{
    le32 wire = tn_to_le32(value);
    tenon_mmio_write(guest->mmio, offset, &wire, sizeof(wire));
}

bool guest_crank(struct guest *guest)
{
    for (unsigned i = 0; i < CRANKS_MAX; i++) {
        int did = tenon_worker_run(guest->worker, 0);
        FUZZ_CHECK(did >= 0);
        guest->cranked++;
        if (did == 0) {
            return true;
        }
    }
    return false;
}

uint8_t *guest_at(struct guest *guest, uint64_t gpa, uint64_t *follow)
{
    if (gpa < GUEST_BASE || gpa - GUEST_BASE >= GUEST_BYTES) {
        return NULL;
    }
    uint64_t offset = gpa - GUEST_BASE;
    bool second = offset >= GUEST_FIRST;
    *follow = second ? GUEST_BYTES - offset : GUEST_FIRST - offset;
    return second ? guest->ram[1] + (offset - GUEST_FIRST) : guest->ram[0] + offset;
}

static void move(struct guest *guest, uint64_t gpa, uint8_t *bytes, uint32_t count, bool put)
{
    while (count != 0) {
        uint64_t follow = 1;
        uint8_t *at = guest_at(guest, gpa, &follow);
        uint32_t part = follow < count ? (uint32_t)follow : count;
        if (!at) {
            part = 1;
        } else if (put) {
            memcpy(at, bytes, part);
        } else {
            memcpy(bytes, at, part);
        }
        gpa += part;
        bytes += part;
        count -= part;
    }
}

void guest_put(struct guest *guest, uint64_t gpa, const void *from, uint32_t bytes)
{
    move(guest, gpa, (uint8_t *)(uintptr_t)from, bytes, true);
}

void guest_take(struct guest *guest, uint64_t gpa, void *to, uint32_t bytes)
{
    memset(to, 0, bytes);
    move(guest, gpa, to, bytes, false);
}

uint64_t guest_negotiate(struct guest *guest, uint64_t wanted)
{
    uint64_t agreed = 0;

    guest_set(guest, TN_MMIO_STATUS, TN_STATUS_ACKNOWLEDGE);
    guest_set(guest, TN_MMIO_STATUS, TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER);
    for (uint32_t word = 0; word < 2; word++) {
        guest_set(guest, TN_MMIO_DEVICE_FEATURES_SEL, word);
        guest_set(guest, TN_MMIO_DRIVER_FEATURES_SEL, word);
        uint32_t take = guest_get(guest, TN_MMIO_DEVICE_FEATURES) & (uint32_t)(wanted >> 32 * word);
        guest_set(guest, TN_MMIO_DRIVER_FEATURES, take);
        agreed |= (uint64_t)take << 32 * word;
    }
    guest_set(guest, TN_MMIO_STATUS,
              TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER | TN_STATUS_FEATURES_OK);
    return agreed;
}

void guest_queue(struct guest *guest, unsigned queue, uint32_t size, uint64_t desc, uint64_t avail,
                 uint64_t used)
{
    guest_set(guest, TN_MMIO_QUEUE_SEL, queue);
    guest_set(guest, TN_MMIO_QUEUE_SIZE, size);
    guest_set(guest, TN_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
    guest_set(guest, TN_MMIO_QUEUE_DESC_HIGH, 0);
    guest_set(guest, TN_MMIO_QUEUE_DRIVER_LOW, (uint32_t)avail);
    guest_set(guest, TN_MMIO_QUEUE_DRIVER_HIGH, 0);
    guest_set(guest, TN_MMIO_QUEUE_DEVICE_LOW, (uint32_t)used);
    guest_set(guest, TN_MMIO_QUEUE_DEVICE_HIGH, 0);
    guest_set(guest, TN_MMIO_QUEUE_READY, 1);
}

void guest_live(struct guest *guest)
{
    guest_set(guest, TN_MMIO_STATUS,
              TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER | TN_STATUS_FEATURES_OK |
                  TN_STATUS_DRIVER_OK);
}

void guest_start(struct guest *guest, uint32_t size, uint64_t desc, uint64_t avail, uint64_t used)
{
    guest_queue(guest, 0, size, desc, avail, used);
    guest_live(guest);
}

/* All of guest memory in one number, to see whether anything changed. */
uint64_t guest_sum(struct guest *guest)
{
    uint64_t sum = 14695981039346656037u, word;

    for (unsigned which = 0; which < 2; which++) {
        for (uint32_t i = 0; i < (which ? GUEST_SECOND : GUEST_FIRST); i += 8) {
            memcpy(&word, guest->ram[which] + i, sizeof(word));
            sum = (sum ^ word) * 1099511628211u;
        }
    }
    return sum;
}
