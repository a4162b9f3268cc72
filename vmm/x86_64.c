/*
 * x86_64.c: this architecture's side of arch.h: the map of the machine, its interrupt controllers,
 * and how a kernel gets into it.
 *
 * The machine has no firmware and no PCI: what a kernel has to know stands in ACPI tables (acpi.c),
 * and the kernel is entered as a boot loader would (x86_boot.c).
 */
#include <elf.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "arch.h"
#include "error.h"
#include "kernel.h"
#include "kvm.h"
#include "machine.h"
#include "x86.h"

enum { PAGE = 4096, LINUX_COMMAND_LINE_MAX = 2047 };
/* Three pages for KVM's own use, on processors that cannot run real mode by themselves. */
enum { KVM_PAGES = 0xfffbd000 };

const struct arch_map arch_map = {
    .ram_base = 0,
    .hole_base = 0xc0000000,
    .hole_end = 0x100000000,
    .window_base = 0xd0000000,
    .first_line = 5,  /* below are the timer, the cascade and the serial port */
    .line_count = 19, /* to 23, the I/O APIC's last */
    .serial_line = 4,
    .kernel_base = X86_KERNEL,
};

int arch_check_kvm(int kvm)
{
    if (vmm_ioctl(kvm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_PIT2) <= 0) {
        return vmm_fail(-ENOTSUP, "the KVM of this kernel lacks the timer of x86 machines (PIT); "
                                  "use an x86-64 Linux 4.12 or later");
    }
    return 0;
}

/* ---- the probe ---- */

int arch_probe_prepare(int vm_fd, int cpu_fd, uint8_t *memory)
{
    /* mov ecx, 100000;  dec ecx;  jnz back to it;  hlt */
    static const uint8_t code[] = {
        0x66, 0xb9, 0xa0, 0x86, 0x01, 0x00, 0x66, 0x49, 0x75, 0xfc, 0xf4
    };
    enum { CODE_AT = 0x1000 };
    struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
    struct kvm_sregs sregs;

    memcpy(memory + CODE_AT, code, sizeof(code));
    vmm_ioctl(vm_fd, KVM_SET_TSS_ADDR, (void *)(uintptr_t)KVM_PAGES); /* where it is needed */
    long error = vmm_ioctl(cpu_fd, KVM_GET_SREGS, &sregs);
    if (error == 0) {
        sregs.cs.base = 0;
        sregs.cs.selector = 0;
        error = vmm_ioctl(cpu_fd, KVM_SET_SREGS, &sregs);
    }
    return (int)(error == 0 ? vmm_ioctl(cpu_fd, KVM_SET_REGS, &regs) : error);
}

/* ---- the machine ---- */

/*
 * Every line also ends at the old pair of interrupt controllers. As firmware leaves them, they pass
 * nothing on: a kernel that does not know of them would get their interrupts as exceptions.
 */
static long mask_old_controllers(const struct vmm *vmm)
{
    enum { MASTER_VECTOR = 0x08, SLAVE_VECTOR = 0x70 };
    long error = 0;

    for (uint32_t id = KVM_IRQCHIP_PIC_MASTER; error == 0 && id <= KVM_IRQCHIP_PIC_SLAVE; id++) {
        struct kvm_irqchip chip = { .chip_id = id };
        error = vmm_ioctl(vmm->fd, KVM_GET_IRQCHIP, &chip);
        if (error == 0) {
            chip.chip.pic.imr = 0xff;
            chip.chip.pic.irq_base = id == KVM_IRQCHIP_PIC_MASTER ? MASTER_VECTOR : SLAVE_VECTOR;
            error = vmm_ioctl(vmm->fd, KVM_SET_IRQCHIP, &chip);
        }
    }
    return error;
}

int arch_create_machine(struct vmm *vmm)
{
    struct kvm_pit_config timer = { .flags = KVM_PIT_SPEAKER_DUMMY };
    long error = vmm_ioctl(vmm->fd, KVM_SET_TSS_ADDR, (void *)(uintptr_t)KVM_PAGES);

    if (error == 0) {
        error = vmm_ioctl(vmm->fd, KVM_CREATE_IRQCHIP, NULL);
    }
    if (error == 0) {
        error = mask_old_controllers(vmm);
    }
    if (error == 0) {
        error = vmm_ioctl(vmm->fd, KVM_CREATE_PIT2, &timer);
    }
    return error == 0 ? 0
                      : vmm_fail((int)error,
                                 "KVM makes no interrupt controllers and timer for the guest: %s",
                                 strerror((int)-error));
}

/* ---- loading ---- */

static int load_kernel(struct vmm *vmm, struct kernel *kernel)
{
    struct image image;
    uint8_t magic[4] = { 0 };
    int error = image_open(&image, "kernel", vmm->options.kernel);

    if (error < 0) {
        return error;
    }
    if (image.bytes >= sizeof(magic)) {
        error = image_read(&image, 0, magic, sizeof(magic));
    }
    if (error < 0) {
        image_close(&image);
        return error;
    }
    if (elf_matches(magic)) {
        error = elf_load(&image, vmm, EM_X86_64, kernel);
        kernel->command_line_limit = LINUX_COMMAND_LINE_MAX;
    } else if (bzimage_matches(&image)) {
        error = bzimage_load(&image, vmm, kernel);
    } else {
        error = vmm_fail(-EINVAL,
                         "%s is no kernel: neither a bzImage (vmlinuz) nor an ELF file "
                         "(vmlinux)",
                         image.path);
    }
    image_close(&image);
    return error;
}

