/*
 * disk.c: a driver of a block device, as small as one can be. One processor at a time for one disk.
 */
#include "disk.h"

#include "cpu.h"
#include "memory.h"

struct disk disks[DISKS];

uint64_t disk_features(void)
{
    return feature(TN_F_VERSION_1) | feature(TN_BLK_F_FLUSH) | feature(TN_BLK_F_MQ);
}

/* ---- rings ---- */

void ring_publish(struct ring *ring)
{
    full_barrier(); /* the entries are there before the index says so */
    __atomic_store_n(&ring->avail.idx.raw, tn_to_le16(ring->added).raw, __ATOMIC_SEQ_CST);
    full_barrier();
}

uint16_t ring_used(struct ring *ring)
{
    return tn_from_le16((le16){ __atomic_load_n(&ring->used.idx.raw, __ATOMIC_ACQUIRE) });
}

bool ring_wait(struct ring *ring)
{
    uint64_t start = ticks();

    while (ring_used(ring) != ring->added) {
        if (ticks() - start > TICKS_PATIENCE) {
            return false;
        }
        __asm__ volatile("pause");
    }
    return true;
}

uint32_t ring_last_length(struct ring *ring)
{
    return tn_from_le32(ring->used.ring[(uint16_t)(ring_used(ring) - 1) % RING_ENTRIES].len);
}

/* ---- requests ---- */

void request_set(struct request *request, uint32_t type, uint64_t sector, void *data,
                 uint32_t bytes)
{
    *request =
        (struct request){ .header = { .type = tn_to_le32(type), .sector = tn_to_le64(sector) },
                          .data = data,
                          .bytes = bytes,
                          .status = UNANSWERED };
}

static struct tn_desc descriptor(const volatile void *at, uint32_t bytes, uint16_t flags,
                                 unsigned next)
{
    return (struct tn_desc){ .addr = tn_to_le64((uintptr_t)at),
                             .len = tn_to_le32(bytes),
                             .flags = tn_to_le16(flags),
                             .next = tn_to_le16((uint16_t)next) };
}

void request_add(struct ring *ring, unsigned slot, struct request *request)
{
    unsigned at = slot * 3;
    bool writes_disk = tn_from_le32(request->header.type) == TN_BLK_T_OUT;
    uint16_t direction = writes_disk ? 0 : TN_DESC_F_WRITE;
    unsigned status = request->bytes ? at + 2 : at + 1;

    ring->desc[at] = descriptor(&request->header, sizeof(request->header), TN_DESC_F_NEXT, at + 1);
    if (request->bytes) {
        ring->desc[at + 1] =
            descriptor(request->data, request->bytes, direction | TN_DESC_F_NEXT, at + 2);
    }
    ring->desc[status] = descriptor(&request->status, 1, TN_DESC_F_WRITE, 0);
    ring->avail.ring[ring->added % RING_ENTRIES] = tn_to_le16((uint16_t)at);
    ring->added++;
}

uint8_t disk_run(unsigned window, unsigned queue, struct request *request)
{
    struct ring *ring = &disks[window].rings[queue];

    request_add(ring, 0, request);
    ring_publish(ring);
    disk_kick(window, queue);
    return ring_wait(ring) ? request->status : UNANSWERED;
}

uint8_t disk_do(unsigned window, unsigned queue, uint32_t type, uint64_t sector, void *data,
                uint32_t bytes)
{
    static struct request requests[DISKS][QUEUES]; /* not on a stack: it may end unanswered */
    struct request *request = &requests[window][queue];

    request_set(request, type, sector, data, bytes);
    return disk_run(window, queue, request);
}

/* ---- start ---- */

void disk_place(unsigned window, unsigned queue)
{
    struct ring *ring = &disks[window].rings[queue];

    window_set(window, TN_MMIO_QUEUE_SEL, queue);
    window_set(window, TN_MMIO_QUEUE_SIZE, RING_ENTRIES);
    window_areas(window, (uintptr_t)ring->desc, (uintptr_t)&ring->avail, (uintptr_t)&ring->used);
}

bool disk_prepare(unsigned window, uint64_t features)
{
    bool good = window_agree(window, features);

    for (unsigned queue = 0; queue < QUEUES; queue++) {
        memset(&disks[window].rings[queue], 0, sizeof(struct ring));
        disk_place(window, queue);
        if (window_get(window, TN_MMIO_QUEUE_SIZE_MAX) > 0) {
            good = window_ready(window, 1) == 1 && good;
        }
    }
    return good;
}

bool disk_start(unsigned window, uint64_t features)
{
    return disk_prepare(window, features) && window_step(window, LIVE) == LIVE;
}

/* ---- interrupts ---- */

static void note(unsigned window)
{
    struct disk *disk = &disks[window];
    uint32_t bits = window_get(window, TN_MMIO_INTERRUPT_STATUS);

    if (bits == 0) {
        return;
    }
    disk->interrupts++;
    disk->events |= bits;
    if (disk->unacked > 0) {
        disk->unacked--;
    } else {
        window_set(window, TN_MMIO_INTERRUPT_ACK, bits);
    }
}

void disk_interrupt(unsigned gsi)
{
    for (unsigned window = gsi - FIRST_GSI; window < windows(); window += WINDOW_GSIS) {
        note(window);
    }
}

void disk_listen(unsigned window, enum line_mode mode)
{
    if (mode == LINE_MASKED) {
        line_set(window_gsi(window), mode, disk_interrupt);
        idle_a_while(); /* what is on its way comes before we forget */
    }
    disks[window].interrupts = 0;
    disks[window].events = 0;
    disks[window].unacked = 0;
    line_set(window_gsi(window), mode, disk_interrupt);
}

unsigned disk_heard(unsigned window)
{
    return __atomic_load_n(&disks[window].interrupts, __ATOMIC_ACQUIRE);
}

bool disk_hears(unsigned window, unsigned count)
{
    uint64_t start = ticks();

    while (disk_heard(window) < count) {
        if (ticks() - start > TICKS_PATIENCE) {
            return false;
        }
        __asm__ volatile("pause");
    }
    return true;
}

/* ---- content ---- */

void sector_fill(uint8_t *sector, uint64_t number)
{
    char digits[20];
    unsigned count = 0;

    memset(sector, ' ', SECTOR);
    memcpy(sector, "sector ", 7);
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (unsigned i = 0; i < count; i++) {
        sector[7 + i] = (uint8_t)digits[count - 1 - i];
    }
    sector[SECTOR - 1] = '\n';
}

bool sector_is(const uint8_t *sector, uint64_t number)
{
    uint8_t expected[SECTOR];

    sector_fill(expected, number);
    return memcmp(sector, expected, SECTOR) == 0;
}
