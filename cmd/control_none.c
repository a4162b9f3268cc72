/*
 * control_none.c: in place of control.c, in a program that was built without json-c.
 */
#include <stddef.h>

#include "control.h"
#include "report.h"

struct control *control_open(const char *path, struct tenon_worker *worker,
                             void (*quit)(void *opaque), void *opaque)
{
    (void)worker;
    (void)quit;
    (void)opaque;
    report_error("--control %s: this program was built without json-c and has no control socket; "
                 "install libjson-c-dev and build it again",
                 path);
    return NULL;
}

bool control_add(struct control *control, struct opened *opened, const bool *connected)
{
    (void)control;
    (void)opened;
    (void)connected;
    return false;
}

void control_close(struct control *control)
{
    (void)control;
}
