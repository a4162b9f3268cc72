/*
 * test_ports.c: I/O ports and addresses without memory, as KVM hands accesses to us: what ends the
 * machine, what it reads where nothing is, accesses of several bytes and string instructions.
 */
#include <linux/kvm.h>

#include "guest.h"
#include "vmm/x86.h"

struct world {
    struct vmm vmm;
    struct vmm_cpu cpu;
    union {
        struct kvm_run run;
        uint8_t page[4096];
    };
    unsigned ended;
    enum vmm_end how;
    uint8_t output[64];
    size_t count;
};

enum { DATA_AT = 3000 };

static void on_ended(void *opaque, enum vmm_end end)
{
    struct world *world = opaque;

    world->ended++;
    world->how = end;
}

static size_t on_write(void *opaque, const uint8_t *bytes, size_t count)
{
    struct world *world = opaque;

    memcpy(world->output + world->count, bytes, count);
    world->count += count;
    return count;
}

static void nothing(void *opaque)
{
    (void)opaque;
}

static void world_open(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->vmm.options.ended = on_ended;
    world->vmm.options.opaque = world;
    world->cpu.vmm = &world->vmm;
    serial_init(&world->vmm.serial);
    world->vmm.serial.write = on_write;
    world->vmm.serial.raise = nothing;
    world->vmm.serial.hungry = nothing;
    world->vmm.serial.opaque = world;
}

static void world_close(struct world *world)
{
    serial_fini(&world->vmm.serial);
}

/* One exit: `count` accesses of `size` bytes each. */
static void access_port(struct world *world, bool out, uint16_t port, uint8_t size, uint32_t count)
{
    world->run.io.direction = out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
    world->run.io.port = port;
    world->run.io.size = size;
    world->run.io.count = count;
    world->run.io.data_offset = DATA_AT;
    x86_ports(&world->cpu, &world->run);
}

static void write_port(struct world *world, uint16_t port, uint8_t value)
{
    world->page[DATA_AT] = value;
    access_port(world, true, port, 1, 1);
}

static uint8_t read_port(struct world *world, uint16_t port)
{
    world->page[DATA_AT] = 0x5a;
    access_port(world, false, port, 1, 1);
    return world->page[DATA_AT];
}

static void these_writes_end_the_machine(void **state)
{
    static const struct {
        uint16_t port;
        uint8_t value;
        enum vmm_end end;
    } table[] = {
        { 0x600, 0x34, VMM_POWERED_OFF }, { 0xcf9, 0x06, VMM_RESET }, { 0xcf9, 0x0e, VMM_RESET },
        { 0xcf9, 0x04, VMM_RESET },       { 0x64, 0xfe, VMM_RESET },  { 0x505, 0x01, VMM_PANICKED },
        { 0x505, 0x03, VMM_PANICKED },
    };
    static struct world world;
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        world_open(&world);
        write_port(&world, table[i].port, table[i].value);
        assert_int_equal(world.ended, 1);
        assert_int_equal(world.how, table[i].end);
        assert_int_equal(vmm_how_ended(&world.vmm), table[i].end);
        assert_true(world.vmm.stopping);
        /* The first end is the one that counts. */
        write_port(&world, 0x505, 1);
        write_port(&world, 0x600, 0x34);
        machine_fail(&world.vmm, "too late");
        assert_int_equal(world.ended, 1);
        assert_int_equal(vmm_how_ended(&world.vmm), table[i].end);
        world_close(&world);
    }
}

static void no_other_write_does(void **state)
{
    static struct world world;
    (void)state;

    world_open(&world);
    for (unsigned value = 0; value < 256; value++) {
        if (value != 0xfe) {
            write_port(&world, 0x64, (uint8_t)value);
        }
        if (!(value & 4)) {
            write_port(&world, 0xcf9, (uint8_t)value);
        }
        if (!(value & 1)) {
            write_port(&world, 0x505, (uint8_t)value);
        }
        if ((value & 0x3c) != 0x34) {
            write_port(&world, 0x600, (uint8_t)value);
        }
        write_port(&world, 0x601, (uint8_t)value);
        write_port(&world, 0x80, (uint8_t)value);
    }
    assert_int_equal(world.ended, 0);
    world_close(&world);
}

static void reads_of_every_port(void **state)
{
    static struct world world;
    (void)state;

    world_open(&world);
    for (unsigned port = 0; port <= 0xffff; port++) {
        bool zero = port == 0x600 || port == 0x601 || port == 0xcf9 || port == 0x64;
        if (port >= 0x3f8 && port <= 0x3ff) {
            continue;
        }
        assert_int_equal(read_port(&world, (uint16_t)port), zero ? 0 : port == 0x505 ? 1 : 0xff);
    }
    assert_int_equal(read_port(&world, 0x3f8 + 5), 0x60);
    assert_int_equal(world.ended, 0);
    world_close(&world);
}

static void wide_and_repeated_accesses(void **state)
{
    static struct world world;
    (void)state;

    world_open(&world);
    memcpy(world.page + DATA_AT, "a string", 8);
    access_port(&world, true, 0x3f8, 1, 8); /* rep outsb */
    assert_int_equal(world.count, 8);
    assert_memory_equal(world.output, "a string", 8);
    /* A word is two ports: the last register of the serial port and what is behind it. */
    memcpy(world.page + DATA_AT, "\x77\x88\x99\xaa", 4);
    access_port(&world, true, 0x3ff, 4, 1);
    assert_int_equal(read_port(&world, 0x3ff), 0x77);
    memset(world.page + DATA_AT, 0, 16);
    access_port(&world, false, 0x3fe, 4, 2); /* rep insd */
    assert_memory_equal(world.page + DATA_AT, "\xb0\x77\xff\xff\xb0\x77\xff\xff\0", 9);
    access_port(&world, false, 0xffff, 4, 1); /* the ports end here, and we do not */
    access_port(&world, true, 0xffff, 4, 1);
    assert_int_equal(world.ended, 0);
    world_close(&world);
}

static void addresses_where_nothing_is(void **state)
{
    static const uint64_t addresses[] = { 0xc0000000, 0xcfffffff, 0xd0000000,    0xd0000fff,
                                          0xd0100000, 0xfed00000, UINT64_MAX - 7 };
    static struct world world;
    uint8_t data[9];
    (void)state;

    world_open(&world);
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
            memset(data, 0x5a, sizeof(data));
            windows_access(&world.cpu, addresses[i], data, bytes, true);
            assert_int_equal(data[0], 0x5a);
            windows_access(&world.cpu, addresses[i], data, bytes, false);
            for (unsigned b = 0; b < sizeof(data); b++) {
                assert_int_equal(data[b], b < bytes ? 0xff : 0x5a);
            }
        }
    }
    assert_int_equal(world.cpu.counts[COUNT_MMIO_READS], 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(these_writes_end_the_machine),
        cmocka_unit_test(no_other_write_does),
        cmocka_unit_test(reads_of_every_port),
        cmocka_unit_test(wide_and_repeated_accesses),
        cmocka_unit_test(addresses_where_nothing_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
