/*
 * stat_table.h: statistics as a table that fits a terminal.
 */
#ifndef TENON_STAT_TABLE_H
#define TENON_STAT_TABLE_H

#include <json-c/json.h>

/*
 * Prints all disks to stdout: the sums since the start, or, with `before`, what was done between
 * the two a second.
 */
void stat_table_print(struct json_object *status, struct json_object *before,
                      struct json_object *now);

#endif
