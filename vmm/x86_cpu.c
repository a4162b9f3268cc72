/*
 * x86_cpu.c: a processor before its first instruction: what CPUID tells, its registers.
 *
 * Only the first processor is given registers; the others wait, in KVM, for the guest to wake them
 * (INIT, SIPI).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "arch.h"
#include "error.h"
#include "kvm.h"
#include "machine.h"
#include "x86.h"

static int failed(const struct vmm_cpu *cpu, const char *what, long error)
{
    return vmm_fail((int)error, "KVM refuses the %s of processor %u: %s", what, cpu->index,
                    strerror((int)-error));
}

/* ---- CPUID ---- */

enum {
    LEAF_BASIC = 0x1,
    LEAF_CACHE = 0x4,
    LEAF_TOPOLOGY = 0xb,
    LEAF_TOPOLOGY_2 = 0x1f,
    LEAF_AMD_FEATURES = 0x80000001,
    LEAF_AMD_SIZES = 0x80000008,
    LEAF_AMD_TOPOLOGY = 0x8000001e,
};

/* How many bits number the processors. */
static unsigned index_bits(unsigned cpus)
{
    return cpus > 1 ? 32 - (unsigned)__builtin_clz(cpus - 1) : 0;
}

/* All processors are cores of one package, without hyper-threads. */
static void adapt_entry(struct kvm_cpuid_entry2 *entry, unsigned index, unsigned cpus,
                        bool deadline_timer)
{
    enum { DEADLINE = 1U << 24, HYPERVISOR = 1U << 31, MONITOR = 1U << 3, MANY = 1U << 28 };
    enum { CACHE_CORES_MAX = 64 }; /* more do not fit; newer kernels count by LEAF_TOPOLOGY */
    unsigned cores = cpus < CACHE_CORES_MAX ? cpus : CACHE_CORES_MAX;

    switch (entry->function) {
    case LEAF_BASIC:
        entry->ebx = (entry->ebx & 0xffff) | cpus << 16 | index << 24;
        entry->ecx = (entry->ecx & ~(uint32_t)MONITOR) | HYPERVISOR;
        entry->ecx |= deadline_timer ? DEADLINE : 0;
        entry->edx |= cpus > 1 ? MANY : 0;
        break;
    case LEAF_CACHE:
        entry->eax = (entry->eax & 0x3fff) | (cores - 1) << 26;
        break;
    case LEAF_AMD_FEATURES:
        entry->ecx |= cpus > 1 ? 2 : 0; /* the count in leaf 1 is one of cores */
        break;
    case LEAF_AMD_SIZES:
        entry->ecx = index_bits(cpus) << 12 | (cpus - 1);
        break;
    case LEAF_AMD_TOPOLOGY:
        entry->eax = index;
        entry->ebx = index;
        entry->ecx = 0;
        break;
    default:
        break;
    }
}

static bool is_topology(const struct kvm_cpuid_entry2 *entry)
{
    return entry->function == LEAF_TOPOLOGY || entry->function == LEAF_TOPOLOGY_2;
}

/* The host's topology is of no use: ours has one level of threads and one of cores. */
static void write_topology(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus)
{
    enum { LEVEL_THREAD = 1, LEVEL_CORE = 2, LEVELS = 3 };
    uint32_t kept = 0;
    bool known = false;

    for (uint32_t i = 0; i < cpuid->nent; i++) {
        known = known || cpuid->entries[i].function == LEAF_TOPOLOGY;
        if (!is_topology(&cpuid->entries[i])) {
            cpuid->entries[kept++] = cpuid->entries[i];
        }
    }
    cpuid->nent = kept;
    for (uint32_t level = 0; known && level < LEVELS && cpuid->nent < X86_CPUID_MAX; level++) {
        struct kvm_cpuid_entry2 *entry = &cpuid->entries[cpuid->nent++];
        *entry = (struct kvm_cpuid_entry2){ .function = LEAF_TOPOLOGY,
                                            .index = level,
                                            .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
                                            .edx = index,
                                            .ecx = level };
        if (level < LEVELS - 1) {
            entry->eax = level == 0 ? 0 : index_bits(cpus);
            entry->ebx = level == 0 ? 1 : cpus;
            entry->ecx |= (level == 0 ? LEVEL_THREAD : LEVEL_CORE) << 8;
        }
    }
}

void x86_adapt_cpuid(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus, bool deadline_timer)
{
    for (uint32_t i = 0; i < cpuid->nent; i++) {
        adapt_entry(&cpuid->entries[i], index, cpus, deadline_timer);
    }
    write_topology(cpuid, index, cpus);
}

static int set_cpuid(struct vmm_cpu *cpu)
{
    const struct vmm_options *options = &cpu->vmm->options;
    struct kvm_cpuid2 *cpuid =
        calloc(1, sizeof(*cpuid) + X86_CPUID_MAX * sizeof(cpuid->entries[0]));
    bool deadline =
        vmm_ioctl(options->kvm_fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_TSC_DEADLINE_TIMER) > 0;

    if (!cpuid) {
        return vmm_fail(-ENOMEM, "out of memory");
    }
    cpuid->nent = X86_CPUID_MAX;
    long error = vmm_ioctl(options->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid);
    if (error == 0) {
        x86_adapt_cpuid(cpuid, cpu->index, options->cpus, deadline);
        error = vmm_ioctl(cpu->fd, KVM_SET_CPUID2, cpuid);
    }
    free(cpuid);
    return error == 0 ? 0 : failed(cpu, "features", error);
}

