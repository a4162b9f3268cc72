/*
 * admin.c: the control socket and the metrics of a serving process, as one.
 */
#include "admin.h"

bool admin_open(struct admin *admin, const struct admin_options *options,
                struct tenon_worker *worker, void (*quit)(void *opaque), void *opaque)
{
    *admin = (struct admin){ NULL, NULL };
    if (options->control) {
        admin->control = control_open(options->control, worker, quit, opaque);
        if (!admin->control) {
            return false;
        }
    }
    if (options->metrics) {
        admin->metrics = metrics_open(options->metrics, worker);
    }
    return !options->metrics || admin->metrics;
}

bool admin_add(struct admin *admin, struct opened *opened, const bool *connected)
{
    return (!admin->control || control_add(admin->control, opened, connected)) &&
           (!admin->metrics || metrics_add(admin->metrics, opened));
}

void admin_close(struct admin *admin)
{
    control_close(admin->control);
    metrics_close(admin->metrics);
    *admin = (struct admin){ NULL, NULL };
}
