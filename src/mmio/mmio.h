/*
 * mmio.h: the register window's own structure: the door of mmio/, which nobody but its own files
 * opens.
 *
 *   mmio.c        the register file: who answers which offset; interrupts
 *   status.c      the status register's machine, as a table; reset
 *   queue_regs.c  the registers of the selected queue
 *
 * Threads: vCPU threads come in through tenon_mmio_read and _write, workers through the bus ops.
 * Status, InterruptStatus, QueueReady and config space are read and interrupts are raised without a
 * lock; everything a driver sets up is under `lock`.
 */
#ifndef TN_MMIO_MMIO_H
#define TN_MMIO_MMIO_H

#include <pthread.h>
#include <stdbool.h>

#include "spec/virtio.h"
#include "spec/virtio_mmio.h"
#include "tenon/bus.h"
#include "tenon/mmio.h"

enum { MMIO_FEATURE_WORDS = 4, MMIO_RESET_WAIT_MS = 500 };

struct mmio_queue {
    uint32_t size;
    uint64_t desc, driver, device; /* guest addresses */
    uint32_t ready;                /* atomic: goes back to 0 on the queue's worker */
    uint32_t resetting;            /* atomic: QueueReset reads this */
    uint32_t stopping; /* atomic: QueueReady was written 0, and it has not stopped yet */
};

struct tenon_mmio {
    struct tenon_device *device;
    struct tenon_mem *mem;
    void (*irq)(void *opaque, int level);
    void *opaque;
    uint32_t vendor_id;
    unsigned queue_count;
    uint32_t status;           /* atomic */
    uint32_t interrupt_status; /* atomic */

    pthread_mutex_t lock;
    /* under lock */
    uint32_t device_features_sel, driver_features_sel, queue_sel;
    uint32_t driver_features[MMIO_FEATURE_WORDS];
    bool driver_features_bad; /* bits were accepted in a word that does not exist (MMIO-08) */
    struct mmio_queue *queues;

    pthread_mutex_t reset_lock;
    pthread_cond_t reset_done;
    bool resetting; /* under reset_lock; written with `lock` held too */
};

/* mmio.c */
void mmio_raise(struct tenon_mmio *mmio, uint32_t bits);
void mmio_set_line(struct tenon_mmio *mmio, int level);
uint32_t mmio_status(const struct tenon_mmio *mmio);
void mmio_needs_reset(struct tenon_mmio *mmio);

/* status.c */
void mmio_status_write(struct tenon_mmio *mmio, uint32_t value);
bool mmio_is_resetting(struct tenon_mmio *mmio);
void mmio_reset_wait(struct tenon_mmio *mmio, bool forever);
void mmio_reset_begin(struct tenon_mmio *mmio);

/* queue_regs.c: under lock */
uint32_t mmio_queue_read(struct tenon_mmio *mmio, uint32_t offset);
void mmio_queue_write(struct tenon_mmio *mmio, uint32_t offset, uint32_t value);
void mmio_queues_start(struct tenon_mmio *mmio);
void mmio_queues_stop(struct tenon_mmio *mmio);

#endif
