/*
 * guest.h: a machine without KVM, for tests of what is written into a guest's memory before it
 * runs: memory, windows and options, laid out as memory.c and window.c would.
 */
#ifndef GUEST_H
#define GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/arch.h"
#include "vmm/machine.h"

/* Fills `vmm` with memory that costs nothing until it is touched. */
static inline void guest_open(struct vmm *vmm, uint64_t bytes)
{
    uint64_t hole = arch_map.hole_base, low = bytes < hole ? bytes : hole;

    memset(vmm, 0, sizeof(*vmm));
    vmm->options.memory_bytes = bytes;
    vmm->options.cpus = 1;
    vmm->options.command_line = "console=ttyS0";
    vmm->ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(vmm->ram, MAP_FAILED);
    vmm->parts[vmm->part_count++] = (struct vmm_ram){ 0, low, vmm->ram };
    if (bytes > low) {
        vmm->parts[vmm->part_count++] =
            (struct vmm_ram){ arch_map.hole_end, bytes - low, vmm->ram + low };
    }
    vmm->command_line = strdup(vmm->options.command_line);
}

static inline void guest_set_command_line(struct vmm *vmm, const char *text)
{
    free(vmm->command_line);
    vmm->command_line = strdup(text);
}

/* Windows without devices, on the lines that they would get. */
static inline void guest_add_windows(struct vmm *vmm, unsigned count, bool level)
{
    vmm->windows = calloc(count, sizeof(*vmm->windows));
    vmm->window_count = vmm->options.device_count = count;
    for (unsigned i = 0; i < count; i++) {
        vmm->windows[i] =
            (struct vmm_window){ .vmm = vmm,
                                 .base = arch_map.window_base + (uint64_t)i * WINDOW_BYTES,
                                 .line = arch_map.first_line + i % arch_map.line_count,
                                 .level = level };
    }
}

static inline void guest_close(struct vmm *vmm)
{
    munmap(vmm->ram, vmm->options.memory_bytes);
    free(vmm->windows);
    free(vmm->command_line);
}

#endif
