/*
 * test_acpi.c: the ACPI tables, walked as a kernel walks them: from the RSDP to each table, by the
 * offsets of the standard (ACPI 6.4, chapter 5.2) and not by the structs of acpi.c. Where iasl is,
 * Intel's compiler reads them too.
 */
#include <stdio.h>
#include <unistd.h>

#include "aml_reader.h"
#include "guest.h"
#include "vmm/x86.h"

enum { HEADER = 36 };

/* What a walk has found. */
struct tables {
    const uint8_t *fadt, *madt, *dsdt;
};

static uint64_t number(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << 8 * i;
    }
    return value;
}

static unsigned sum(const uint8_t *at, size_t bytes)
{
    unsigned value = 0;

    for (size_t i = 0; i < bytes; i++) {
        value += at[i];
    }
    return value & 0xff;
}

static uint32_t length_of(const uint8_t *table)
{
    return (uint32_t)number(table + 4, 4);
}

/* A table: where it may be, whole, and by its checksum. */
static const uint8_t *table_at(const struct vmm *vmm, uint64_t at, const char *signature)
{
    const uint8_t *table = memory_at(vmm, at, HEADER);

    assert_non_null(table);
    assert_true(at >= X86_ACPI && at + length_of(table) <= X86_ACPI_END);
    assert_int_equal(at % 16, 0);
    assert_true(length_of(table) >= HEADER);
    assert_int_equal(sum(table, length_of(table)), 0);
    assert_memory_equal(table, signature, 4);
    assert_memory_equal(table + 10, "TENON ", 6);
    return table;
}

static struct tables walk(const struct vmm *vmm)
{
    const uint8_t *rsdp = memory_at(vmm, X86_ACPI, 36);
    struct tables tables;

    assert_memory_equal(rsdp, "RSD PTR ", 8);
    assert_int_equal(sum(rsdp, 20), 0);
    assert_int_equal(number(rsdp + 20, 4), 36);
    assert_int_equal(sum(rsdp, 36), 0);
    assert_int_equal(rsdp[15], 2);
    assert_int_equal(number(rsdp + 16, 4), 0); /* no RSDT */
    const uint8_t *xsdt = table_at(vmm, number(rsdp + 24, 8), "XSDT");
    assert_int_equal(length_of(xsdt), HEADER + 2 * 8);
    tables.fadt = table_at(vmm, number(xsdt + HEADER, 8), "FACP");
    tables.madt = table_at(vmm, number(xsdt + HEADER + 8, 8), "APIC");
    assert_int_equal(number(tables.fadt + 40, 4), 0);
    tables.dsdt = table_at(vmm, number(tables.fadt + 140, 8), "DSDT");
    return tables;
}

/* ---- what has to stand in each ---- */

/* A generic address: one byte wide, of an I/O port. */
static void expect_port(const uint8_t *at, unsigned port)
{
    assert_int_equal(at[0], 1);
    assert_int_equal(at[1], 8);
    assert_int_equal(at[2], 0);
    assert_int_equal(at[3], 1);
    assert_int_equal(number(at + 4, 8), port);
}

static void check_fadt(const uint8_t *fadt)
{
    uint32_t flags = (uint32_t)number(fadt + 112, 4);

    assert_int_equal(length_of(fadt), 276);
    assert_int_equal(fadt[8], 6);
    assert_int_equal(fadt[131], 4);
    assert_true(flags & 1 << 20);             /* hardware-reduced */
    assert_true(flags & 1 << 10);             /* there is a reset register */
    assert_true(flags & 1 << 4);              /* no power button, or one would be looked for */
    assert_int_equal(fadt[109] & 0x24, 0x24); /* no VGA, no CMOS clock */
    assert_int_equal(sum(fadt + 46, 109 - 46), 0);
    expect_port(fadt + 116, 0xcf9);
    assert_int_equal(fadt[128], 6);
    expect_port(fadt + 244, 0x600);
    expect_port(fadt + 256, 0x601);
}

static void check_madt(const uint8_t *madt, unsigned cpus)
{
    const uint8_t *at = madt + 44, *end = madt + length_of(madt);
    unsigned found = 0, ioapics = 0, nmis = 0;

    assert_int_equal(number(madt + 36, 4), 0xfee00000);
    assert_int_equal(number(madt + 40, 4), 0);
    for (; at < end; at += at[1]) {
        assert_true(at[1] >= 2 && at[1] <= end - at);
        switch (at[0]) {
        case 0:
            assert_int_equal(at[1], 8);
            assert_int_equal(at[2], found);
            assert_int_equal(at[3], found);
            assert_int_equal(number(at + 4, 4), 1);
            found++;
            break;
        case 1:
            assert_int_equal(at[1], 12);
            assert_int_equal(number(at + 4, 4), 0xfec00000);
            assert_int_equal(number(at + 8, 4), 0);
            ioapics++;
            break;
        case 4:
            assert_int_equal(at[1], 6);
            assert_int_equal(at[2], 0xff);
            assert_int_equal(at[5], 1);
            nmis++;
            break;
        default:
            fail_msg("a structure of type %u", at[0]);
        }
    }
    assert_int_equal(found, cpus);
    assert_int_equal(ioapics, 1);
    assert_int_equal(nmis, 1);
}