/* ---- what firmware would have set ---- */

/* All memory may be cached, unless the page tables say otherwise. */
static int set_memory_types(struct vmm_cpu *cpu)
{
    enum { MTRR_DEFAULT_TYPE = 0x2ff, MTRR_ON = 0x800, WRITE_BACK = 6 };
    struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(msrs->entries[0]));

    if (!msrs) {
        return vmm_fail(-ENOMEM, "out of memory");
    }
    msrs->nmsrs = 1;
    msrs->entries[0].index = MTRR_DEFAULT_TYPE;
    msrs->entries[0].data = MTRR_ON | WRITE_BACK;
    long set = vmm_ioctl(cpu->fd, KVM_SET_MSRS, msrs);
    free(msrs);
    return set == 1 ? 0 : failed(cpu, "memory types", set < 0 ? set : -EINVAL);
}

static void put_register(struct kvm_lapic_state *lapic, unsigned offset, uint32_t value)
{
    memcpy(lapic->regs + offset, &value, sizeof(value));
}

/* The old interrupt controller's line, and the one of NMIs. */
static int set_local_lines(struct vmm_cpu *cpu)
{
    enum { LINE_0 = 0x350, LINE_1 = 0x360, EXTERNAL = 7 << 8, NMI = 4 << 8 };
    struct kvm_lapic_state lapic;
    long error = vmm_ioctl(cpu->fd, KVM_GET_LAPIC, &lapic);

    if (error == 0) {
        put_register(&lapic, LINE_0, EXTERNAL);
        put_register(&lapic, LINE_1, NMI);
        error = vmm_ioctl(cpu->fd, KVM_SET_LAPIC, &lapic);
    }
    return error == 0 ? 0 : failed(cpu, "interrupt lines", error);
}

/* ---- the first processor's registers ---- */

enum { CODE = 0x10, DATA = 0x18, TASK = 0x20 };
enum { TYPE_CODE = 0xb, TYPE_DATA = 3, TYPE_TASK = 11, GDT_ENTRIES = 6 };

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool long_mode)
{
    return (struct kvm_segment){ .limit = UINT32_MAX,
                                 .selector = selector,
                                 .type = type,
                                 .present = 1,
                                 .s = 1,
                                 .g = 1,
                                 .l = long_mode && type == TYPE_CODE,
                                 .db = !(long_mode && type == TYPE_CODE) };
}

static void write_gdt(struct vmm *vmm, bool long_mode)
{
    uint64_t code = long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
    uint64_t entries[GDT_ENTRIES] = { [CODE / 8] = code,
                                      [DATA / 8] = 0x00cf93000000ffff,
                                      [TASK / 8] = 0x00008b0000000067 };

    memcpy(memory_at(vmm, X86_GDT, sizeof(entries)), entries, sizeof(entries));
}

static void fill_segments(struct kvm_sregs *sregs, bool long_mode)
{
    sregs->cs = flat(CODE, TYPE_CODE, long_mode);
    sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = flat(DATA, TYPE_DATA, long_mode);
    sregs->tr =
        (struct kvm_segment){ .limit = 0x67, .selector = TASK, .type = TYPE_TASK, .present = 1 };
    sregs->gdt.base = X86_GDT;
    sregs->gdt.limit = GDT_ENTRIES * 8 - 1;
    sregs->idt.base = 0;
    sregs->idt.limit = 0;
}

static int set_registers(struct vmm_cpu *cpu)
{
    enum { CR0_PROTECTED = 0x01, CR0_X87 = 0x10, CR4_PAE = 0x20, EFER_LONG = 0x500 };
    const uint64_t cr0_paging = 0x80000000;
    const struct vmm_start_state *start = &cpu->vmm->start;
    bool long_mode = start->protocol == X86_LINUX_64;
    struct kvm_regs regs = { .rip = start->entry, .rflags = 2 };
    struct kvm_sregs sregs;
    long error = vmm_ioctl(cpu->fd, KVM_GET_SREGS, &sregs);

    if (error < 0) {
        return failed(cpu, "registers", error);
    }
    write_gdt(cpu->vmm, long_mode);
    fill_segments(&sregs, long_mode);
    sregs.cr0 = CR0_PROTECTED | CR0_X87;
    if (long_mode) {
        sregs.cr0 |= cr0_paging;
        sregs.cr3 = X86_PAGE_TABLES;
        sregs.cr4 = CR4_PAE;
        sregs.efer = EFER_LONG;
        regs.rsi = start->argument;
    } else {
        regs.rbx = start->argument;
    }
    error = vmm_ioctl(cpu->fd, KVM_SET_SREGS, &sregs);
    if (error == 0) {
        error = vmm_ioctl(cpu->fd, KVM_SET_REGS, &regs);
    }
    return error == 0 ? 0 : failed(cpu, "registers", error);
}

int x86_prepare_cpu(struct vmm_cpu *cpu)
{
    int error = set_cpuid(cpu);

    if (error == 0) {
        error = set_memory_types(cpu);
    }
    if (error == 0) {
        error = set_local_lines(cpu);
    }
    return error == 0 && cpu->index == 0 ? set_registers(cpu) : error;
}
