/*
 * fuzz_mmio.c: any sequence of register accesses, with requests on the rings and host-side events
 * in between.
 *
 *   input ──> registers of any width and offset, rings, kicks ──┐
 *         └───> pause, resize, memory that goes and comes ────────┴──> device, all on one thread
 *
 * Claims, after every action: constant registers are constant; DRIVER_OK is seen only on the legal
 * way (BASIC-07) and goes only by reset, NEEDS_RESET too; the interrupt line is InterruptStatus
 * (MMIO-28); a device that is not live writes no guest memory and raises no interrupt (BASIC-30);
 * wrong widths read as 0 and do nothing (MMIO-40); every call comes back.
 */
#include <string.h>

#include "guest.h"
#include "input.h"
#include "spec/virtio.h"
#include "spec/virtio_blk.h"
#include "spec/virtio_mmio.h"
#include "spec/vring.h"

enum { QUEUES = 3, QUEUE_MAX = 16, DISK_BYTES = 32 * 512, INPUT_MAX = 4096, RING_BYTES = 0x1000 };

static const uint32_t LIVE =
    TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER | TN_STATUS_FEATURES_OK | TN_STATUS_DRIVER_OK;

struct rig {
    struct guest guest;
    struct input in;
    uint32_t status; /* as read after the action before */
    uint16_t avail_idx[QUEUES];
    bool second_there; /* the second half of guest memory */
};

static uint32_t ring_gpa(unsigned queue)
{
    return GUEST_BASE + queue * RING_BYTES;
}

static void put16(struct rig *rig, uint64_t gpa, uint16_t value)
{
    le16 wire = tn_to_le16(value);
    guest_put(&rig->guest, gpa, &wire, sizeof(wire));
}

/* ---- actions ---- */

static uint32_t pick_offset(struct input *in)
{
    static const uint16_t offsets[] = {
        TN_MMIO_MAGIC_VALUE,
        TN_MMIO_VERSION,
        TN_MMIO_DEVICE_ID,
        TN_MMIO_VENDOR_ID,
        TN_MMIO_DEVICE_FEATURES,
        TN_MMIO_DEVICE_FEATURES_SEL,
        TN_MMIO_DRIVER_FEATURES,
        TN_MMIO_DRIVER_FEATURES_SEL,
        TN_MMIO_QUEUE_SEL,
        TN_MMIO_QUEUE_SIZE_MAX,
        TN_MMIO_QUEUE_SIZE,
        TN_MMIO_QUEUE_READY,
        TN_MMIO_QUEUE_NOTIFY,
        TN_MMIO_INTERRUPT_STATUS,
        TN_MMIO_INTERRUPT_ACK,
        TN_MMIO_STATUS,
        TN_MMIO_QUEUE_DESC_LOW,
        TN_MMIO_QUEUE_DESC_HIGH,
        TN_MMIO_QUEUE_DRIVER_LOW,
        TN_MMIO_QUEUE_DRIVER_HIGH,
        TN_MMIO_QUEUE_DEVICE_LOW,
        TN_MMIO_QUEUE_DEVICE_HIGH,
        TN_MMIO_SHM_SEL,
        TN_MMIO_SHM_LEN_LOW,
        TN_MMIO_SHM_BASE_HIGH,
        TN_MMIO_QUEUE_RESET,
        TN_MMIO_CONFIG_GENERATION,
        TN_MMIO_CONFIG,
        TN_MMIO_CONFIG + 0x20,
        TN_MMIO_CONFIG + 0x47,
        0x0fe,
        0xfffc,
    };
    uint8_t choice = input_u8(in);

    return choice == FUZZ_RARE ? input_u32(in) : offsets[choice % 32];
}

static uint32_t pick_value(struct input *in)
{
    static const uint32_t values[] = { 0, 1, 3, 11, 15, 2, 16, 8, 64, 128, 143, 0x80000000 };
    uint8_t choice = input_u8(in);

    if (choice == FUZZ_RARE) {
        return input_u32(in);
    }
    return choice < 128 ? values[choice % 12] : ring_gpa(choice % QUEUES) + choice % 5 * 512u;
}

static void write_register(struct rig *rig)
{
    uint32_t offset = pick_offset(&rig->in);
    guest_set(&rig->guest, offset, pick_value(&rig->in));
}

/* The steps of a driver, in order and out of it. */
static void write_status(struct rig *rig)
{
    static const uint8_t steps[] = { 0, 1, 3, 11, 15, 2, 7, 9 };
    uint8_t choice = input_u8(&rig->in);

    guest_set(&rig->guest, TN_MMIO_STATUS, choice < 240 ? steps[choice % 8] : choice);
}

static void read_register(struct rig *rig)
{
    (void)guest_get(&rig->guest, pick_offset(&rig->in));
}

