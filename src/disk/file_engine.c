/*
 * file_engine.c: which engine runs the operations on a file: the one that was asked for, or the one
 * that suits, found by trying what there is. Says which and why (tenon_disk_engine); that something
 * was not to be had is part of the reason, never silent.
 *
 *   in memory (tmpfs, hugetlbfs, memfd)          mapped, where SIGBUS is handled, else inline:
 *                                                nothing there waits for a device
 *   io_uring is here, and the file system can    io_uring
 *   tell what would wait
 *   else                                         threads
 *
 * In front of the last two, for reads of what is in the page cache, stands a mapping (cached.c)
 * where SIGBUS is handled and the system says what is cached.
 */
#include "disk/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"

enum { WHY_BYTES = 240 };

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Whether io_uring would do on this file what it is for. */
static bool suits_uring(const struct tn_file *file, const char **why_not)
{
    size_t bytes = file->direct ? (size_t)file->bounce.offset_align : 512;

    if (tn_uring_probe(why_not) != 0) {
        return false;
    }
    if (!tn_host_can_nowait(file->fd, file->start, bytes)) {
        *why_not = "on this file system io_uring would hand each of them to a thread, too";
        return false;
    }
    return true;
}

/* 0: it is not in memory. */
static size_t granule_in_memory(const struct tn_file *file)
{
    return file->block ? 0 : tn_host_memory_granule(file->fd);
}

static enum tenon_engine pick(const struct tn_file *file, const struct tenon_file_opts *opts,
                              char why[WHY_BYTES])
{
    const char *why_not = "";

    if (!file->direct && opts->threads == 0 && granule_in_memory(file) != 0) {
        bool maps = tn_mapped_possible(&why_not);
        snprintf(why, WHY_BYTES, "the file is in memory, where operations wait for no device%s%s",
                 maps ? "" : "; not mapped: ", why_not);
        return maps ? TENON_ENGINE_MAPPED : TENON_ENGINE_INLINE;
    }
    if (suits_uring(file, &why_not)) {
        snprintf(why, WHY_BYTES, "operations on %s may block, and io_uring does not wait for them",
                 file->block ? "a block device" : "a file");
        return TENON_ENGINE_URING;
    }
    snprintf(why, WHY_BYTES, "operations on %s may block, and %s",
             file->block ? "a block device" : "a file", why_not);
    return TENON_ENGINE_THREADS;
}

static struct tn_mapped_file mapped_file(const struct tn_file *file)
{
    size_t granule = granule_in_memory(file);

    return (struct tn_mapped_file){ .fd = file->fd,
                                    .read_only = file->read_only,
                                    .in_memory = granule != 0,
                                    .start = file->start,
                                    .granule = granule != 0 ? granule : page_bytes() };
}

/* Linux says of all pages that they are cached to those who may not write to the file. */
static bool sees_the_cache(const struct tn_file *file)
{
    struct stat st;

    return !file->read_only || (fstat(file->fd, &st) == 0 && st.st_uid == geteuid());
}

/* Whether reads of cached pages are to be copies. */
static bool suits_cached(const struct tn_file *file, const char **why_not)
{
    if (file->direct) {
        *why_not = NULL; /* there is no cache */
        return false;
    }
    if (!sees_the_cache(file)) {
        *why_not = "of somebody else's file, only open for reading, the system does not say it";
        return false;
    }
    return tn_mapped_possible(why_not);
}

/* `below` has the body, and is the disk where nothing can be put in front of it. */
static void put_cached_in_front(struct tn_file *file, const struct tn_body_ops *ops,
                                const struct tn_disk_label *label, struct tenon_disk *below,
                                struct tenon_disk **out)
{
    const struct tn_mapped_file mapped = mapped_file(file);

    *out = below;
    if (tn_cached_open(ops, file, &mapped, below, label, out) != 0) {
        tn_log(TENON_LOG_WARNING, "%s: cached pages are read by system calls: %s", label->name,
               tenon_error());
    }
}

static int open_mapped(struct tn_file *file, const struct tn_body_ops *ops,
                       const struct tn_disk_label *label, struct tenon_disk **out)
{
    const struct tn_mapped_file mapped = mapped_file(file);
    const char *why_not = "";

    if (file->direct) {
        return tn_error(-EINVAL, "%s: engine=mapped is the page cache; use direct=off",
                        label->name);
    }
    if (!tn_mapped_possible(&why_not)) {
        return tn_error(-ENOTSUP,
                        "%s: engine=mapped is not possible (%s); install a handler and call "
                        "tenon_sigbus_installed, or use engine=inline",
                        label->name, why_not);
    }
    return tn_mapped_open(ops, file, &mapped, label, out);
}

/* What write(2) cannot write, only a mapping can. */
static int check_writable(const struct tn_file *file, enum tenon_engine engine, const char *name)
{
    const char *why_not = "";

    if (engine == TENON_ENGINE_MAPPED || file->read_only ||
        granule_in_memory(file) <= page_bytes()) {
        return 0;
    }
    return tn_error(-EINVAL,
                    "%s: on hugetlbfs only engine=mapped can write%s%s%s; use it, or "
                    "read-only=on",
                    name, tn_mapped_possible(&why_not) ? "" : " (not possible: ", why_not,
                    *why_not ? ")" : "");
}

static int open_engine(struct tn_file *file, const struct tn_body_ops *ops,
                       const struct tenon_file_opts *opts, enum tenon_engine engine,
                       struct tn_disk_label *label, struct tenon_disk **out)
{
    bool any = opts->engine == TENON_ENGINE_AUTO;
    const char *why_not = "";
    int r;

    switch (engine) {
    case TENON_ENGINE_MAPPED:
        label->engine = "mapped";
        return open_mapped(file, ops, label, out);
    case TENON_ENGINE_INLINE:
        label->engine = "inline";
        return tn_inline_open(ops, file, label, out);
    case TENON_ENGINE_URING:
        r = any ? 0 : tn_uring_probe(&why_not);
        if (r != 0) {
            return tn_error(r, "%s: engine=io_uring is not possible (%s); use engine=threads",
                            label->name, why_not);
        }
        label->engine = "io_uring";
        return tn_uring_open(ops, file, file->fd, opts->threads, any, label, out);
    default:
        label->engine = "threads";
        return tn_threads_open(ops, file, opts->threads, label, out);
    }
}

int tn_file_start_engine(struct tn_file *file, const struct tn_body_ops *ops,
                         const struct tenon_file_opts *opts, const char *name,
                         struct tenon_disk **out)
{
    char why[WHY_BYTES] = "asked for";
    struct tn_disk_label label = { .name = name, .why = why };
    bool any = opts->engine == TENON_ENGINE_AUTO, cached = false;
    const char *why_not = NULL;
    enum tenon_engine engine = any ? pick(file, opts, why) : opts->engine;
    struct tenon_disk *disk = NULL;
    int r = check_writable(file, engine, name);

    if (r == 0 && any && (engine == TENON_ENGINE_URING || engine == TENON_ENGINE_THREADS)) {
        size_t said = strlen(why);
        cached = suits_cached(file, &why_not);
        snprintf(why + said, sizeof(why) - said, "%s%s",
                 cached    ? "; what is cached is read from a mapping"
                 : why_not ? "; what is cached is not read from a mapping: "
                           : "",
                 why_not ? why_not : "");
    }
    if (r == 0) {
        r = open_engine(file, ops, opts, engine, &label, &disk);
    }
    if (r == 0 && cached) {
        put_cached_in_front(file, ops, &label, disk, out);
    } else if (r == 0) {
        *out = disk;
    }
    return r;
}
