/*
 * acpi.c: the ACPI tables by which a kernel finds its processors, its interrupt controllers, its
 * console and the virtio-mmio windows: a hardware-reduced machine (ACPI 6.4, section 4.1), which
 * has no registers but those named here.
 *
 *   RSDP (0xe0000) ──> XSDT ──> FADT ──> DSDT    COM1, the panic device, one LNRO0005 per window
 *                          └──> MADT             processors, I/O APIC
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aml.h"
#include "arch.h"
#include "error.h"
#include "machine.h"
#include "x86.h"

/* ---- the layouts (packed by nature: written byte by byte where fields are not aligned) ---- */

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision;
    char creator[4];
    uint32_t creator_revision;
} __attribute__((packed));

struct address {
    uint8_t space, bits, offset, access;
    uint64_t address;
} __attribute__((packed));

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

struct xsdt {
    struct header header;
    uint64_t tables[2];
} __attribute__((packed));

struct fadt {
    struct header header;
    uint32_t firmware_control, dsdt;
    uint8_t old_registers[65];
    uint16_t boot_flags;
    uint8_t reserved;
    uint32_t flags;
    struct address reset_register;
    uint8_t reset_value;
    uint8_t arm_flags[2];
    uint8_t minor_version;
    uint64_t x_firmware_control, x_dsdt;
    uint8_t old_x_registers[96];
    struct address sleep_control, sleep_status;
    char hypervisor[8];
} __attribute__((packed));

struct madt {
    struct header header;
    uint32_t lapic_address, flags;
} __attribute__((packed));

struct madt_cpu {
    uint8_t type, length, processor, apic;
    uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
    uint8_t type, length, id, reserved;
    uint32_t address, first_line;
} __attribute__((packed));

struct madt_nmi {
    uint8_t type, length, processor;
    uint16_t flags;
    uint8_t line;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 36, "ACPI 6.4, table 5.4");
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.4, table 5.3");
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.4, table 5.9");
_Static_assert(offsetof(struct fadt, boot_flags) == 109, "ACPI 6.4, table 5.9");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "ACPI 6.4, table 5.9");

/* ---- writing ---- */

/* Where the next table goes. */
struct pen {
    struct vmm *vmm;
    uint64_t at;
    int error;
};

static void *reserve(struct pen *pen, uint64_t bytes)
{
    uint64_t at = (pen->at + 15) & ~(uint64_t)15;
    void *to = at + bytes <= X86_ACPI_END ? memory_at(pen->vmm, at, bytes) : NULL;

    if (!to) {
        pen->error = vmm_fail(-ENOSPC, "the ACPI tables do not fit; use fewer devices");
        return NULL;
    }
    memset(to, 0, bytes);
    pen->at = at + bytes;
    return to;
}

static uint8_t checksum(const void *table, size_t bytes)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + ((const uint8_t *)table)[i]);
    }
    return (uint8_t)-sum;
}

static void finish(struct header *header, const char *signature, uint8_t revision, size_t bytes)
{
    memcpy(header->signature, signature, sizeof(header->signature));
    header->length = (uint32_t)bytes;
    header->revision = revision;
    memcpy(header->oem, "TENON ", sizeof(header->oem));
    memcpy(header->oem_table, "TENONRUN", sizeof(header->oem_table));
    header->oem_revision = 1;
    memcpy(header->creator, "TNON", sizeof(header->creator));
    header->creator_revision = 1;
    header->checksum = 0;
    header->checksum = checksum(header, bytes);
}

/* ---- DSDT ---- */

static void add_console(struct aml *aml)
{
    enum { EISA_PNP0501 = 0x0105d041 };

    aml_device_begin(aml, "COM1");
    aml_named(aml, "_HID");
    aml_integer(aml, EISA_PNP0501);
    aml_named(aml, "_UID");
    aml_integer(aml, 0);
    aml_resources_begin(aml);
    aml_ports(aml, X86_PORT_SERIAL, SERIAL_REGISTERS);
    aml_interrupt(aml, arch_map.serial_line, false, false);
    aml_resources_end(aml);
    aml_end(aml);
}

