/*
 * checks.h: the groups of cases, each in the file of its name. They expect the two disks that
 * test_bare.sh makes; `check_shared` wants more, and `check_second` a second processor.
 */
#ifndef BARE_CHECKS_H
#define BARE_CHECKS_H

#include <stdint.h>

#include "interrupts.h"

/* The disks of test_bare.sh: window 0 can be written, window 1 cannot. */
enum { DISK_SECTORS = 2048, READ_ONLY_SECTORS = 128, QUEUE_MAX = 256 };

void check_machine(uint64_t boot_params, uint64_t memory_bytes);
void check_serial(void);
void check_registers(void);
void check_status(void);
void check_queues(void);
void check_config(void);
void check_requests(void);
void check_interrupts(enum line_mode mode);
void check_faults(enum line_mode mode);
void check_stops(void);
void check_shared(void);
void check_second(void);

#endif