/* Any width and alignment; control registers know only one of each (MMIO-40). */
static void odd_access(struct rig *rig)
{
    static const unsigned widths[] = { 1, 2, 4, 8 };
    uint32_t offset = pick_offset(&rig->in) + input_below(&rig->in, 4);
    unsigned bytes = widths[input_below(&rig->in, 4)];
    bool legal = bytes == 4 && offset % 4 == 0;
    le64 value = tn_to_le64(input_u32(&rig->in) * UINT64_C(0x100000001));

    if (input_u8(&rig->in) & 1) {
        uint64_t sum = guest_sum(&rig->guest);
        tenon_mmio_write(rig->guest.mmio, offset, &value, bytes);
        if (offset < TN_MMIO_CONFIG && !legal) {
            FUZZ_CHECK(guest_get(&rig->guest, TN_MMIO_STATUS) == rig->status);
            FUZZ_CHECK(guest_sum(&rig->guest) == sum);
        }
        return;
    }
    value = tn_to_le64(UINT64_MAX);
    tenon_mmio_read(rig->guest.mmio, offset, &value, bytes);
    if (offset < TN_MMIO_CONFIG && !legal) {
        FUZZ_CHECK((tn_from_le64(value) & (UINT64_MAX >> (64 - 8 * bytes))) == 0);
    }
}

static void bring_up(struct rig *rig)
{
    uint8_t choice = input_u8(&rig->in);
    uint64_t wanted = choice & 1 ? UINT64_MAX : (uint64_t)1 << TN_F_VERSION_1 | input_u32(&rig->in);

    guest_set(&rig->guest, TN_MMIO_STATUS, 0);
    guest_negotiate(&rig->guest, wanted);
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        uint32_t at = ring_gpa(queue), zeroes[RING_BYTES / 4] = { 0 };
        guest_put(&rig->guest, at, zeroes, sizeof(zeroes));
        rig->avail_idx[queue] = 0;
        guest_set(&rig->guest, TN_MMIO_QUEUE_SEL, queue);
        guest_set(&rig->guest, TN_MMIO_QUEUE_SIZE, QUEUE_MAX);
        guest_set(&rig->guest, TN_MMIO_QUEUE_DESC_LOW, at);
        guest_set(&rig->guest, TN_MMIO_QUEUE_DRIVER_LOW, at + 512);
        guest_set(&rig->guest, TN_MMIO_QUEUE_DEVICE_LOW, at + 1024);
        guest_set(&rig->guest, TN_MMIO_QUEUE_READY, choice >> queue & 2 ? 0 : 1);
    }
    guest_set(&rig->guest, TN_MMIO_STATUS, LIVE);
}

/* Header, data and status of one request, in the queue's own page. */
static void request(struct rig *rig)
{
    static const uint8_t types[] = { TN_BLK_T_IN,     TN_BLK_T_OUT,          TN_BLK_T_FLUSH,
                                     TN_BLK_T_GET_ID, TN_BLK_T_WRITE_ZEROES, 77 };
    struct input *in = &rig->in;
    uint8_t choice = input_u8(in);
    unsigned queue = choice % QUEUES;
    uint16_t slot = rig->avail_idx[queue] % 5, first = (uint16_t)(3 * slot);
    uint32_t at = ring_gpa(queue), data = at + 1536 + slot * 32;
    struct tn_blk_header header = { .type = tn_to_le32(types[choice >> 2 & 7 ? choice % 6 : 0]),
                                    .sector = tn_to_le64(input_below(in, 33)) };
    bool in_data = tn_from_le32(header.type) == TN_BLK_T_IN;
    uint32_t bytes = choice & 128 ? 512 : 16;
    struct tn_desc descs[] = {
        { tn_to_le64(data), tn_to_le32(16), tn_to_le16(TN_DESC_F_NEXT),
          tn_to_le16((uint16_t)(first + 1)) },
        { tn_to_le64(at + 2560), tn_to_le32(bytes),
          tn_to_le16(TN_DESC_F_NEXT | (in_data ? TN_DESC_F_WRITE : 0)),
          tn_to_le16((uint16_t)(first + 2)) },
        { tn_to_le64(data + 16), tn_to_le32(1), tn_to_le16(TN_DESC_F_WRITE), { 0 } },
    };

    if (input_rare(in)) {
        ((uint8_t *)descs)[input_below(in, sizeof(descs))] = input_u8(in);
    }
    guest_put(&rig->guest, data, &header, sizeof(header));
    guest_put(&rig->guest, at + 48u * slot, descs, sizeof(descs));
    put16(rig, at + 512 + 4 + 2u * (rig->avail_idx[queue]++ % QUEUE_MAX), first);
    put16(rig, at + 512 + 2, rig->avail_idx[queue]);
    guest_set(&rig->guest, TN_MMIO_QUEUE_NOTIFY, queue);
}

static void scribble(struct rig *rig)
{
    uint32_t offset = input_u16(&rig->in) % (QUEUES * RING_BYTES);
    put16(rig, GUEST_BASE + offset, input_u16(&rig->in));
}

