/*
 * vcpu.c: the threads of the processors: into the guest, out of it, and what made it come out.
 *
 *   cpu_thread: KVM_RUN ──exit──> handle ──> KVM_RUN ...     until the machine is stopping
 *
 * A thread is taken out of the guest by a signal whose handler sets immediate_exit: whether the
 * signal comes before KVM_RUN or within it, KVM_RUN returns. Here the guest's processor waits for
 * nothing: registers answer at once, and disks work on threads of their own.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch.h"
#include "error.h"
#include "kvm.h"
#include "machine.h"

static _Thread_local struct kvm_run *own_run; /* for the handler, on the thread that it runs on */

void cpu_count_one(struct vmm_cpu *cpu, enum vmm_count which)
{
    uint64_t now = atomic_load_explicit(&cpu->counts[which], memory_order_relaxed);

    atomic_store_explicit(&cpu->counts[which], now + 1, memory_order_relaxed);
}

/* ---- exits ---- */

static void system_event(struct vmm *vmm, uint32_t type)
{
    switch (type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        machine_end(vmm, VMM_POWERED_OFF);
        break;
    case KVM_SYSTEM_EVENT_CRASH:
        machine_end(vmm, VMM_PANICKED);
        break;
    default:
        machine_end(vmm, VMM_RESET);
        break;
    }
}

static enum vmm_count kind_of(uint32_t reason)
{
    return reason == KVM_EXIT_MMIO ? COUNT_EXITS_MMIO
           : reason == KVM_EXIT_IO ? COUNT_EXITS_IO
                                   : COUNT_EXITS_OTHER;
}

