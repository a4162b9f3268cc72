/*
 * tap_open.c: opening a tap, by the name of its interface or by descriptors of it, and closing it.
 * Any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/opts.h"
#include "link/tap.h"

enum { QUEUES_MAX = 256 /* the kernel's */ };

static int check_opts(const struct tenon_tap_opts *opts)
{
    if ((opts->name != NULL) == (opts->fd_count != 0)) {
        return tn_error(-EINVAL, "tap: it needs either the name of an interface or descriptors; %s",
                        opts->name ? "remove one of them" : "give one of them");
    }
    if (opts->fd_count != 0 && !opts->fds) {
        return tn_error(-EINVAL, "tap: fd_count is %u, but fds is NULL", opts->fd_count);
    }
    if (opts->fd_count != 0 && opts->queues != 0 && opts->queues != opts->fd_count) {
        return tn_error(-EINVAL,
                        "tap: %u descriptors are not %u queues; leave the number of queues out",
                        opts->fd_count, opts->queues);
    }
    if (opts->queues > QUEUES_MAX || opts->fd_count > QUEUES_MAX) {
        return tn_error(-EINVAL, "tap: a tap has at most %d queues; ask for fewer", QUEUES_MAX);
    }
    if (opts->name && (opts->name[0] == '\0' || strlen(opts->name) >= TN_TAP_NAME_BYTES ||
                       strchr(opts->name, '/'))) {
        return tn_error(-EINVAL,
                        "tap: \"%.40s\" is no name of an interface; those have 1 to %d characters, "
                        "and no /",
                        opts->name, TN_TAP_NAME_BYTES - 1);
    }
    return 0;
}

static struct tap *new_tap(unsigned pairs)
{
    struct tap *tap = calloc(1, sizeof(*tap) + pairs * sizeof(tap->ports[0]));

    if (!tap) {
        return NULL;
    }
    tap->pairs = pairs;
    pthread_mutex_init(&tap->lock, NULL);
    for (unsigned i = 0; i < pairs; i++) {
        struct tenon_port *port = &tap->ports[i];

        port->tap = tap;
        port->pair = i;
        port->fd = port->news_fd = -1;
        port->in_use = true;
    }
    return tap;
}

static int open_pair(struct tap *tap, unsigned pair, const struct tenon_tap_opts *opts)
{
    char name[TN_TAP_NAME_BYTES] = "";
    int fd = opts->name ? tn_tap_open(tap->name, tap->multi)
                        : tn_tap_dup(opts->fds[pair], tap->multi, name);
    int r;

    if (fd < 0) {
        return fd;
    }
    tap->ports[pair].fd = fd;
    if (!opts->name && pair != 0 && strcmp(name, tap->name) != 0) {
        return tn_error(-EINVAL,
                        "tap fd %d: it belongs to %s, and the one before to %s; all have to belong "
                        "to one interface",
                        opts->fds[pair], name, tap->name);
    }
    if (!opts->name) {
        memcpy(tap->name, name, sizeof(name));
    }
    r = tn_tap_set_up(fd);
    return r == 0 ? 0
                  : tn_error(r, "tap %s: its headers cannot be set (%s); the kernel is too old",
                             tap->name, strerror(-r));
}

int tenon_link_open_tap(const struct tenon_tap_opts *given, struct tenon_link **out)
{
    struct tenon_tap_opts opts;
    struct tap *tap;
    unsigned pairs;
    char who[32];
    int r = tn_opts_copy(&opts, sizeof(opts), given, "tap link");

    if (r == 0) {
        r = check_opts(&opts);
    }
    if (r != 0) {
        return r;
    }
    pairs = opts.name ? (opts.queues == 0 ? 1 : opts.queues) : opts.fd_count;
    tap = new_tap(pairs);
    if (!tap) {
        return tn_error(-ENOMEM, "no memory for a tap link");
    }
    tap->by_name = opts.name != NULL;
    tap->multi = pairs > 1;
    snprintf(tap->name, sizeof(tap->name), "%s", opts.name ? opts.name : "");
    for (unsigned i = 0; i < pairs && r == 0; i++) {
        r = open_pair(tap, i, &opts);
    }
    if (r == 0) {
        tap->can = tn_tap_can(tap->ports[0].fd);
        snprintf(who, sizeof(who), "tap %s", tap->name);
        r = tn_link_make(&tn_tap_ops, tap, who, out);
    }
    if (r != 0) {
        tn_tap_free(tap);
    }
    return r;
}

void tn_tap_free(void *link)
{
    struct tap *tap = link;

    for (unsigned i = 0; i < tap->pairs; i++) {
        if (tap->ports[i].fd >= 0) {
            close(tap->ports[i].fd);
        }
    }
    pthread_mutex_destroy(&tap->lock);
    free(tap);
}
