/*
 * x86.h: what the x86-64 files share: the map of this machine's low memory and ports.
 *
 *   0x500    descriptor table        0xe0000    ACPI tables
 *   0x6000   PVH's start_info        0xffff0    what a reset jumps to
 *   0x7000   Linux's boot_params     0x100000   the kernel, from here up
 *   0x9000   page tables             initrd     as high as it may be
 *   0x20000  command line            0xd0000000 virtio-mmio windows
 *                                    4 GiB      memory that does not fit below the hole
 */
#ifndef VMM_X86_H
#define VMM_X86_H

#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct kvm_cpuid2;
struct kvm_run;
struct vmm;
struct vmm_cpu;

enum {
    X86_GDT = 0x500,
    X86_PVH_INFO = 0x6000,
    X86_BOOT_PARAMS = 0x7000,
    X86_PAGE_TABLES = 0x9000,
    X86_COMMAND_LINE = 0x20000,
    X86_LOW_END = 0x9fc00, /* the end of what a kernel may use below the tables */
    X86_ACPI = 0xe0000,
    X86_ACPI_END = 0xff000,
    X86_RESET_VECTOR = 0xffff0, /* where a processor begins after a reset, in real mode */
    X86_KERNEL = 0x100000,
};

enum {
    X86_PORT_SERIAL = 0x3f8,
    X86_PORT_PANIC = 0x505,
    X86_PORT_SLEEP_CONTROL = 0x600,
    X86_PORT_SLEEP_STATUS = 0x601,
    X86_PORT_KEYBOARD = 0x64,
    X86_PORT_RESET = 0xcf9,
    X86_RESET_VALUE = 0x06,
    X86_SLEEP_TYPE_OFF = 5,
};

enum { X86_IOAPIC = 0xfec00000, X86_LAPIC = 0xfee00000 };

/* How the first processor is entered: vmm->start.protocol. */
enum x86_protocol { X86_LINUX_64, X86_PVH };

struct x86_initrd {
    uint64_t gpa, bytes; /* 0, 0: none */
};

/* x86_boot.c: what the kernel reads before it knows its machine. */
int x86_boot_linux(struct vmm *vmm, const struct kernel *kernel, const struct x86_initrd *initrd);
int x86_boot_pvh(struct vmm *vmm, const struct kernel *kernel, const struct x86_initrd *initrd);

/* x86_cpu.c */
int x86_prepare_cpu(struct vmm_cpu *cpu);

enum { X86_CPUID_MAX = 256 };
/* What CPUID tells on processor `index`, made of what KVM offers. Has room for X86_CPUID_MAX. */
void x86_adapt_cpuid(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus, bool deadline_timer);

/* x86_ports.c: an access to I/O ports. */
void x86_ports(struct vmm_cpu *cpu, struct kvm_run *run);

/* acpi.c: writes the tables. */
int acpi_write(struct vmm *vmm);

#endif
