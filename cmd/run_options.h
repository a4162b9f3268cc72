/*
 * run_options.h: what a command line of `tenon run` asks for.
 */
#ifndef TENON_RUN_OPTIONS_H
#define TENON_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "admin.h"
#include "device_options.h"
#include "vmm/vmm.h"
#include "worker_pool.h"

struct run_options {
    struct device_list list;
    const char *kernel;
    const char *initrd; /* NULL: none */
    const char *command_line;
    const char *stats; /* where counters are written at the end, "-": stderr; NULL: nowhere */
    struct admin_options admin;
    uint64_t memory_bytes, huge_page_bytes;
    unsigned cpus;
    struct worker_pool_options pool;
    enum vmm_boot boot;
    enum vmm_trigger trigger;
    bool windows_in_command_line;
    bool no_kvm_probe;
    bool help;
};

/* Reads argv. False: reported. Give it back with run_options_free either way. */
bool run_options_read(struct run_options *options, int argc, char **argv);
void run_options_free(struct run_options *options);

#endif
