/*
 * file_open.c: the two ways to a disk over a file: by its path, and by a descriptor of somebody
 * else's.
 *
 * Here: the options, and getting a descriptor that can do what they ask for. What is made of it is
 * in file.c. Any thread; may block.
 */
#include "disk/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "base/opts.h"

#ifndef O_DIRECT
#define O_DIRECT 0
#endif

enum { SECTOR = 512, BLOCK_MAX = 65536, BUSY_NS = 500000000, BUSY_STEP_NS = 5000000 };

static int check_opts(const struct tenon_file_opts *opts, const char *name)
{
    if (opts->engine > TENON_ENGINE_MAPPED) {
        return tn_error(
            -EINVAL, "%s: engine %d does not exist; take auto, inline, threads, io_uring or mapped",
            name, (int)opts->engine);
    }
    if (opts->threads > TN_THREADS_MAX) {
        return tn_error(-EINVAL, "%s: %u threads are too many; the pool has 1 to %d", name,
                        opts->threads, TN_THREADS_MAX);
    }
    if (opts->block_bytes != 0 && (!tn_is_power_of_2(opts->block_bytes) ||
                                   opts->block_bytes < SECTOR || opts->block_bytes > BLOCK_MAX)) {
        return tn_error(
            -EINVAL, "%s: a block size of %u is not possible; it is a power of 2 from 512 to 65536",
            name, opts->block_bytes);
    }
    return 0;
}

/* ---- the two ways in ---- */

bool tn_file_busy_wait(uint64_t *until)
{
    const struct timespec moment = { .tv_nsec = BUSY_STEP_NS };
    uint64_t now = tenon_now();

    *until = *until != 0 ? *until : now + BUSY_NS;
    return now < *until && nanosleep(&moment, NULL) == 0;
}

/*
 * O_NONBLOCK so that a FIFO in the place of the image cannot hold us up; on what is served in the
 * end it has no effect. O_EXCL on a block device keeps us off one that the system itself uses
 * (mounted, part of a volume group).
 */
static int open_path(const char *path, const struct tenon_file_opts *opts, int *out)
{
    int flags = (opts->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    uint64_t until = 0;
    struct stat st;
    int fd;

    if (opts->direct) {
        if (O_DIRECT == 0) {
            return tn_error(-EINVAL, "%s: this system has no direct I/O; use direct=off", path);
        }
        flags |= O_DIRECT;
    }
    if (!opts->read_only && !opts->no_lock && stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
        flags |= O_EXCL;
    }
    do {
        fd = open(path, flags);
    } while (fd < 0 && errno == EBUSY && tn_file_busy_wait(&until));
    if (fd >= 0) {
        *out = fd;
        return 0;
    }
    if (errno == EINVAL && opts->direct) {
        return tn_error(-EINVAL, "%s: direct I/O does not work on this file system; use direct=off",
                        path);
    }
    if (errno == EBUSY) {
        return tn_error(-EBUSY,
                        "%s: is in use by the system (mounted, or part of a volume); free "
                        "it first, or use read-only=on",
                        path);
    }
    if ((errno == EACCES || errno == EROFS || errno == EPERM) && !opts->read_only) {
        return tn_error(-errno,
                        "%s: cannot be opened for writing (%s); change its permissions, or "
                        "use read-only=on",
                        path, strerror(errno));
    }
    return tn_error(-errno, "%s: cannot be opened (%s); check the path and its permissions", path,
                    strerror(errno));
}

int tenon_disk_open_file(const char *path, const struct tenon_file_opts *opts,
                         struct tenon_disk **out)
{
    struct tenon_file_opts mine;
    int r = tn_opts_copy(&mine, sizeof(mine), opts, "file options");
    int fd = -1;

    if (r == 0) {
        r = check_opts(&mine, path);
    }
    if (r == 0) {
        r = open_path(path, &mine, &fd);
    }
    return r == 0 ? tn_file_open_over(fd, &mine, path, out) : r;
}

/* The descriptor has to be able to do what is asked of the disk. */
static int check_fd(int fd, struct tenon_file_opts *opts, const char *name)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return tn_error(-errno, "%s: is no open descriptor (%s); pass one that is open", name,
                        strerror(errno));
    }
    if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDONLY) {
        if ((flags & O_ACCMODE) == O_WRONLY) {
            return tn_error(-EINVAL, "%s: is open for writing only; open it for both", name);
        }
        if (!opts->read_only) {
            return tn_error(-EINVAL,
                            "%s: is open for reading only; use read-only=on, or open it for both",
                            name);
        }
    }
    if ((flags & O_APPEND) != 0) {
        return tn_error(-EINVAL, "%s: every write would go to its end; open it without O_APPEND",
                        name);
    }
    if (O_DIRECT != 0 && (flags & O_DIRECT) != 0) {
        opts->direct = true; /* the descriptor wants aligned requests whatever the options say */
    } else if (opts->direct && (O_DIRECT == 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0)) {
        return tn_error(-EINVAL, "%s: direct I/O does not work on this file system; use direct=off",
                        name);
    }
    return 0;
}

int tenon_disk_open_fd(int fd, const struct tenon_file_opts *opts, struct tenon_disk **out)
{
    struct tenon_file_opts mine;
    char name[32];
    int r = tn_opts_copy(&mine, sizeof(mine), opts, "file options");
    int copy;

    snprintf(name, sizeof(name), "descriptor %d", fd);
    if (r == 0) {
        r = check_opts(&mine, name);
    }
    if (r == 0) {
        r = check_fd(fd, &mine, name);
    }
    if (r != 0) {
        return r;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return tn_error(-errno, "%s: cannot be duplicated (%s)", name, strerror(errno));
    }
    return tn_file_open_over(copy, &mine, name, out);
}