static void handle_exit(struct vmm_cpu *cpu)
{
    struct kvm_run *run = cpu->run;
    struct vmm *vmm = cpu->vmm;

    switch (run->exit_reason) {
    case KVM_EXIT_MMIO:
        windows_access(cpu, run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
        return;
    case KVM_EXIT_SHUTDOWN: /* a fault while handling a fault while handling a fault */
        machine_end(vmm, VMM_RESET);
        return;
    case KVM_EXIT_SYSTEM_EVENT:
        system_event(vmm, run->system_event.type);
        return;
    case KVM_EXIT_INTR:
        return;
    case KVM_EXIT_FAIL_ENTRY:
        machine_fail(vmm,
                     "KVM cannot enter the guest on processor %u (hardware reason 0x%llx); the "
                     "kernel's log on the host may say more",
                     cpu->index, (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        return;
    case KVM_EXIT_INTERNAL_ERROR:
        machine_fail(vmm,
                     "KVM cannot go on with the guest on processor %u at 0x%llx (internal error "
                     "%u); the kernel's log on the host may say more",
                     cpu->index, (unsigned long long)arch_program_counter(cpu),
                     run->internal.suberror);
        return;
    default:
        if (!arch_handle_exit(cpu, run)) {
            machine_fail(vmm,
                         "the guest left processor %u at 0x%llx for a reason that is not known "
                         "here (%u)",
                         cpu->index, (unsigned long long)arch_program_counter(cpu),
                         run->exit_reason);
        }
        return;
    }
}

static int stop_signal(void)
{
    return SIGRTMIN;
}

static void *cpu_thread(void *opaque)
{
    struct vmm_cpu *cpu = opaque;
    struct vmm *vmm = cpu->vmm;

    own_run = cpu->run;
    while (!atomic_load(&vmm->stopping)) {
        int result = ioctl(cpu->fd, KVM_RUN, 0);
        if (result == 0) {
            cpu_count_one(cpu, COUNT_EXITS);
            cpu_count_one(cpu, kind_of(cpu->run->exit_reason));
            handle_exit(cpu);
        } else if (errno != EINTR && errno != EAGAIN) {
            machine_fail(vmm, "KVM cannot run processor %u: %s", cpu->index, strerror(errno));
        }
    }
    return NULL;
}

/* ---- starting and stopping ---- */

/*
 * A processor's thread takes no signal that is meant for the program: one that the main thread has
 * in its handler would otherwise be handled here at the same time. It takes what its own
 * instructions raise, and the one that stops it, whatever whoever started the program has blocked.
 */
static int create_thread(struct vmm_cpu *cpu)
{
    const int own[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, stop_signal() };
    sigset_t blocked, before;

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        sigdelset(&blocked, own[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = pthread_create(&cpu->thread, NULL, cpu_thread, cpu);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void leave_guest(int number)
{
    (void)number;
    if (own_run) {
        own_run->immediate_exit = 1;
    }
}

static int create_cpu(struct vmm *vmm, unsigned index, size_t run_bytes)
{
    struct vmm_cpu *cpu = &vmm->cpus[index];
    long fd = vmm_ioctl(vmm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)index);

    if (fd < 0) {
        return vmm_fail((int)fd, "KVM makes no processor number %u: %s; use fewer, with --cpus",
                        index + 1, strerror((int)-fd));
    }
    cpu->vmm = vmm;
    cpu->index = index;
    cpu->fd = (int)fd;
    cpu->run_bytes = run_bytes;
    cpu->run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    if (cpu->run == MAP_FAILED) {
        int error = -errno;
        close(cpu->fd);
        return vmm_fail(error, "no memory for processor number %u: %s", index + 1,
                        strerror(-error));
    }
    vmm->cpu_count = index + 1;
    return 0;
}

int cpus_create(struct vmm *vmm)
{
    long run_bytes = vmm_ioctl(vmm->options.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    long most = vmm_ioctl(vmm->options.kvm_fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_MAX_VCPUS);

    if (run_bytes < (long)sizeof(struct kvm_run)) {
        return vmm_fail(-ENOTSUP, "KVM does not say how a processor is run");
    }
    if (most > 0 && vmm->options.cpus > (unsigned long)most) {
        return vmm_fail(-EINVAL,
                        "this KVM makes at most %ld processors for a guest; use fewer, with "
                        "--cpus",
                        most);
    }
    vmm->cpus = calloc(vmm->options.cpus, sizeof(*vmm->cpus));
    if (!vmm->cpus) {
        return vmm_fail(-ENOMEM, "out of memory");
    }
    for (unsigned i = 0; i < vmm->options.cpus; i++) {
        int error = create_cpu(vmm, i, (size_t)run_bytes);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

int cpus_start(struct vmm *vmm)
{
    struct sigaction action = { .sa_handler =
                                    leave_guest }; /* no SA_RESTART: calls end with EINTR */

    sigemptyset(&action.sa_mask);
    sigaction(stop_signal(), &action, NULL);
    for (unsigned i = 0; i < vmm->cpu_count; i++) {
        struct vmm_cpu *cpu = &vmm->cpus[i];
        char name[16];
        int error = create_thread(cpu);
        if (error != 0) {
            cpus_stop(vmm);
            return vmm_fail(-error, "cannot start a thread for processor number %u: %s", i + 1,
                            strerror(error));
        }
        cpu->started = true;
        snprintf(name, sizeof(name), "vcpu-%u", i % 1000);
        pthread_setname_np(cpu->thread, name);
    }
    return 0;
}

void cpus_stop(struct vmm *vmm)
{
    atomic_store(&vmm->stopping, true);
    for (unsigned i = 0; i < vmm->cpu_count; i++) {
        if (vmm->cpus[i].started) {
            pthread_kill(vmm->cpus[i].thread, stop_signal());
        }
    }
    for (unsigned i = 0; i < vmm->cpu_count; i++) {
        struct vmm_cpu *cpu = &vmm->cpus[i];
        if (cpu->started) {
            pthread_join(cpu->thread, NULL);
            cpu->started = false;
        }
    }
}

void cpus_destroy(struct vmm *vmm)
{
    for (unsigned i = 0; i < vmm->cpu_count; i++) {
        munmap(vmm->cpus[i].run, vmm->cpus[i].run_bytes);
        close(vmm->cpus[i].fd);
    }
    free(vmm->cpus);
}
