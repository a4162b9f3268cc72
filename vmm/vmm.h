/*
 * vmm.h: the door of vmm/: a Linux guest on KVM whose devices are Tenon's, behind virtio-mmio.
 *
 *   vmm_kvm_open ──> vmm_new ──> vmm_start ──> ... ended() ──> vmm_stop ──> vmm_free
 *
 * It is the reference for whoever embeds the library: everything in this folder is written against
 * the public headers <tenon/...> alone. What is a program's business (options, terminal, signals,
 * exit codes) is not here.
 *
 *   machine.c   how a machine is put together and ends       window.c   a device, its registers,
 *   vcpu.c      the threads of the processors, exits                    kicks and interrupt
 *   memory.c    guest memory                                 serial.c   the console's port
 *   arch.h      what an architecture brings; x86_*.c acpi.c aml.c bzimage.c elf.c: x86-64
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/device.h>
#include <tenon/worker.h>

struct vmm;

enum vmm_end {
    VMM_RUNS = 0,
    VMM_POWERED_OFF,
    VMM_RESET,    /* it asked to start again, or crashed so deeply that a processor gave up */
    VMM_PANICKED, /* its kernel said so (pvpanic) */
    VMM_FAILED    /* the host could not go on: vmm_failure says why */
};

/* How an ELF kernel is entered; a bzImage is always entered by the 64-bit boot protocol. */
enum vmm_boot {
    VMM_BOOT_AUTO = 0, /* PVH if the kernel has that entry */
    VMM_BOOT_PVH,
    VMM_BOOT_LINUX
};

enum vmm_trigger {
    VMM_TRIGGER_AUTO = 0, /* edge, and level where windows have to share a line */
    VMM_TRIGGER_EDGE,
    VMM_TRIGGER_LEVEL
};

enum { VMM_DEVICES_MAX = 256, VMM_CPUS_MAX = 254 };

struct vmm_options {
    int kvm_fd; /* from vmm_kvm_open; stays the caller's */
    const char *kernel;
    const char *initrd; /* NULL: none */
    const char *command_line;
    enum vmm_boot boot;
    uint64_t memory_bytes;    /* a multiple of the page size used */
    uint64_t huge_page_bytes; /* 0: pages of the usual size */
    unsigned cpus;
    struct tenon_device **devices; /* window i is devices[i]'s; they outlive the machine */
    unsigned device_count;
    enum vmm_trigger trigger;
    /* name the windows on the command line, for kernels that do not read ACPI tables */
    bool windows_in_command_line;
    /* runs the machine's own callbacks; has to be turned while the machine runs */
    struct tenon_worker *worker;

    /* Once, when the guest has ended by itself. On a thread of the machine: post, do not work. */
    void (*ended)(void *opaque, enum vmm_end end);
    /*
     * The guest wrote to its console: takes what it can without waiting, and returns how much.
     * After taking less than all it calls vmm_console_ready when it can take more. On a vCPU's
     * thread.
     */
    size_t (*console_write)(void *opaque, const uint8_t *bytes, size_t count);
    /* The console can take input again that vmm_console_input refused. On a vCPU's thread. */
    void (*console_hungry)(void *opaque);
    void *opaque;
};

/*
 * Opens /dev/kvm. With `probe` it also runs a short loop in a guest, which tells a KVM that cannot
 * run a stock kernel (one that emulates privileged code). A descriptor; or a negative errno, and
 * vmm_error() says in one sentence what is wrong with it and what to do.
 */
int vmm_kvm_open(bool probe);

/* Makes the machine and loads the kernel; nothing runs yet. A negative errno: see vmm_error(). */
int vmm_new(const struct vmm_options *options, struct vmm **out);

/* Starts the processors. Once. */
int vmm_start(struct vmm *vmm);

/*
 * Takes every processor out of the guest and ends its thread, also when the guest has not ended.
 * It does not wait for disks, except that a processor may be in a reset (half a second). The
 * devices go on with what they have in hand: pause them afterwards.
 */
void vmm_stop(struct vmm *vmm);

/*
 * Ends the machine; stops it first. Waits until its devices are quiet: reset them before, with a
 * deadline (tenon_device_reset), where a disk may hang. Accepts NULL.
 */
void vmm_free(struct vmm *vmm);

/* How the guest ended, and the sentence for VMM_FAILED. Any thread. */
enum vmm_end vmm_how_ended(const struct vmm *vmm);
const char *vmm_failure(const struct vmm *vmm);

/* Input for the console; returns how much of it was taken (console_hungry says when to go on). */
size_t vmm_console_input(struct vmm *vmm, const uint8_t *bytes, size_t count);
/* console_write can take more. Any thread. */
void vmm_console_ready(struct vmm *vmm);

/* What the processors have done: calls fn for each counter. Any thread. */
typedef void vmm_stats_fn(void *opaque, const char *name, uint64_t value);
void vmm_stats(const struct vmm *vmm, vmm_stats_fn *fn, void *opaque);

/* The sentence behind the last negative errno of a function of this header, on this thread. */
const char *vmm_error(void);

#endif
