/*
 * host.h: what disk/ needs of the system beyond POSIX. host_linux.c is the only body so far, and
 * the only file that knows Linux; a port writes another one and changes nothing else.
 *
 * Each function returns 0 or a negative errno unless it says otherwise, and leaves no sentence.
 * -ENOTSUP: the system or the file system cannot; whoever called remembers that and does without.
 */
#ifndef TN_DISK_HOST_H
#define TN_DISK_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Names the calling thread, as far as the system shows names. */
void tn_host_name_thread(const char *name);

/* Properties of a block device; what is not known stays as it was. */
struct tn_host_limits {
    uint32_t logical_bytes, physical_bytes, optimal_bytes, discard_granularity;
    bool can_discard;
};

int tn_host_block_bytes(int fd, uint64_t *bytes);
void tn_host_block_limits(int fd, struct tn_host_limits *limits);

/*
 * Locks the bytes against other open files, in this process too; `write`: alone, else together with
 * other readers. -EBUSY: taken. The lock belongs to the open file and goes with it.
 */
int tn_host_lock(int fd, bool write, uint64_t start, uint64_t bytes);
int tn_host_unlock(int fd, uint64_t start, uint64_t bytes);

/*
 * What O_DIRECT wants memory, and offsets and lengths, to be multiples of. -ENOTSUP: not possible
 * here.
 */
int tn_host_direct_align(int fd, bool block, size_t *memory, size_t *offset);

/* As pwritev, but the bytes are on stable storage when it returns. */
ssize_t tn_host_pwritev_stable(int fd, const struct iovec *iov, int count, uint64_t start);

/*
 * Of a file in memory, on which no operation waits for a device: what mappings of it are multiples
 * of. Where that is more than a page, the file cannot be written but by mapping it. 0: it is not in
 * memory.
 */
size_t tn_host_memory_granule(int fd);
/*
 * Whether a read of the `bytes` at `start` can be asked not to wait, which is also what lets
 * io_uring do without threads. `bytes` and `start` fit direct I/O.
 */
bool tn_host_can_nowait(int fd, uint64_t start, size_t bytes);

/* As preadv, but only what needs no waiting: fewer bytes or -EAGAIN else. */
ssize_t tn_host_preadv_nowait(int fd, const struct iovec *iov, int count, uint64_t start);

/* Whether holes can be punched into this file; changes nothing. */
bool tn_host_can_punch(int fd, uint64_t file_bytes);

/* Gives the range back; what it reads as is not defined. */
int tn_host_discard(int fd, bool block, uint64_t start, uint64_t bytes);
/* The range reads as zeroes and is given back. */
int tn_host_zero_unmap(int fd, uint64_t start, uint64_t bytes);
/* The range reads as zeroes and stays allocated. */
int tn_host_zero(int fd, bool block, uint64_t start, uint64_t bytes);

/* Whole pages of private anonymous memory become zero and are given back. */
int tn_host_release_memory(void *start, size_t bytes);
/* Of a shared mapping of a file: what was touched no longer counts as ours; it can be again. */
void tn_host_untouch(void *start, size_t bytes);

#endif
