/*
 * host_linux.c: host.h on Linux: OFD locks, fallocate, statx, the ioctls of block devices, and what
 * sysfs says of them.
 */
#include "disk/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/num.h"
#include "disk/transfer.h"

void tn_host_name_thread(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

/* The many names that "this cannot be done here" has. */
static int refine(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY ? -ENOTSUP : -error;
}

/* ---- block devices ---- */

int tn_host_block_bytes(int fd, uint64_t *bytes)
{
    return ioctl(fd, BLKGETSIZE64, bytes) == 0 ? 0 : -errno;
}

/*
 * A number of the device's queue. A partition has no queue of its own but lies in its disk's
 * directory. Without sysfs (a jail): false.
 */
static bool queue_number(const struct stat *st, const char *what, uint64_t *out)
{
    static const char *const places[] = { "queue", "../queue" };
    char path[128], text[32];
    ssize_t n = -1;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && n < 0; i++) {
        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s", major(st->st_rdev),
                 minor(st->st_rdev), places[i], what);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            n = read(fd, text, sizeof(text) - 1);
            close(fd);
        }
    }
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    *out = strtoull(text, NULL, 10);
    return true;
}

void tn_host_block_limits(int fd, struct tn_host_limits *limits)
{
    unsigned physical = 0, optimal = 0;
    int logical = 0;
    uint64_t number;
    struct stat st;

    if (ioctl(fd, BLKSSZGET, &logical) == 0 && logical > 0) {
        limits->logical_bytes = (uint32_t)logical;
    }
    if (ioctl(fd, BLKPBSZGET, &physical) == 0) {
        limits->physical_bytes = physical;
    }
    if (ioctl(fd, BLKIOOPT, &optimal) == 0) {
        limits->optimal_bytes = optimal;
    }
    /*
     * Trying it out would discard something, and a discard of nothing always fails: unless sysfs
     * says no, it can.
     */
    limits->can_discard = true;
    if (fstat(fd, &st) != 0) {
        return;
    }
    if (queue_number(&st, "discard_max_bytes", &number)) {
        limits->can_discard = number != 0;
    }
    if (queue_number(&st, "discard_granularity", &number) && number <= UINT32_MAX) {
        limits->discard_granularity = (uint32_t)number;
    }
}

/* ---- locks ---- */

static int set_lock(int fd, short type, uint64_t start, uint64_t bytes)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)bytes
    };

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        return 0;
    }
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int tn_host_lock(int fd, bool write, uint64_t start, uint64_t bytes)
{
    return set_lock(fd, write ? F_WRLCK : F_RDLCK, start, bytes);
}

int tn_host_unlock(int fd, uint64_t start, uint64_t bytes)
{
    return set_lock(fd, F_UNLCK, start, bytes);
}

/* ---- direct I/O ---- */

/* The smallest power of 2 that reads come through with; 0 when the file is too short to tell. */
static size_t probe_offset_align(int fd)
{
    enum { LARGEST = 65536 };
    void *page;
    size_t align = 0;

    if (posix_memalign(&page, LARGEST, LARGEST) != 0) {
        return 0;
    }
    for (size_t i = 512; i <= LARGEST && align == 0; i *= 2) {
        if (pread(fd, page, i, (off_t)i) > 0) {
            align = i;
        }
    }
    free(page);
    return align;
}

int tn_host_direct_align(int fd, bool block, size_t *memory, size_t *offset)
{
    int logical = 0;

#ifdef STATX_DIOALIGN
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
        (stx.stx_mask & STATX_DIOALIGN) != 0) {
        if (stx.stx_dio_offset_align == 0) {
            return -ENOTSUP;
        }
        *memory = stx.stx_dio_mem_align;
        *offset = stx.stx_dio_offset_align;
        return 0;
    }
#endif
    if (block && ioctl(fd, BLKSSZGET, &logical) == 0 && logical > 0) {
        *offset = (size_t)logical;
    } else {
        *offset = probe_offset_align(fd);
    }
    if (*offset == 0) {
        *offset = 4096;
    }
    *memory = tn_max_u64(*offset, 4096); /* not told, and not worth finding out: pages always do */
    return 0;
}

