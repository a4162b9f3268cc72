/*
 * metrics.h: counters by HTTP, in the text form that Prometheus reads. On the main worker.
 */
#ifndef TENON_METRICS_H
#define TENON_METRICS_H

#include <stdbool.h>

#include <tenon/worker.h>

struct metrics;
struct opened;

/*
 * Listens at a path, or at ADDRESS:PORT of this machine's loopback. NULL: reported.
 */
struct metrics *metrics_open(const char *where, struct tenon_worker *worker);
/* One more device; it outlives the metrics. False: reported. */
bool metrics_add(struct metrics *metrics, const struct opened *opened);
/* Accepts NULL. */
void metrics_close(struct metrics *metrics);

#endif
