/*
 * disk.h: the door of disk/: the library's view of a disk.
 *
 *   file.c memory_disk.c custom.c     what a disk is (its body)
 *   inline.c threads.c uring.c mapped.c how its operations run (its engine): a channel over a body
 *
 * Knows no virtio. A device calls the functions below; each is a thin step to the disk's ops.
 */
#ifndef TN_DISK_DISK_H
#define TN_DISK_DISK_H

#include "tenon/disk.h"

/* One more user; given back with tenon_disk_close. */
struct tenon_disk *tn_disk_get(struct tenon_disk *disk);

/* Scratch bytes to reserve behind each tenon_io for this disk. */
size_t tn_disk_io_bytes(const struct tenon_disk *disk);
/* The bytes that one tenon_io and its scratch take together. */
size_t tn_disk_io_size(const struct tenon_disk *disk);

/* On the worker. */
int tn_channel_open(struct tenon_disk *disk, struct tenon_worker *worker,
                    struct tenon_channel **out);
int tn_channel_submit(struct tenon_disk *disk, struct tenon_channel *channel, struct tenon_io *io);
void tn_channel_commit(struct tenon_disk *disk, struct tenon_channel *channel);
/* Reaps without sleeping, see ops->poll. */
int tn_channel_poll(struct tenon_disk *disk, struct tenon_channel *channel);
/* -ENOTSUP where the disk cannot. */
int tn_channel_cancel(struct tenon_disk *disk, struct tenon_channel *channel, struct tenon_io *io);
void tn_channel_close(struct tenon_disk *disk, struct tenon_channel *channel,
                      void (*done)(void *opaque), void *opaque);

#endif