/* As high as it may be: a kernel takes memory from below first. */
static int load_initrd(const struct vmm *vmm, const struct kernel *kernel,
                       struct x86_initrd *initrd)
{
    uint64_t top = vmm->parts[0].bytes;
    struct image image;

    *initrd = (struct x86_initrd){ 0, 0 };
    if (!vmm->options.initrd) {
        return 0;
    }
    int error = image_open(&image, "initrd", vmm->options.initrd);
    if (error < 0) {
        return error;
    }
    top = top < kernel->initrd_limit ? top : kernel->initrd_limit;
    /* Linux takes it that the first byte of an initrd is the first of a page. */
    uint64_t gpa = image.bytes <= top ? (top - image.bytes) & ~(uint64_t)(PAGE - 1) : 0;
    if (gpa < kernel->end) {
        error = vmm_fail(-ENOMEM,
                         "the initrd %s has %llu MiB, and beside the kernel only %llu MiB of the "
                         "guest's memory are left; give it more, with --memory",
                         image.path, (unsigned long long)(image.bytes >> 20),
                         (unsigned long long)(kernel->end > top ? 0 : (top - kernel->end) >> 20));
    } else {
        *initrd = (struct x86_initrd){ gpa, image.bytes };
        error = image_load(&image, vmm, 0, image.bytes, gpa);
    }
    image_close(&image);
    return error;
}

static int load_command_line(const struct vmm *vmm, const struct kernel *kernel)
{
    uint64_t bytes = strlen(vmm->command_line);
    void *to = memory_at(vmm, X86_COMMAND_LINE, bytes + 1);

    if (bytes > kernel->command_line_limit || !to) {
        return vmm_fail(-EINVAL,
                        "the kernel's command line has %llu bytes%s, and this kernel takes "
                        "%llu; make it shorter%s",
                        (unsigned long long)bytes,
                        vmm->options.windows_in_command_line ? " with its words for the disks" : "",
                        (unsigned long long)kernel->command_line_limit,
                        vmm->options.windows_in_command_line ? ", or use --devices acpi" : "");
    }
    memcpy(to, vmm->command_line, bytes + 1);
    return 0;
}

/*
 * The one thing that is left of a firmware. On a hardware-reduced machine Linux takes it that EFI
 * resets it, and where there is no EFI it jumps to the BIOS.
 */
static void write_reset_vector(const struct vmm *vmm)
{
    /* mov dx, X86_PORT_RESET;  mov al, X86_RESET_VALUE;  out dx, al;  hlt;  jmp back to it */
    static const uint8_t code[] = {
        0xba, X86_PORT_RESET & 0xff, X86_PORT_RESET >> 8, 0xb0, X86_RESET_VALUE, 0xee, 0xf4, 0xeb,
        0xfd
    };

    memcpy(memory_at(vmm, X86_RESET_VECTOR, sizeof(code)), code, sizeof(code));
}

static bool wants_pvh(const struct vmm *vmm, const struct kernel *kernel)
{
    return vmm->options.boot != VMM_BOOT_LINUX && kernel->pvh_entry != 0;
}

/* A kernel that would crash with its first instruction is better told so. */
static int check_entry(const struct vmm *vmm, const struct kernel *kernel)
{
    uint64_t entry = wants_pvh(vmm, kernel) ? kernel->pvh_entry : kernel->entry;

    if (entry >= arch_map.kernel_base && entry < kernel->end) {
        return 0;
    }
    return vmm_fail(
        -EINVAL,
        "the kernel %s begins at address 0x%llx, where nothing of it is loaded; use its "
        "bzImage (vmlinuz), or one that has a PVH entry",
        vmm->options.kernel, (unsigned long long)entry);
}

int arch_load(struct vmm *vmm)
{
    struct kernel kernel = { 0 };
    struct x86_initrd initrd = { 0 };
    int error;

    if (!memory_at(vmm, 0, X86_KERNEL)) {
        return vmm_fail(-ENOMEM,
                        "%llu KiB of memory are too little for any kernel; give the guest "
                        "more, with --memory",
                        (unsigned long long)(vmm->options.memory_bytes >> 10));
    }
    error = load_kernel(vmm, &kernel);
    if (error == 0 && vmm->options.boot == VMM_BOOT_PVH && kernel.pvh_entry == 0) {
        error = vmm_fail(-EINVAL,
                         "the kernel %s has no PVH entry: use an ELF kernel (vmlinux) that "
                         "was built with CONFIG_PVH, or leave out --boot pvh",
                         vmm->options.kernel);
    }
    if (error == 0) {
        error = check_entry(vmm, &kernel);
    }
    if (error == 0) {
        error = load_initrd(vmm, &kernel, &initrd);
    }
    if (error == 0) {
        error = load_command_line(vmm, &kernel);
    }
    if (error == 0) {
        write_reset_vector(vmm);
        error = acpi_write(vmm);
    }
    if (error < 0) {
        return error;
    }
    return wants_pvh(vmm, &kernel) ? x86_boot_pvh(vmm, &kernel, &initrd)
                                   : x86_boot_linux(vmm, &kernel, &initrd);
}

int arch_prepare_cpu(struct vmm_cpu *cpu)
{
    return x86_prepare_cpu(cpu);
}

/* ---- exits ---- */

bool arch_handle_exit(struct vmm_cpu *cpu, struct kvm_run *run)
{
    if (run->exit_reason != KVM_EXIT_IO) {
        return false;
    }
    x86_ports(cpu, run);
    return true;
}

uint64_t arch_program_counter(const struct vmm_cpu *cpu)
{
    struct kvm_regs regs = { 0 };

    vmm_ioctl(cpu->fd, KVM_GET_REGS, &regs);
    return regs.rip;
}
