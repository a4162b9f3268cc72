/*
 * uring_none.c: in the place of uring.c and uring_ring.c where libtenon is built without liburing.
 */
#include <errno.h>

#include "base/err.h"
#include "disk/body.h"

int tn_uring_probe(const char **why)
{
    *why = "this libtenon was built without liburing";
    return -ENOTSUP;
}

int tn_uring_open(const struct tn_body_ops *ops, void *body, int fd, unsigned threads,
                  bool or_threads, const struct tn_disk_label *label, struct tenon_disk **out)
{
    (void)ops, (void)body, (void)fd, (void)threads, (void)or_threads, (void)out;
    return tn_error(-ENOTSUP, "%s: this libtenon was built without liburing", label->name);
}
