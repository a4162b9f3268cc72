/*
 * stat_table.c: one line for each device, the figures in columns; what there is to say of each
 * follows.
 */
#include "stat_table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stat_client.h"
#include "stat_columns.h"
#include "stat_histogram.h"
#include "stat_status.h"

enum { NAME_WIDTH = 10 };

/* The device of this name in an answer to "stats"; NULL: it has none. */
static struct json_object *find_device(struct json_object *stats, const char *list,
                                       const char *name)
{
    struct json_object *devices = stat_member(stats, list);
    for (size_t i = 0; devices && i < json_object_array_length(devices); i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);
        const char *found = json_object_get_string(stat_member(device, "name"));
        if (found && strcmp(found, name) == 0) {
            return device;
        }
    }
    return NULL;
}

static uint64_t count(struct json_object *device, const char *side, const char *counter)
{
    return json_object_get_uint64(stat_member(stat_member(device, side), counter));
}

static uint64_t total(struct json_object *device, const char *counter)
{
    return count(device, "total", counter);
}

static uint64_t column_value(const struct stat_kind *kind, const struct stat_column *column,
                             struct json_object *device)
{
    uint64_t lost = 0;
    if (column->counter != stat_lost) {
        return count(device, column->side, column->counter);
    }
    for (const struct stat_cause *cause = kind->causes; cause->counter; cause++) {
        lost += cause->lost ? total(device, cause->counter) : 0;
    }
    return lost;
}

/* A figure of at most four digits and a unit. */
static void put_scaled(uint64_t number, unsigned step, const char *const *units, const char *behind,
                       int width)
{
    double value = (double)number;
    while (value >= 10000 && units[1]) {
        value /= step;
        units++;
    }
    char text[32];
    snprintf(text, sizeof(text), "%.0f%s%s", value, *units, behind);
    printf("%*s", width, text);
}

static void put_bytes(uint64_t bytes, const char *behind, int width)
{
    static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", NULL };
    put_scaled(bytes, 1024, units, behind, width);
}

static void put_count(uint64_t count, int width)
{
    static const char *const units[] = { "", "k", "M", "G", "T", "P", NULL };
    if (count < 1000000) {
        printf("%*" PRIu64, width, count);
    } else {
        put_scaled(count, 1000, units, "", width);
    }
}

/* Whole units a second; a little time apart from a second is divided out. */
static uint64_t per_second(uint64_t count, uint64_t ns)
{
    return ns > 0 ? (uint64_t)((double)count * 1e9 / (double)ns + 0.5) : 0;
}

static void print_device(const struct stat_kind *kind, struct json_object *before,
                         struct json_object *now, const char *name)
{
    struct json_object *device = find_device(now, kind->list, name);
    struct json_object *earlier = before ? find_device(before, kind->list, name) : NULL;
    uint64_t ns = json_object_get_uint64(stat_member(now, "time_ns")) -
                  json_object_get_uint64(stat_member(before, "time_ns"));
    printf("%-*.*s", NAME_WIDTH, NAME_WIDTH, name);
    for (const struct stat_column *column = kind->columns; column->title; column++) {
        uint64_t value = column_value(kind, column, device);
        if (before) {
            value = per_second(value - column_value(kind, column, earlier), ns);
        }
        if (column->bytes) {
            put_bytes(value, before ? "/s" : "", column->width);
        } else {
            put_count(value, column->width);
        }
    }
    putchar('\n');
}

static void print_causes(const struct stat_kind *kind, struct json_object *earlier,
                         struct json_object *device, const char *name)
{
    for (const struct stat_cause *cause = kind->causes; cause->counter; cause++) {
        uint64_t number = total(device, cause->counter) - total(earlier, cause->counter);
        if (number > 0) {
            printf("%-*.*s %" PRIu64 " %s\n", NAME_WIDTH, NAME_WIDTH, name, number, cause->words);
        }
    }
    uint64_t held = total(device, "throttled_now");
    if (held > 0) {
        printf("%-*.*s %" PRIu64 " held by a limit now\n", NAME_WIDTH, NAME_WIDTH, name, held);
    }
}

/* What troubles the host made: of network devices. */
static void print_troubles(struct json_object *earlier, struct json_object *device,
                           const char *name)
{
    struct json_object *troubles = stat_member(device, "link");
    if (!troubles) {
        return;
    }
    json_object_object_foreach(troubles, what, value)
    {
        uint64_t number = json_object_get_uint64(value) - count(earlier, "link", what);
        if (number > 0) {
            printf("%-*.*s %" PRIu64 " of the link: %s\n", NAME_WIDTH, NAME_WIDTH, name, number,
                   what);
        }
    }
}

/* Its guest waits for whoever runs the process. */
static void print_parked(struct json_object *disk)
{
    uint64_t parked = total(disk, "parked_now");
    if (parked > 0) {
        printf("%-*.*s parked until resumed: %" PRIu64 " request%s that the disk has failed\n",
               NAME_WIDTH, NAME_WIDTH, json_object_get_string(stat_member(disk, "name")), parked,
               parked == 1 ? "" : "s");
    }
}

static void print_titles(const struct stat_kind *kind, bool rates)
{
    char clock[16];
    time_t now = time(NULL);
    struct tm parts;
    strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &parts));
    printf("%-*s", NAME_WIDTH, rates ? clock : kind->title);
    for (const struct stat_column *column = kind->columns; column->title; column++) {
        printf("%*s", column->width, column->title);
    }
    putchar('\n');
}

static void print_kind(const struct stat_kind *kind, struct json_object *before,
                       struct json_object *now)
{
    struct json_object *devices = stat_member(now, kind->list);
    size_t number = devices ? json_object_array_length(devices) : 0;
    if (number == 0) {
        return;
    }
    print_titles(kind, before != NULL);
    for (size_t i = 0; i < number; i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);
        print_device(kind, before, now, json_object_get_string(stat_member(device, "name")));
    }
    for (size_t i = 0; i < number; i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);
        const char *name = json_object_get_string(stat_member(device, "name"));
        struct json_object *earlier = before ? find_device(before, kind->list, name) : NULL;
        print_causes(kind, earlier, device, name);
        print_troubles(earlier, device, name);
        print_parked(device);
        stat_histogram_print(name, stat_member(earlier, "latency_ns"),
                             stat_member(device, "latency_ns"));
    }
}

void stat_table_print(struct json_object *status, struct json_object *before,
                      struct json_object *now)
{
    if (!before) {
        stat_status_print(status);
    }
    for (unsigned i = 0; i < STAT_KINDS; i++) {
        print_kind(&stat_kinds[i], before, now);
    }
}
