/*
 * stat_table.c: one line for each disk, the figures in columns.
 */
#include "stat_table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stat_histogram.h"

/* A column is a counter of a disk, summed over its queues. All of them fit 80 characters. */
static const struct column {
    const char *title;
    const char *counter;
    int width;
    bool bytes;
} columns[] = {
    { "reads", "reads", 7, false },           { "writes", "writes", 7, false },
    { "flushes", "flushes", 8, false },       { "read", "read_bytes", 11, true },
    { "written", "written_bytes", 11, true }, { "errors", "disk_errors", 7, false },
    { "throttled", "throttled", 10, false },  { "irqs", "interrupts", 7, false },
};

/* Why there are errors: each that has happened is a line of its own. */
static const struct cause {
    const char *counter;
    const char *words;
} causes[] = {
    { "errors_no_space", "errors of the disk: no space left" },
    { "errors_io", "errors of the disk: I/O error" },
    { "errors_other", "errors of the disk: others" },
    { "refused_range", "refused: outside of the disk" },
    { "refused_read_only", "refused: the disk is read-only" },
    { "refused_malformed", "refused: malformed" },
    { "refused_memory", "refused: data outside of the guest's memory" },
    { "unsupported", "refused: of a kind that is not known" },
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]), NAME_WIDTH = 10 };

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *found = NULL;
    json_object_object_get_ex(object, key, &found);
    return found;
}

/* The disk of this name in an answer to "stats"; NULL: it has none. */
static struct json_object *find_disk(struct json_object *stats, const char *name)
{
    struct json_object *disks = member(stats, "disks");
    for (size_t i = 0; disks && i < json_object_array_length(disks); i++) {
        struct json_object *disk = json_object_array_get_idx(disks, i);
        const char *found = json_object_get_string(member(disk, "name"));
        if (found && strcmp(found, name) == 0) {
            return disk;
        }
    }
    return NULL;
}

static uint64_t total(struct json_object *disk, const char *counter)
{
    return json_object_get_uint64(member(member(disk, "total"), counter));
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

static void print_disk(struct json_object *before, struct json_object *now, const char *name)
{
    struct json_object *disk = find_disk(now, name);
    struct json_object *earlier = before ? find_disk(before, name) : NULL;
    uint64_t ns = json_object_get_uint64(member(now, "time_ns")) -
                  json_object_get_uint64(member(before, "time_ns"));
    printf("%-*.*s", NAME_WIDTH, NAME_WIDTH, name);
    for (unsigned i = 0; i < COLUMNS; i++) {
        uint64_t value = total(disk, columns[i].counter);
        if (before) {
            value = per_second(value - total(earlier, columns[i].counter), ns);
        }
        if (columns[i].bytes) {
            put_bytes(value, before ? "/s" : "", columns[i].width);
        } else {
            put_count(value, columns[i].width);
        }
    }
    putchar('\n');
}

static void print_causes(struct json_object *earlier, struct json_object *disk, const char *name)
{
    for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        uint64_t count = total(disk, causes[i].counter) - total(earlier, causes[i].counter);
        if (count > 0) {
            printf("%-*.*s %" PRIu64 " %s\n", NAME_WIDTH, NAME_WIDTH, name, count, causes[i].words);
        }
    }
    uint64_t held = total(disk, "throttled_now");
    if (held > 0) {
        printf("%-*.*s %" PRIu64 " held by a limit now\n", NAME_WIDTH, NAME_WIDTH, name, held);
    }
}

/* Its guest waits for whoever runs the process. */
static void print_parked(struct json_object *disk)
{
    uint64_t parked = total(disk, "parked_now");
    if (parked > 0) {
        printf("%-*.*s parked until resumed: %" PRIu64 " request%s that the disk has failed\n",
               NAME_WIDTH, NAME_WIDTH, json_object_get_string(member(disk, "name")), parked,
               parked == 1 ? "" : "s");
    }
}

static void print_titles(bool rates)
{
    char clock[16];
    time_t now = time(NULL);
    struct tm parts;
    strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &parts));
    printf("%-*s", NAME_WIDTH, rates ? clock : "disk");
    for (unsigned i = 0; i < COLUMNS; i++) {
        printf("%*s", columns[i].width, columns[i].title);
    }
    putchar('\n');
}

/* A list of numbers, with ranges: "0-3,8". */
static void put_ranges(struct json_object *numbers)
{
    size_t count = numbers ? json_object_array_length(numbers) : 0;
    for (size_t i = 0, next; i < count; i = next) {
        int first = json_object_get_int(json_object_array_get_idx(numbers, i)), last = first;
        for (next = i + 1; next < count; next++) {
            if (json_object_get_int(json_object_array_get_idx(numbers, next)) != last + 1) {
                break;
            }
            last++;
        }
        printf("%s%d", i > 0 ? "," : "", first);
        if (last > first) {
            printf("-%d", last);
        }
    }
}

static void print_workers(struct json_object *workers)
{
    for (size_t i = 0; workers && i < json_object_array_length(workers); i++) {
        struct json_object *worker = json_object_array_get_idx(workers, i);
        struct json_object *cpus = member(worker, "cpus");
        printf("    queues ");
        put_ranges(member(worker, "queues"));
        printf(" on thread %s", json_object_get_string(member(worker, "name")));
        if (cpus && json_object_array_length(cpus) > 0) {
            printf(", CPUs ");
            put_ranges(cpus);
        }
        putchar('\n');
    }
}

/* What does not change: where the bytes are, and who uses them. */
static void print_status(struct json_object *status)
{
    struct json_object *disks = member(status, "disks");
    for (size_t i = 0; disks && i < json_object_array_length(disks); i++) {
        struct json_object *disk = json_object_array_get_idx(disks, i);
        const char *file = json_object_get_string(member(disk, "file"));
        const char *trouble = json_object_get_string(member(disk, "trouble"));
        printf("%s: %s, ", json_object_get_string(member(disk, "name")),
               file ? file : "not a file");
        if (trouble) {
            printf("%s", trouble);
        } else {
            printf("%" PRIu64 " MiB%s", json_object_get_uint64(member(disk, "bytes")) >> 20,
                   json_object_get_boolean(member(disk, "read_only")) ? ", read-only" : "");
        }
        printf(", engine %s, %s\n", json_object_get_string(member(disk, "engine")),
               json_object_get_boolean(member(disk, "connected")) ? "in use" : "not in use");
        if (json_object_get_uint64(member(disk, "parked")) > 0) {
            printf("%s: %s\n", json_object_get_string(member(disk, "name")),
                   json_object_get_string(member(disk, "last_error")));
        }
        print_workers(member(disk, "workers"));
    }
    putchar('\n');
}

void stat_table_print(struct json_object *status, struct json_object *before,
                      struct json_object *now)
{
    struct json_object *disks = member(now, "disks");
    if (!before) {
        print_status(status);
    }
    print_titles(before != NULL);
    for (size_t i = 0; disks && i < json_object_array_length(disks); i++) {
        print_disk(before, now,
                   json_object_get_string(member(json_object_array_get_idx(disks, i), "name")));
    }
    for (size_t i = 0; disks && i < json_object_array_length(disks); i++) {
        struct json_object *disk = json_object_array_get_idx(disks, i);
        const char *name = json_object_get_string(member(disk, "name"));
        struct json_object *earlier = before ? find_disk(before, name) : NULL;
        print_causes(earlier, disk, name);
        print_parked(disk);
        stat_histogram_print(name, member(earlier, "latency_ns"), member(disk, "latency_ns"));
    }
}
