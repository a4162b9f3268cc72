/*
 * control.h: the control socket of a serving process: whoever runs the daemon asks it how it is,
 * and tells it what to do. One JSON object a line, in both directions; see docs/control.md.
 *
 * It is a socket of its own, of mode 0600: the user of a disk's socket (a virtual machine monitor
 * that its guest may have taken over) must not command the daemon. On the main worker.
 */
#ifndef TENON_CONTROL_H
#define TENON_CONTROL_H

#include <stdbool.h>

#include <tenon/disk.h>
#include <tenon/worker.h>

struct control;
struct disk_news;
struct tenon_device;

/* A disk that can be asked about; all of it outlives the control socket. */
struct control_disk {
    const char *name;
    const char *file; /* NULL: not a file */
    struct tenon_disk *disk;
    struct tenon_device *device;
    const bool *connected; /* whether a front-end is there; NULL: always */
    struct disk_news *news;
};

/*
 * Listens at `path`; quit(opaque) is called when the process is told to stop, and returns at once.
 * NULL: reported, also when this program was built without JSON.
 */
struct control *control_open(const char *path, struct tenon_worker *worker,
                             void (*quit)(void *opaque), void *opaque);
/* One more disk. False: reported. */
bool control_add(struct control *control, const struct control_disk *disk);
/* Drops its connections and removes the socket. The disks are still there. Accepts NULL. */
void control_close(struct control *control);

#endif
