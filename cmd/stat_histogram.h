/*
 * stat_histogram.h: histograms of latencies, drawn in a line each.
 */
#ifndef TENON_STAT_HISTOGRAM_H
#define TENON_STAT_HISTOGRAM_H

#include <json-c/json.h>

/*
 * Prints a line for each kind of time that requests of this disk have spent, from its "latency_ns";
 * with `before`, of what was added since. Nothing where nothing was done.
 */
void stat_histogram_print(const char *disk, struct json_object *before, struct json_object *now);

#endif
