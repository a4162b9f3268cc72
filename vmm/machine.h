/*
 * machine.h: what the files of vmm/ share: the machine, its processors and its windows.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tenon/mem.h>
#include <tenon/mmio.h>

#include "serial.h"
#include "vmm.h"

struct kvm_run;

enum { WINDOW_BYTES = 0x1000 };

/* One thread writes, any thread reads. */
enum vmm_count {
    COUNT_EXITS,      /* every return from the guest to us */
    COUNT_EXITS_IO,   /* x86 I/O ports */
    COUNT_EXITS_MMIO, /* addresses without memory */
    COUNT_EXITS_OTHER,
    COUNT_KICKS_BY_EXIT, /* writes to QueueNotify that no ioeventfd caught */
    COUNT_MMIO_READS,    /* registers of windows */
    COUNT_MMIO_WRITES,
    COUNT_END
};

struct vmm_cpu {
    struct vmm *vmm;
    unsigned index;
    int fd;
    struct kvm_run *run;
    size_t run_bytes;
    pthread_t thread;
    bool started;
    _Atomic uint64_t counts[COUNT_END];
};

/* A run of guest memory. */
struct vmm_ram {
    uint64_t gpa, bytes;
    uint8_t *host;
};

enum { RAM_PARTS = 2 };

struct vmm_window {
    struct vmm *vmm;
    struct tenon_device *device;
    struct tenon_mmio *mmio;
    uint64_t base;
    unsigned line;
    bool level;
    int irq_fd;      /* written: the line goes up (level), or up and down (edge) */
    int resample_fd; /* level: readable when the guest has ended its interrupt; else -1 */
    struct tenon_watch *resample_watch;
};

/* Where the first processor begins, and what it finds there. */
struct vmm_start_state {
    uint64_t entry;    /* guest address of the first instruction */
    uint64_t argument; /* guest address of what the boot protocol hands over */
    int protocol;      /* the architecture's */
};

struct vmm {
    struct vmm_options options;
    int fd;
    struct tenon_mem *mem;
    uint8_t *ram; /* all of it, in one mapping */
    struct vmm_ram parts[RAM_PARTS];
    unsigned part_count;
    struct vmm_window *windows;
    unsigned window_count;
    struct vmm_cpu *cpus;
    unsigned cpu_count; /* of those that exist */
    struct serial serial;
    int serial_irq_fd;
    char *command_line; /* as the guest gets it */
    struct vmm_start_state start;
    atomic_bool stopping;
    _Atomic int end; /* enum vmm_end */
    char failure[256];
};

/* machine.c: the guest has ended. The first who says so is heard; any thread of the machine. */
void machine_end(struct vmm *vmm, enum vmm_end end);
void machine_fail(struct vmm *vmm, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A new eventfd that does not block, or vmm_fail. */
int machine_eventfd(void);
/* Lets `fd` raise an interrupt line when it is written to. */
int machine_irqfd(struct vmm *vmm, int fd, unsigned line, int resample_fd);

/* memory.c */
int memory_create(struct vmm *vmm);
void memory_destroy(struct vmm *vmm);
/* Where this guest memory is, or NULL if not all of it is RAM. */
void *memory_at(const struct vmm *vmm, uint64_t gpa, uint64_t bytes);

/* window.c */
int windows_create(struct vmm *vmm);
void windows_destroy(struct vmm *vmm);
/* The guest's access to an address without memory. */
void windows_access(struct vmm_cpu *cpu, uint64_t address, uint8_t *data, unsigned bytes,
                    bool is_write);

/* vcpu.c */
int cpus_create(struct vmm *vmm);
int cpus_start(struct vmm *vmm);
void cpus_stop(struct vmm *vmm);
void cpus_destroy(struct vmm *vmm);
void cpu_count_one(struct vmm_cpu *cpu, enum vmm_count which);

#endif