static void add_panic(struct aml *aml)
{
    aml_device_begin(aml, "PEVT");
    aml_named(aml, "_HID");
    aml_string(aml, "QEMU0001");
    aml_resources_begin(aml);
    aml_ports(aml, X86_PORT_PANIC, 1);
    aml_resources_end(aml);
    aml_end(aml);
}

static void add_window(struct aml *aml, const struct vmm *vmm, unsigned index)
{
    const struct vmm_window *window = &vmm->windows[index];
    char name[5];

    snprintf(name, sizeof(name), "VR%02X", index & 0xff);
    aml_device_begin(aml, name);
    aml_named(aml, "_HID");
    aml_string(aml, "LNRO0005");
    aml_named(aml, "_UID");
    aml_integer(aml, index);
    aml_named(aml, "_CCA"); /* its accesses to memory are coherent */
    aml_integer(aml, 1);
    aml_resources_begin(aml);
    aml_memory(aml, (uint32_t)window->base, WINDOW_BYTES);
    aml_interrupt(aml, window->line, window->level, vmm->window_count > arch_map.line_count);
    aml_resources_end(aml);
    aml_end(aml);
}

/* Name(_S5, Package() { 5, 5 }): what is written to the sleep register to power off. */
static void add_power_off(struct aml *aml)
{
    enum { OP_PACKAGE = 0x12, LENGTH = 6, ELEMENTS = 2 };

    aml_named(aml, "_S5");
    aml_byte(aml, OP_PACKAGE);
    aml_byte(aml, LENGTH);
    aml_byte(aml, ELEMENTS);
    aml_integer(aml, X86_SLEEP_TYPE_OFF);
    aml_integer(aml, X86_SLEEP_TYPE_OFF);
}

static uint64_t write_dsdt(struct pen *pen)
{
    const struct vmm *vmm = pen->vmm;
    struct header *header = reserve(pen, sizeof(*header));
    uint64_t at = pen->at - sizeof(*header);
    struct aml aml;

    if (!header) {
        return 0;
    }
    aml_init(&aml, header + 1, X86_ACPI_END - pen->at);
    aml_scope_begin(&aml, "\\_SB");
    add_console(&aml);
    add_panic(&aml);
    for (unsigned i = 0; i < vmm->window_count && !vmm->options.windows_in_command_line; i++) {
        add_window(&aml, vmm, i);
    }
    aml_end(&aml);
    add_power_off(&aml);
    if (aml.overflow) {
        pen->error = vmm_fail(-ENOSPC, "the ACPI tables do not fit; use fewer devices");
        return 0;
    }
    pen->at += aml.used;
    finish(header, "DSDT", 2, sizeof(*header) + aml.used);
    return at;
}

/* ---- FADT ---- */

static struct address port(uint16_t number)
{
    enum { SPACE_PORTS = 1, BITS = 8, ACCESS_BYTE = 1 };

    return (struct address){ SPACE_PORTS, BITS, 0, ACCESS_BYTE, number };
}

static uint64_t write_fadt(struct pen *pen, uint64_t dsdt)
{
    enum {
        NO_VGA = 1 << 2,
        NO_MSI = 1 << 3,
        NO_ASPM = 1 << 4,
        NO_CMOS_CLOCK = 1 << 5,
        WBINVD_WORKS = 1 << 0,
        NO_POWER_BUTTON = 1 << 4,
        NO_SLEEP_BUTTON = 1 << 5,
        HAS_RESET = 1 << 10,
        HARDWARE_REDUCED = 1 << 20,
        REVISION = 6,
        MINOR = 4,
    };
    struct fadt *fadt = reserve(pen, sizeof(*fadt));

    if (!fadt) {
        return 0;
    }
    fadt->boot_flags = NO_VGA | NO_MSI | NO_ASPM | NO_CMOS_CLOCK;
    fadt->flags = WBINVD_WORKS | NO_POWER_BUTTON | NO_SLEEP_BUTTON | HAS_RESET | HARDWARE_REDUCED;
    fadt->reset_register = port(X86_PORT_RESET);
    fadt->reset_value = X86_RESET_VALUE;
    fadt->minor_version = MINOR;
    fadt->x_dsdt = dsdt;
    fadt->sleep_control = port(X86_PORT_SLEEP_CONTROL);
    fadt->sleep_status = port(X86_PORT_SLEEP_STATUS);
    memcpy(fadt->hypervisor, "TENONRUN", sizeof(fadt->hypervisor));
    finish(&fadt->header, "FACP", REVISION, sizeof(*fadt));
    return pen->at - sizeof(*fadt);
}