/* What the host does meanwhile. */
static void host_event(struct rig *rig)
{
    switch (input_below(&rig->in, 4)) {
    case 0:
        FUZZ_CHECK(tenon_device_pause(rig->guest.device, 5000) == 0);
        break;
    case 1:
        FUZZ_CHECK(tenon_device_resume(rig->guest.device) == 0);
        break;
    case 2:
        FUZZ_CHECK(tenon_blk_resized(rig->guest.device) == 0);
        break;
    default:
        if (rig->second_there) {
            FUZZ_CHECK(tenon_mem_remove(rig->guest.mem, GUEST_BASE + GUEST_FIRST, GUEST_SECOND) ==
                       0);
        } else {
            struct tenon_region region = { .size = sizeof(region),
                                           .gpa = GUEST_BASE + GUEST_FIRST,
                                           .bytes = GUEST_SECOND,
                                           .host = rig->guest.ram[1] };
            FUZZ_CHECK(tenon_mem_add(rig->guest.mem, &region) == 0);
        }
        rig->second_there = !rig->second_there;
    }
}

/* ---- claims ---- */

/* Each bit comes after the one before it, by a write of its own; UINT32_MAX: several writes. */
static void check_order(uint32_t before, uint32_t status)
{
    static const uint32_t way[] = { TN_STATUS_ACKNOWLEDGE, TN_STATUS_DRIVER, TN_STATUS_FEATURES_OK,
                                    TN_STATUS_DRIVER_OK };

    for (unsigned i = 1; i < sizeof(way) / sizeof(way[0]); i++) {
        FUZZ_CHECK(!(status & way[i]) || (before & way[i - 1]));
    }
}

static void check_registers(struct rig *rig)
{
    struct guest *guest = &rig->guest;
    uint32_t status = guest_get(guest, TN_MMIO_STATUS);

    FUZZ_CHECK(guest_get(guest, TN_MMIO_MAGIC_VALUE) == TN_MMIO_MAGIC);
    FUZZ_CHECK(guest_get(guest, TN_MMIO_VERSION) == 2);
    FUZZ_CHECK(guest_get(guest, TN_MMIO_DEVICE_ID) == TN_VIRTIO_ID_BLOCK);
    FUZZ_CHECK(guest_get(guest, TN_MMIO_SHM_LEN_LOW) == UINT32_MAX);
    FUZZ_CHECK(guest_get(guest, TN_MMIO_QUEUE_READY) <= 1);
    FUZZ_CHECK(guest_get(guest, TN_MMIO_QUEUE_RESET) <= 1);
    FUZZ_CHECK(guest->level == (guest_get(guest, TN_MMIO_INTERRUPT_STATUS) != 0));
    FUZZ_CHECK((status & ~(LIVE | TN_STATUS_NEEDS_RESET | TN_STATUS_FAILED)) == 0);
    check_order(rig->status, status);
    /* Bits go by reset alone, all at once. A bring-up is a reset and what follows it. */
    FUZZ_CHECK(status == 0 || (status & rig->status) == rig->status || rig->status == UINT32_MAX);
    rig->status = status;
}

static void act(struct rig *rig)
{
    uint8_t action = input_u8(&rig->in) % 16;
    bool was_live = (rig->status & TN_STATUS_DRIVER_OK) != 0;
    unsigned irqs = rig->guest.irqs;

    switch (action) {
    case 0:
    case 1:
    case 2:
    case 3:
        write_register(rig);
        break;
    case 4:
        read_register(rig);
        break;
    case 5:
        odd_access(rig);
        break;
    case 6:
        bring_up(rig);
        rig->status = UINT32_MAX;
        break;
    case 7:
    case 8:
    case 9:
        request(rig);
        break;
    case 10:
        guest_set(&rig->guest, TN_MMIO_INTERRUPT_ACK, input_below(&rig->in, 4));
        break;
    case 11:
        host_event(rig);
        break;
    case 12:
        scribble(rig);
        break;
    case 13:
    case 14:
        write_status(rig);
        break;
    default:
        break;
    }
    check_registers(rig);
    bool idle = !was_live && !(rig->status & TN_STATUS_DRIVER_OK);
    uint64_t sum = idle ? guest_sum(&rig->guest) : 0;
    guest_crank(&rig->guest);
    if (idle) {
        FUZZ_CHECK(guest_sum(&rig->guest) == sum);
        FUZZ_CHECK(rig->guest.irqs == irqs);
    }
    check_registers(rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct rig rig;
    struct tenon_disk *disk;
    struct tenon_blk_opts opts = { .queues = QUEUES, .queue_size = QUEUE_MAX };

    memset(&rig, 0, sizeof(rig));
    rig.in = (struct input){ data, bytes < INPUT_MAX ? bytes : INPUT_MAX };
    rig.second_there = true;
    FUZZ_CHECK(tenon_disk_open_memory(NULL, DISK_BYTES, false, &disk) == 0);
    opts.disk = disk;
    guest_open(&rig.guest, &opts);
    tenon_disk_close(disk);
    while (rig.in.left != 0) {
        act(&rig);
    }
    guest_close(&rig.guest);
    return 0;
}
