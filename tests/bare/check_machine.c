/*
 * check_machine.c: what the boot protocol promises, the ACPI tables, and the places where nothing
 * is.
 */
#include "checks.h"
#include "cpu.h"
#include "memory.h"
#include "tap.h"
#include "window.h"

/* boot_params of the Linux/x86 boot protocol. */
enum {
    ACPI_RSDP = 0x070,
    E820_COUNT = 0x1e8,
    BOOT_FLAG = 0x1fe,
    HEADER_MAGIC = 0x202,
    LOADER_TYPE = 0x210,
    E820_TABLE = 0x2d0
};
enum { E820_BYTES = 20, E820_RAM = 1, E820_MAX = 128 };
enum { RSDP_BYTES = 20, RSDP_LONG_BYTES = 36, RSDP_XSDT = 24, TABLE_BYTES = 36, TABLES_MAX = 16 };
enum { FADT_DSDT = 140 };

static uint64_t params, memory;

static void header(void)
{
    WANT(read_bytes(params + BOOT_FLAG, 2), 0xaa55);
    WANT(read_bytes(params + HEADER_MAGIC, 4), 0x53726448); /* "HdrS" */
    WANT(read_bytes(params + LOADER_TYPE, 1) != 0, true);
}

/* Interrupts were off, and memory is what was asked for: most of it below its end, no window. */
static void memory_map(void)
{
    unsigned count = (unsigned)read_bytes(params + E820_COUNT, 1);
    uint64_t ram = 0, end = 0;

    WANT(count > 0 && count <= E820_MAX, true);
    for (unsigned i = 0; i < count && i < E820_MAX; i++) {
        uint64_t at = params + E820_TABLE + i * E820_BYTES;
        uint64_t first = read_bytes(at, 8), bytes = read_bytes(at + 8, 8);
        WANT(bytes > 0, true);
        if (read_bytes(at + 16, 4) != E820_RAM) {
            continue;
        }
        ram += bytes;
        WANT(first >= end, true);
        end = first + bytes;
        WANT(end <= memory, true);
        WANT(first >= 0x100000 || end <= 0xa0000, true);
    }
    WANT(end, memory);
    WANT(ram > memory - 0x100000, true);
    write_bytes(memory - 8, 0x1122334455667788, 8);
    WANT(read_bytes(memory - 8, 8), 0x1122334455667788);
}

/* ---- ACPI ---- */

static uint8_t sum(uint64_t at, uint64_t bytes)
{
    uint8_t all = 0;

    for (uint64_t i = 0; i < bytes; i++) {
        all += *(const uint8_t *)(uintptr_t)(at + i);
    }
    return all;
}

static bool is_named(uint64_t at, const char *name)
{
    return memcmp((const void *)(uintptr_t)at, name, 4) == 0;
}

static void want_table(uint64_t at)
{
    uint32_t bytes = (uint32_t)read_bytes(at + 4, 4);

    WANT(bytes >= TABLE_BYTES && bytes < 0x10000, true);
    WANT(at + bytes <= memory, true);
    if (bytes < 0x10000) {
        WANT(sum(at, bytes), 0);
    }
}

static void acpi(void)
{
    uint64_t rsdp = read_bytes(params + ACPI_RSDP, 8), xsdt, fadt = 0, madt = 0;
    unsigned count;

    WANT(rsdp != 0 && rsdp < memory, true);
    if (rsdp == 0 || rsdp >= memory) {
        return;
    }
    WANT(memcmp((const void *)(uintptr_t)rsdp, "RSD PTR ", 8), 0);
    WANT(sum(rsdp, RSDP_BYTES), 0);
    WANT(sum(rsdp, RSDP_LONG_BYTES), 0);
    xsdt = read_bytes(rsdp + RSDP_XSDT, 8);
    WANT(is_named(xsdt, "XSDT"), true);
    want_table(xsdt);
    count = ((unsigned)read_bytes(xsdt + 4, 4) - TABLE_BYTES) / 8;
    WANT(count > 0 && count <= TABLES_MAX, true);
    for (unsigned i = 0; i < count && i < TABLES_MAX; i++) {
        uint64_t table = read_bytes(xsdt + TABLE_BYTES + 8 * i, 8);
        want_table(table);
        fadt = is_named(table, "FACP") ? table : fadt;
        madt = is_named(table, "APIC") ? table : madt;
    }
    WANT(fadt != 0, true);
    WANT(madt != 0, true);
    if (fadt != 0) {
        uint64_t dsdt = read_bytes(fadt + FADT_DSDT, 8);
        WANT(is_named(dsdt, "DSDT"), true);
        want_table(dsdt);
    }
}

/* ---- nothing ---- */

static void empty_ports(void)
{
    static const uint16_t ports[] = { 0x80, 0x1f0, 0x2f8, 0x3e8, 0xcfc, 0x506, 0x602, 0xffff };

    for (unsigned i = 0; i < TAP_COUNT(ports); i++) {
        out8(ports[i], 0x5a);
        WANT(in8(ports[i]), 0xff);
    }
}

static void empty_memory(void)
{
    const uint64_t places[] = { memory, memory + 0x1000, 0xc0000000, 0xcffff000, 0xfeb00000 };

    for (unsigned i = 0; i < TAP_COUNT(places); i++) {
        for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
            write_bytes(places[i], 0, bytes);
            WANT(read_bytes(places[i], bytes), ~0ull >> (64 - 8 * bytes));
        }
    }
}

void check_machine(uint64_t boot_params, uint64_t memory_bytes)
{
    static const struct tap_case cases[] = {
        { "boot: the header of the Linux boot protocol", header },
        { "boot: the memory map", memory_map },
        { "boot: ACPI tables and their sums", acpi },
        { "ports where nothing is read all ones", empty_ports },
        { "memory where nothing is reads all ones", empty_memory },
    };

    params = boot_params;
    memory = memory_bytes;
    tap_run(cases, TAP_COUNT(cases));
}
