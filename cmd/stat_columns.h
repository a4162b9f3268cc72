/*
 * stat_columns.h: what `tenon stat` shows of each kind of device: its columns, and why something
 * did not go as it should.
 */
#ifndef TENON_STAT_COLUMNS_H
#define TENON_STAT_COLUMNS_H

#include <stdbool.h>

/* A column is a counter, summed over the queues of a side: "total", "received" or "sent". */
struct stat_column {
    const char *title; /* NULL: behind the last one */
    const char *counter;
    int width;
    bool bytes;
    const char *side;
};

/* Each that has happened is a line of its own. */
struct stat_cause {
    const char *counter; /* NULL: behind the last one */
    const char *words;
    bool lost; /* what it counts is in the column of all that was lost */
};

struct stat_kind {
    const char *list;  /* of the answers */
    const char *title; /* of the first column */
    const struct stat_column *columns;
    const struct stat_cause *causes;
};

enum { STAT_KINDS = 2 };
extern const struct stat_kind stat_kinds[STAT_KINDS];
/* The counter of a column that stands for all causes by which something is lost. */
extern const char stat_lost[];

#endif
