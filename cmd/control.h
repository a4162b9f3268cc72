/*
 * control.h: the control socket of a serving process: whoever runs the daemon asks it how it is,
 * and tells it what to do. One JSON object a line, in both directions; see docs/control.md.
 *
 * It is a socket of its own, of mode 0600: the user of a device's socket (a virtual machine monitor
 * that its guest may have taken over) must not command the daemon. On the main worker.
 */
#ifndef TENON_CONTROL_H
#define TENON_CONTROL_H

#include <stdbool.h>

#include <tenon/worker.h>

struct control;
struct opened;

/*
 * Listens at `path`; quit(opaque) is called when the process is told to stop, and returns at once.
 * NULL: reported, also when this program was built without JSON.
 */
struct control *control_open(const char *path, struct tenon_worker *worker,
                             void (*quit)(void *opaque), void *opaque);
/*
 * One more device; it and `connected`, whether a front-end is there (NULL: always), outlive the
 * control socket. False: reported.
 */
bool control_add(struct control *control, struct opened *opened, const bool *connected);
/* Drops its connections and removes the socket. The devices are still there. Accepts NULL. */
void control_close(struct control *control);

#endif
