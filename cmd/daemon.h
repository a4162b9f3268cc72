/*
 * daemon.h: how a process that serves behaves towards whoever started it: descriptors 0 to 2,
 * signals, saying that it is ready. Everything stays in the foreground: who wants a background puts
 * us there.
 *
 * On the main thread.
 */
#ifndef TENON_DAEMON_H
#define TENON_DAEMON_H

#include <stdbool.h>

#include <tenon/worker.h>

/*
 * Descriptors 0 to 2 that the parent closed become /dev/null, so that no file of ours is written to
 * as "stderr". First of all.
 */
void daemon_fill_standard_fds(void);

/* As many descriptors as we are allowed: each queue of each disk takes some. */
void daemon_raise_file_limit(void);

/* SIGBUS goes to tenon_sigbus. Before disks are opened, which may want to be mapped. */
void daemon_survive_sigbus(void);

/*
 * SIGTERM, SIGINT and SIGHUP (unless it is ignored, as nohup does) call stop(opaque) on the worker,
 * each time, but those that come within half a second count as one; SIGPIPE is ignored. Once in a
 * process. False: reported.
 */
typedef void daemon_stop_fn(void *opaque);
bool daemon_catch_signals(struct tenon_worker *worker, daemon_stop_fn *stop, void *opaque);
/* A SIGBUS that is not the guest's memory ends us; this comes first, in the signal handler. */
void daemon_before_sigbus_ends_us(void (*act)(void));
/* Before the worker is freed. */
void daemon_forget_signals(void);

/*
 * Tells `ready_fd` (-1: none), which is closed then unless it is 0 to 2, and systemd that sockets
 * take connections.
 */
void daemon_tell_ready(int ready_fd, const char *status);

/* Tells systemd that we have begun to stop. */
void daemon_tell_stopping(void);

#endif
