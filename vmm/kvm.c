/*
 * kvm.c: /dev/kvm: opening it, and finding out whether it is good for a stock kernel.
 *
 * There are paravirtual ones that offer the whole interface but emulate each instruction of the
 * guest's kernel: a boot takes minutes there and does not get to its end. A short loop in a guest
 * tells: hardware needs some 50 microseconds for it, KVM within a software-emulated machine about a
 * millisecond, a paravirtual one a hundred.
 */
#include "kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tenon/worker.h>

#include "arch.h"
#include "error.h"
#include "vmm.h"

enum { PROBE_TRIES = 3, PROBE_LIMIT_MS = 25, PROBE_BYTES = 0x4000 };

long vmm_ioctl(int fd, unsigned int request, void *argument)
{
    long result;

    do {
        result = ioctl(fd, request, argument);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

static int check_extensions(int kvm)
{
    static const struct {
        int number;
        const char *name;
    } needed[] = {
        { KVM_CAP_IRQCHIP, "an interrupt controller in the kernel" },
        { KVM_CAP_USER_MEMORY, "guest memory of a process" },
        { KVM_CAP_IRQFD, "interrupts by descriptor (irqfd)" },
        { KVM_CAP_IRQFD_RESAMPLE, "level-triggered interrupts by descriptor" },
        { KVM_CAP_IOEVENTFD, "kicks by descriptor (ioeventfd)" },
        { KVM_CAP_IMMEDIATE_EXIT, "taking a processor out of the guest" },
    };

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (vmm_ioctl(kvm, KVM_CHECK_EXTENSION, (void *)(uintptr_t)needed[i].number) <= 0) {
            return vmm_fail(-ENOTSUP,
                            "the KVM of this kernel lacks %s; use a Linux 4.12 or later with a "
                            "hardware KVM",
                            needed[i].name);
        }
    }
    return arch_check_kvm(kvm);
}

/* ---- the probe ---- */

/* Each of these: the time of the loop in nanoseconds, or a negative errno. */
static int64_t time_run(int vm, int cpu, const struct kvm_run *run, uint8_t *memory)
{
    long error = arch_probe_prepare(vm, cpu, memory);
    uint64_t start = tenon_now();

    if (error == 0) {
        error = vmm_ioctl(cpu, KVM_RUN, 0);
    }
    if (error < 0) {
        return error;
    }
    return run->exit_reason == KVM_EXIT_HLT ? (int64_t)(tenon_now() - start) : -ENOTSUP;
}

static int64_t time_cpu(int vm, int cpu, long run_bytes, uint8_t *memory)
{
    struct kvm_run *run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);

    if (run == MAP_FAILED) {
        return -errno;
    }
    int64_t result = time_run(vm, cpu, run, memory);
    munmap(run, (size_t)run_bytes);
    return result;
}

static int64_t time_machine(int kvm, int vm, uint8_t *memory)
{
    struct kvm_userspace_memory_region region = { .memory_size = PROBE_BYTES,
                                                  .userspace_addr = (uintptr_t)memory };
    long run_bytes = vmm_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

    if (run_bytes < 0) {
        return run_bytes;
    }
    long cpu = vmm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
    if (cpu == 0) {
        cpu = vmm_ioctl(vm, KVM_CREATE_VCPU, 0);
    }
    if (cpu < 0) {
        return cpu;
    }
    int64_t result = time_cpu(vm, (int)cpu, run_bytes, memory);
    close((int)cpu);
    return result;
}

static int64_t time_loop(int kvm, uint8_t *memory)
{
    long vm = vmm_ioctl(kvm, KVM_CREATE_VM, 0);

    if (vm < 0) {
        return vm;
    }
    int64_t result = time_machine(kvm, (int)vm, memory);
    close((int)vm);
    return result;
}

/* The best of some tries: another program may have had the processor meanwhile. */
static int probe(int kvm)
{
    uint8_t *memory =
        mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t best = -ENOMEM;

    if (memory == MAP_FAILED) {
        return vmm_fail(-ENOMEM, "no memory for trying out /dev/kvm");
    }
    for (int i = 0; i < PROBE_TRIES; i++) {
        int64_t took = time_loop(kvm, memory);
        best = i == 0 || took < best ? took : best;
        if (best <= PROBE_LIMIT_MS * INT64_C(1000000)) {
            break; /* good, or failed altogether */
        }
    }
    munmap(memory, PROBE_BYTES);
    if (best < 0) {
        return vmm_fail(-ENOTSUP,
                        "/dev/kvm does not run even a short loop (%s); use a machine with "
                        "a hardware KVM, or QEMU with `tenon blk`",
                        strerror((int)-best));
    }
    if (best > PROBE_LIMIT_MS * INT64_C(1000000)) {
        return vmm_fail(
            -ENOTSUP,
            "/dev/kvm is a paravirtual one that cannot run a stock kernel (a short loop "
            "took %d ms); use a machine with a hardware KVM, or QEMU with `tenon blk`",
            (int)(best / 1000000));
    }
    return 0;
}

static int fail_open(int error)
{
    switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return vmm_fail(-error, "there is no /dev/kvm; turn on virtualization in the firmware and "
                                "load the module kvm-intel or kvm-amd, or use QEMU with `tenon "
                                "blk`");
    case EACCES:
    case EPERM:
        return vmm_fail(-error, "/dev/kvm may not be opened; become a member of the group kvm (as "
                                "root: adduser USER kvm) and log in again");
    default:
        return vmm_fail(-error, "cannot open /dev/kvm: %s", strerror(error));
    }
}

int vmm_kvm_open(bool with_probe)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        return fail_open(errno);
    }
    int error = 0;
    long version = vmm_ioctl(kvm, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        error = vmm_fail(-ENOTSUP,
                         "/dev/kvm speaks version %ld of its interface, and 12 is needed; "
                         "use a Linux 4.12 or later",
                         version);
    }
    if (error == 0) {
        error = check_extensions(kvm);
    }
    if (error == 0 && with_probe) {
        error = probe(kvm);
    }
    if (error < 0) {
        close(kvm);
        return error;
    }
    return kvm;
}
