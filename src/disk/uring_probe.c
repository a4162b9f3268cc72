/*
 * uring_probe.c: whether there is io_uring here, and why not: a kernel without it or too old (we
 * need what 5.6 has), a sysctl, a seccomp filter, a limit. Any thread.
 */
#include <errno.h>
#include <stdio.h>

#include "disk/uring.h"

static bool has_operations(struct io_uring *ring)
{
    static const int needed[] = { IORING_OP_READ,        IORING_OP_WRITE, IORING_OP_READV,
                                  IORING_OP_WRITEV,      IORING_OP_FSYNC, IORING_OP_FALLOCATE,
                                  IORING_OP_ASYNC_CANCEL };
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool all = probe != NULL;

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && all; i++) {
        all = io_uring_opcode_supported(probe, needed[i]);
    }
    io_uring_free_probe(probe);
    return all;
}

/* 0: allowed, 1: for the privileged only, 2: for nobody; -1: this kernel has no such switch. */
static int disabled_by_sysctl(void)
{
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    int value = EOF;

    if (file) {
        value = fgetc(file);
        fclose(file);
    }
    return value >= '0' && value <= '2' ? value - '0' : -1;
}

static const char *why_not(int error)
{
    switch (error) {
    case -ENOSYS:
        return "this kernel has no io_uring, or a seccomp filter hides it";
    case -EPERM:
    case -EACCES:
        return disabled_by_sysctl() > 0
                   ? "the sysctl kernel.io_uring_disabled forbids io_uring here"
                   : "io_uring is forbidden here, most likely by a seccomp filter";
    case -EOPNOTSUPP:
        return "the io_uring of this kernel is too old";
    case -ENOMEM:
        return "there is not enough memory for io_uring, or the limit of locked memory is too low";
    case -EMFILE:
    case -ENFILE:
        return "there are too many open files for io_uring";
    default:
        return "io_uring cannot be set up here";
    }
}

int tn_uring_probe(const char **why)
{
    struct io_uring ring;
    int r = io_uring_queue_init(2, &ring, 0);

    if (r == 0) {
        r = has_operations(&ring) ? 0 : -EOPNOTSUPP;
        io_uring_queue_exit(&ring);
    }
    if (r != 0) {
        *why = why_not(r);
    }
    return r;
}