/* ---- MADT ---- */

static uint64_t write_madt(struct pen *pen)
{
    enum { TYPE_CPU = 0, TYPE_IOAPIC = 1, TYPE_NMI = 4, ENABLED = 1, REVISION = 5, ALL = 0xff };
    unsigned cpus = pen->vmm->options.cpus;
    size_t bytes = sizeof(struct madt) + cpus * sizeof(struct madt_cpu) +
                   sizeof(struct madt_ioapic) + sizeof(struct madt_nmi);
    struct madt *madt = reserve(pen, bytes);

    if (!madt) {
        return 0;
    }
    struct madt_cpu *cpu = (struct madt_cpu *)(madt + 1);
    madt->lapic_address = X86_LAPIC;
    for (unsigned i = 0; i < cpus; i++) {
        *cpu++ = (struct madt_cpu){ TYPE_CPU, sizeof(*cpu), (uint8_t)i, (uint8_t)i, ENABLED };
    }
    struct madt_ioapic *ioapic = (struct madt_ioapic *)cpu;
    *ioapic = (struct madt_ioapic){ TYPE_IOAPIC, sizeof(*ioapic), 0, 0, X86_IOAPIC, 0 };
    struct madt_nmi *nmi = (struct madt_nmi *)(ioapic + 1);
    *nmi = (struct madt_nmi){ TYPE_NMI, sizeof(*nmi), ALL, 0, 1 };
    finish(&madt->header, "APIC", REVISION, bytes);
    return pen->at - bytes;
}

/* ---- the roots ---- */

static uint64_t write_xsdt(struct pen *pen, uint64_t fadt, uint64_t madt)
{
    struct xsdt *xsdt = reserve(pen, sizeof(*xsdt));

    if (!xsdt) {
        return 0;
    }
    xsdt->tables[0] = fadt;
    xsdt->tables[1] = madt;
    finish(&xsdt->header, "XSDT", 1, sizeof(*xsdt));
    return pen->at - sizeof(*xsdt);
}

static void write_rsdp(struct rsdp *rsdp, uint64_t xsdt)
{
    enum { CHECKED = 20 }; /* the first checksum is of version 1's part */

    memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
    memcpy(rsdp->oem, "TENON ", sizeof(rsdp->oem));
    rsdp->revision = 2;
    rsdp->length = sizeof(*rsdp);
    rsdp->xsdt = xsdt;
    rsdp->checksum = checksum(rsdp, CHECKED);
    rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

int acpi_write(struct vmm *vmm)
{
    struct pen pen = { .vmm = vmm, .at = X86_ACPI };
    struct rsdp *rsdp = reserve(&pen, sizeof(*rsdp)); /* first: kernels know where */
    uint64_t dsdt = write_dsdt(&pen);
    uint64_t fadt = pen.error == 0 ? write_fadt(&pen, dsdt) : 0;
    uint64_t madt = pen.error == 0 ? write_madt(&pen) : 0;
    uint64_t xsdt = pen.error == 0 ? write_xsdt(&pen, fadt, madt) : 0;

    if (rsdp && pen.error == 0) {
        write_rsdp(rsdp, xsdt);
    }
    return pen.error;
}