ssize_t tn_host_pwritev_stable(int fd, const struct iovec *iov, int count, uint64_t start)
{
#ifdef TN_HAVE_PWRITEV2
    ssize_t n = pwritev2(fd, iov, count, (off_t)start, RWF_DSYNC);

    return n >= 0 ? n : refine(errno);
#else
    (void)fd, (void)iov, (void)count, (void)start;
    return -ENOTSUP;
#endif
}

/* ---- what may wait ---- */

size_t tn_host_memory_granule(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) != 0) {
        return 0;
    }
    if (fs.f_type == HUGETLBFS_MAGIC) {
        return (size_t)fs.f_bsize;
    }
    return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ? (size_t)sysconf(_SC_PAGESIZE) : 0;
}

ssize_t tn_host_preadv_nowait(int fd, const struct iovec *iov, int count, uint64_t start)
{
#ifdef TN_HAVE_PWRITEV2 /* preadv2 came with it */
    ssize_t n = preadv2(fd, iov, count, (off_t)start, RWF_NOWAIT);

    return n >= 0 ? n : refine(errno);
#else
    (void)fd, (void)iov, (void)count, (void)start;
    return -ENOTSUP;
#endif
}

bool tn_host_can_nowait(int fd, uint64_t start, size_t bytes)
{
    struct iovec iov = { .iov_len = bytes };
    ssize_t n = -ENOMEM;

    if (posix_memalign(&iov.iov_base, tn_max_u64(bytes, 4096), bytes) == 0) {
        n = tn_host_preadv_nowait(fd, &iov, 1, start);
        free(iov.iov_base);
    }
    return n >= 0 || n == -EAGAIN;
}

/* ---- holes and zeroes ---- */

static int allocate(int fd, int mode, uint64_t start, uint64_t bytes)
{
    for (unsigned i = 0; i < TN_INTERRUPTIONS_MAX; i++) {
        if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)start, (off_t)bytes) == 0) {
            return 0;
        }
        if (errno != EINTR) {
            return refine(errno);
        }
    }
    return -EINTR;
}

static int range_ioctl(int fd, int request, uint64_t start, uint64_t bytes)
{
    uint64_t range[2] = { start, bytes };

    for (unsigned i = 0; i < TN_INTERRUPTIONS_MAX; i++) {
        if (ioctl(fd, request, range) == 0) {
            return 0;
        }
        if (errno != EINTR) {
            return refine(errno);
        }
    }
    return -EINTR;
}

/*
 * Beyond the end of the file there is nothing to punch, but the file system answers all the same.
 */
bool tn_host_can_punch(int fd, uint64_t file_bytes)
{
    enum { FAR = 1 << 20 };

    return allocate(fd, FALLOC_FL_PUNCH_HOLE, tn_round_up(file_bytes, FAR) + FAR, 4096) != -ENOTSUP;
}

int tn_host_discard(int fd, bool block, uint64_t start, uint64_t bytes)
{
    return block ? range_ioctl(fd, BLKDISCARD, start, bytes)
                 : allocate(fd, FALLOC_FL_PUNCH_HOLE, start, bytes);
}

int tn_host_zero_unmap(int fd, uint64_t start, uint64_t bytes)
{
    return allocate(fd, FALLOC_FL_PUNCH_HOLE, start, bytes);
}

int tn_host_zero(int fd, bool block, uint64_t start, uint64_t bytes)
{
    return block ? range_ioctl(fd, BLKZEROOUT, start, bytes)
                 : allocate(fd, FALLOC_FL_ZERO_RANGE, start, bytes);
}

void tn_host_untouch(void *start, size_t bytes)
{
    madvise(start, bytes, MADV_DONTNEED);
}

int tn_host_release_memory(void *start, size_t bytes)
{
    return madvise(start, bytes, MADV_DONTNEED) == 0 ? 0 : -errno;
}
