/*
 * Says whether /dev/kvm can run a stock kernel: exit status 0 if so, 1 with a reason if not.
 *
 *   mov ecx, 1000000; loop: dec ecx; jnz loop; hlt        in real mode, timed
 *
 * A paravirtual /dev/kvm offers the whole interface but emulates each privileged-mode instruction
 * (about a second for the loop), and no stock kernel gets through its boot there. Hardware needs
 * less than a millisecond, KVM inside a software-emulated machine some ten.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

enum { GUEST_BYTES = 0x2000, CODE_AT = 0x1000, LIMIT_MS = 100 };

static const uint8_t code[] = {
    0x66, 0xb9, 0x40, 0x42, 0x0f, 0x00, /* mov ecx, 1000000 */
    0x66, 0x49,                         /* dec ecx */
    0x75, 0xfc,                         /* jnz back to dec */
    0xf4,                               /* hlt */
};

static int unusable(const char *what)
{
    printf("%s\n", what);
    return 1;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) {
        return unusable(kvm < 0 ? "/dev/kvm cannot be opened" : "/dev/kvm makes no machine");
    }
    uint8_t *mem =
        mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED) {
        return unusable("no memory for the probe");
    }
    memcpy(mem + CODE_AT, code, sizeof(code));
    struct kvm_userspace_memory_region region = { .memory_size = GUEST_BYTES,
                                                  .userspace_addr = (uintptr_t)mem };
    int vcpu = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
    int run_bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (vcpu < 0 || run_bytes <= 0) {
        return unusable("/dev/kvm makes no processor");
    }
    struct kvm_run *run =
        mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
    if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &sregs)) {
        return unusable("the processor of /dev/kvm cannot be set up");
    }
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs)) {
        return unusable("the processor of /dev/kvm cannot be set up");
    }
    double start = now_ms();
    if (ioctl(vcpu, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_HLT) {
        return unusable("/dev/kvm does not run a simple loop");
    }
    double took = now_ms() - start;
    printf("a loop of a million took %.1f ms\n", took);
    return took < LIMIT_MS ? 0 : 1;
}
