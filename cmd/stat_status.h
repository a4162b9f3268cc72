/*
 * stat_status.h: what does not change while `tenon stat` looks: what the devices stand on, and who
 * uses them.
 */
#ifndef TENON_STAT_STATUS_H
#define TENON_STAT_STATUS_H

#include <json-c/json.h>

/* The answer to "status", as lines. */
void stat_status_print(struct json_object *status);

#endif
