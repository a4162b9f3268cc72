/*
 * any_register.c: see any_register.h.
 */
#include "any_register.h"

#include "scribbler.h"

enum { STEP_MS = 10000 };

static const uint32_t registers[] = {
    TN_MMIO_MAGIC_VALUE,      TN_MMIO_DEVICE_FEATURES_SEL,
    TN_MMIO_DRIVER_FEATURES,  TN_MMIO_DRIVER_FEATURES_SEL,
    TN_MMIO_QUEUE_SEL,        TN_MMIO_QUEUE_SEL,
    TN_MMIO_QUEUE_SIZE_MAX,   TN_MMIO_QUEUE_SIZE,
    TN_MMIO_QUEUE_SIZE,       TN_MMIO_QUEUE_READY,
    TN_MMIO_QUEUE_READY,      TN_MMIO_QUEUE_NOTIFY,
    TN_MMIO_INTERRUPT_STATUS, TN_MMIO_INTERRUPT_ACK,
    TN_MMIO_STATUS,           TN_MMIO_STATUS,
    TN_MMIO_QUEUE_DESC_LOW,   TN_MMIO_QUEUE_DESC_HIGH,
    TN_MMIO_QUEUE_DRIVER_LOW, TN_MMIO_QUEUE_DRIVER_HIGH,
    TN_MMIO_QUEUE_DEVICE_LOW, TN_MMIO_QUEUE_DEVICE_HIGH,
    TN_MMIO_SHM_SEL,          TN_MMIO_SHM_LEN_LOW,
    TN_MMIO_QUEUE_RESET,      TN_MMIO_CONFIG_GENERATION,
    TN_MMIO_CONFIG,           TN_MMIO_CONFIG + 32,
    TN_MMIO_CONFIG + 0x44,    0xfffffffc,
};

static uint32_t some_value(struct rig *rig, uint32_t offset, uint32_t *random)
{
    static const uint32_t values[] = { 0, 1, 2, 3, 8, 64, 0x1000, 0x2000, 0x100000, 0xffffffff };
    static const uint32_t steps[] = { 1, 3, 11, 15, 0, 128, 64 };
    uint32_t a = scribbler_random(random);

    if (offset == TN_MMIO_STATUS && a % 8) {
        /* The next step of the way, as a rule: else nothing would ever run. */
        uint32_t now = tnd_mmio_get(rig->driver, TN_MMIO_STATUS);
        for (unsigned i = 0; i + 1 < 4; i++) {
            if (now == steps[i]) {
                return steps[i + 1];
            }
        }
        return now == 0 ? steps[0] : a % 16 ? 15 : 0;
    }
    if (offset == TN_MMIO_DRIVER_FEATURES && a % 4) {
        return tnd_mmio_get(rig->driver, TN_MMIO_DEVICE_FEATURES);
    }
    return a % 16 ? values[(a >> 8) % 10] : scribbler_random(random);
}

void any_register(struct rig *rig, uint32_t *random)
{
    uint32_t a = scribbler_random(random);
    uint64_t offset = registers[a % (sizeof(registers) / sizeof(registers[0]))];
    unsigned bytes = a % 61 ? 4 : 1u << (a % 4);
    le64 value = tn_to_le64(some_value(rig, (uint32_t)offset, random));

    offset += a % 67 ? 0 : a % 7;
    uint64_t begin = tnd_now_ms();
    if (a % 3) {
        tnd_mmio_set_raw(rig->driver, offset, &value, bytes);
    } else {
        tnd_mmio_get_raw(rig->driver, offset, &value, bytes);
    }
    assert_true(tnd_now_ms() - begin < STEP_MS);
}