static void check_window(const struct vmm *vmm, const struct aml_device *device, unsigned index)
{
    char name[5];

    snprintf(name, sizeof(name), "VR%02X", index & 0xff);
    assert_string_equal(device->name, name);
    assert_string_equal(device->hid, "LNRO0005");
    assert_true(device->has_uid);
    assert_int_equal(device->uid, index);
    assert_true(device->coherent);
    assert_int_equal(device->memories, 1);
    assert_int_equal(device->memory_base, 0xd0000000 + index * 0x1000);
    assert_int_equal(device->memory_bytes, 0x1000);
    assert_int_equal(device->interrupts, 1);
    assert_int_equal(device->line, 5 + index % 19);
    assert_true(device->consumer);
    assert_int_equal(device->edge, !vmm->windows[index].level);
    assert_false(device->low);
    assert_int_equal(device->shared, vmm->window_count > 19);
    assert_int_equal(device->ports, 0);
}

static void check_dsdt(const struct vmm *vmm, const uint8_t *dsdt, unsigned windows)
{
    static struct aml_namespace names;

    assert_int_equal(dsdt[8], 2); /* integers of 64 bits */
    aml_read(dsdt + HEADER, length_of(dsdt) - HEADER, &names);
    assert_int_equal(names.count, 2 + windows);
    assert_true(names.has_off);
    assert_int_equal(names.off[0], 5);
    const struct aml_device *console = &names.devices[0], *panic = &names.devices[1];
    assert_string_equal(console->hid, "PNP0501");
    assert_int_equal(console->port_base, 0x3f8);
    assert_int_equal(console->port_count, 8);
    assert_int_equal(console->line, 4);
    assert_true(console->edge && !console->low && !console->shared && console->consumer);
    assert_string_equal(panic->hid, "QEMU0001");
    assert_int_equal(panic->port_base, 0x505);
    assert_int_equal(panic->port_count, 1);
    assert_int_equal(panic->interrupts, 0);
    for (unsigned i = 0; i < windows; i++) {
        check_window(vmm, &names.devices[2 + i], i);
    }
}

static void check_machine(unsigned windows, unsigned cpus, bool level)
{
    struct vmm vmm;

    guest_open(&vmm, 64 << 20);
    memset(vmm.ram + X86_ACPI, 0x5a, X86_ACPI_END - X86_ACPI); /* whatever was there before */
    guest_add_windows(&vmm, windows, level);
    vmm.options.cpus = cpus;
    assert_int_equal(acpi_write(&vmm), 0);
    struct tables tables = walk(&vmm);
    check_fadt(tables.fadt);
    check_madt(tables.madt, cpus);
    check_dsdt(&vmm, tables.dsdt, windows);
    assert_int_equal(vmm.ram[X86_ACPI - 1], 0);
    assert_int_equal(vmm.ram[X86_ACPI_END], 0);
    guest_close(&vmm);
}

static void machines_of_every_size(void **state)
{
    static const unsigned windows[] = { 0, 1, 19, 20, 28, 255, 256 }, cpus[] = { 1, 2, 254 };
    (void)state;

    for (size_t w = 0; w < sizeof(windows) / sizeof(windows[0]); w++) {
        for (size_t c = 0; c < sizeof(cpus) / sizeof(cpus[0]); c++) {
            check_machine(windows[w], cpus[c], false);
            check_machine(windows[w], cpus[c], true);
        }
    }
}

/* Kernels that find the windows by their command line must not find them twice. */
static void windows_in_the_command_line_are_not_in_the_tables(void **state)
{
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, 64 << 20);
    guest_add_windows(&vmm, 3, false);
    vmm.options.windows_in_command_line = true;
    assert_int_equal(acpi_write(&vmm), 0);
    check_dsdt(&vmm, walk(&vmm).dsdt, 0);
    guest_close(&vmm);
}

static void tables_that_do_not_fit_are_an_error(void **state)
{
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, 64 << 20);
    guest_add_windows(&vmm, 3000, false);
    assert_int_equal(acpi_write(&vmm), -28);
    assert_non_null(strstr(vmm_error(), "fewer devices"));
    assert_int_equal(vmm.ram[X86_ACPI_END], 0);
    guest_close(&vmm);
}

/* ---- a second opinion ---- */

static void save(const char *name, const uint8_t *table)
{
    FILE *file = fopen(name, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(table, 1, length_of(table), file), length_of(table));
    fclose(file);
}

/* Disassembles every table and compiles the DSDT again; silence is good. */
static void intels_compiler_agrees(void **state)
{
    static const char script[] =
        "iasl -d dsdt.dat fadt.dat madt.dat > log 2>&1 && iasl -ve -tc dsdt.dsl >> log 2>&1 && "
        "grep -q '0 Errors, 0 Warnings' log && ! grep -iE 'error:|warning:|invalid|incorrect' log "
        "&& [ $(grep -c LNRO0005 dsdt.dsl) = 28 ] && grep -q 'Hardware Reduced (V5) : 1' fadt.dsl";
    char place[] = "/tmp/tn.XXXXXX";
    struct vmm vmm;
    (void)state;

    if (system("iasl -v >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no iasl here (package acpica-tools)\n");
        skip();
    }
    guest_open(&vmm, 64 << 20);
    guest_add_windows(&vmm, 28, true);
    vmm.options.cpus = 254;
    assert_int_equal(acpi_write(&vmm), 0);
    struct tables tables = walk(&vmm);
    assert_non_null(mkdtemp(place));
    assert_int_equal(chdir(place), 0);
    save("dsdt.dat", tables.dsdt);
    save("fadt.dat", tables.fadt);
    save("madt.dat", tables.madt);
    int status = system(script);
    if (status != 0) {
        assert_int_equal(system("cat log"), 0);
    }
    assert_int_equal(system("rm -f dsdt.* fadt.* madt.* log"), 0);
    rmdir(place);
    assert_int_equal(status, 0);
    guest_close(&vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_of_every_size),
        cmocka_unit_test(windows_in_the_command_line_are_not_in_the_tables),
        cmocka_unit_test(tables_that_do_not_fit_are_an_error),
        cmocka_unit_test(intels_compiler_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
