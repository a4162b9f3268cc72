/*
 * arch.h: what an architecture brings. x86_64.c is the one there is; another one is one more file
 * that fills these, beside whatever describes its hardware to a kernel (a device tree, say).
 */
#ifndef VMM_ARCH_H
#define VMM_ARCH_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_run;
struct vmm;
struct vmm_cpu;

/* Where the parts of a machine are: guest-physical addresses and interrupt lines. */
extern const struct arch_map {
    uint64_t ram_base;
    uint64_t hole_base, hole_end;    /* no RAM here; what does not fit goes behind it */
    uint64_t window_base;            /* of the first virtio-mmio window */
    unsigned first_line, line_count; /* interrupt lines that windows may have */
    unsigned serial_line;
    uint64_t kernel_base; /* kernels are put here or above: what is below belongs to the tables */
} arch_map;

/* What KVM has to offer beyond what every machine needs. 0 or vmm_fail. */
int arch_check_kvm(int kvm);

/* Puts a loop of 100,000 turns and a halt into `memory` (16 KiB at guest address 0) and sets the
 * processor to its beginning. 0 or a negative errno. */
int arch_probe_prepare(int vm_fd, int cpu_fd, uint8_t *memory);

/* Interrupt controllers and timers: before any processor exists. */
int arch_create_machine(struct vmm *vmm);

/* Kernel, initrd, command line and tables into guest memory. Processors and windows exist. */
int arch_load(struct vmm *vmm);

/* Features and registers of one processor. Everything is loaded. */
int arch_prepare_cpu(struct vmm_cpu *cpu);

/* An exit that no other architecture has. False: it is not known here either. */
bool arch_handle_exit(struct vmm_cpu *cpu, struct kvm_run *run);

/* Where the processor was, for the sentence about a guest that cannot go on. */
uint64_t arch_program_counter(const struct vmm_cpu *cpu);

#endif
