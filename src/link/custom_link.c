/*
 * custom_link.c: links that the embedder wrote: the contract of <tenon/link.h>, handed through as
 * it is. Here: that it is whole. Any thread.
 */
#include "link/link.h"

#include <errno.h>

#include "base/err.h"
#include "base/opts.h"

int tenon_link_open_custom(const struct tenon_link_ops *ops, void *link, struct tenon_link **out)
{
    struct tenon_link_ops copy;
    int r = tn_opts_copy(&copy, sizeof(copy), ops, "custom link");

    if (r != 0) {
        return r;
    }
    if (!copy.open || !copy.send || !copy.watch || !copy.close || !copy.info) {
        return tn_error(
            -EINVAL, "custom link: open, send, watch, close and info are needed; fill in all five");
    }
    if ((copy.recv != NULL) == (copy.peek != NULL) || (copy.peek != NULL) != (copy.take != NULL)) {
        return tn_error(-EINVAL, "custom link: it fills frames (recv) or lends them (peek and "
                                 "take); fill in one of the two");
    }
    return tn_link_make(&copy, link, "custom link", out);
}
