/*
 * stat_histogram.c: a histogram as one line: median, 99th percentile, and a bar for each power of
 * two of nanoseconds from a microsecond to some seconds.
 *
 *   root  disk     p50 24us  p99 390us  |   ▁▂█▅▂▁       |
 */
#include "stat_histogram.h"

#include <stdint.h>
#include <stdio.h>

enum { BUCKETS = 64, FIRST_DRAWN = 11, LAST_DRAWN = 34, NAME_WIDTH = 10, LEVELS = 8 };

struct histogram {
    uint64_t counts[BUCKETS], total;
};

static uint64_t count_at(struct json_object *counts, size_t i)
{
    return counts && i < json_object_array_length(counts)
               ? json_object_get_uint64(json_object_array_get_idx(counts, i))
               : 0;
}

static struct histogram difference(struct json_object *before, struct json_object *now)
{
    struct histogram found = { .total = 0 };
    for (size_t i = 0; i < BUCKETS; i++) {
        found.counts[i] = count_at(now, i) - count_at(before, i);
        found.total += found.counts[i];
    }
    return found;
}

/* The upper edge of the bucket in which so many of a hundred are reached. */
static void put_percentile(const struct histogram *histogram, unsigned percent)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    uint64_t wanted = (histogram->total * percent + 99) / 100, seen = 0;
    unsigned bucket = 0, unit = 0;
    while (bucket < BUCKETS - 1 && (seen += histogram->counts[bucket]) < wanted) {
        bucket++;
    }
    uint64_t value = bucket == 0 ? 0 : (uint64_t)1 << bucket;
    while (value >= 1000 && unit < 3) {
        value = (value + 500) / 1000;
        unit++;
    }
    char text[32];
    snprintf(text, sizeof(text), "<%llu%s", (unsigned long long)value, units[unit]);
    printf(" p%u %-7s", percent, value == 0 ? "~0" : text);
}

static void put_bars(const struct histogram *histogram)
{
    static const char *const bars[LEVELS + 1] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    uint64_t drawn[LAST_DRAWN + 1] = { 0 }, most = 1;
    for (unsigned i = 0; i < BUCKETS; i++) {
        unsigned at = i < FIRST_DRAWN ? FIRST_DRAWN : i > LAST_DRAWN ? LAST_DRAWN : i;
        drawn[at] += histogram->counts[i];
        most = drawn[at] > most ? drawn[at] : most;
    }
    fputs(" 1us|", stdout);
    for (unsigned i = FIRST_DRAWN; i <= LAST_DRAWN; i++) {
        /* What is there at all is seen. */
        uint64_t level = (drawn[i] * LEVELS + most - 1) / most;
        fputs(bars[level], stdout);
    }
    fputs("|10s\n", stdout);
}

void stat_histogram_print(const char *disk, struct json_object *before, struct json_object *now)
{
    if (!json_object_is_type(now, json_type_object)) {
        return; /* a tenon that does not tell */
    }
    json_object_object_foreach(now, span, counts)
    {
        struct json_object *earlier = NULL;
        json_object_object_get_ex(before, span, &earlier);
        struct histogram histogram = difference(earlier, counts);
        if (histogram.total > 0) {
            printf("%-*.*s %-8s", NAME_WIDTH, NAME_WIDTH, disk, span);
            put_percentile(&histogram, 50);
            put_percentile(&histogram, 99);
            put_bars(&histogram);
        }
    }
}
