/*
 * admin.h: by what a serving process is asked and commanded: its control socket and its metrics, as
 * far as they were wanted. On the main worker.
 */
#ifndef TENON_ADMIN_H
#define TENON_ADMIN_H

#include "control.h"
#include "metrics.h"

/* What the command line says. */
struct admin_options {
    const char *control; /* a path; NULL: none */
    const char *metrics; /* a path or an address; NULL: none */
};

struct admin {
    struct control *control; /* NULL: none */
    struct metrics *metrics;
};

/* Opens what is wanted. False: reported; close it either way. */
bool admin_open(struct admin *admin, const struct admin_options *options,
                struct tenon_worker *worker, void (*quit)(void *opaque), void *opaque);
/* One more device, see control_add. False: reported. */
bool admin_add(struct admin *admin, struct opened *opened, const bool *connected);
void admin_close(struct admin *admin);

#endif
