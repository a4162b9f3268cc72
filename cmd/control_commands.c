/*
 * control_commands.c: what can be asked of a serving process, as a table. An answer is an object
 * under "ok", or a sentence under "error"; it carries the "id" of its question. No command waits
 * for a disk.
 */
#include "control_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/blk.h>
#include <tenon/opts.h>

/* ---- answers ---- */

void control_ok(struct asker *asker, struct json_object *value)
{
    control_answer(asker, "ok", value);
}

void control_error(struct asker *asker, const char *format, ...)
{
    char sentence[512];
    va_list values;
    va_start(values, format);
    vsnprintf(sentence, sizeof(sentence), format, values);
    va_end(values);
    control_answer(asker, "error", json_object_new_string(sentence));
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

static void add_number(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

static void add_bool(struct json_object *to, const char *key, bool value)
{
    json_object_object_add(to, key, json_object_new_boolean(value));
}

/* ---- which disks ---- */

/* The disk that the question names; -1: all (it names none), -2: answered with an error. */
int control_named_disk(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *named;
    if (!json_object_object_get_ex(question, "disk", &named)) {
        return -1;
    }
    const char *name = json_object_get_string(named);
    for (unsigned i = 0; i < control->disk_count; i++) {
        const struct control_disk *disk = &control->disks[i];
        if (name && strcmp(disk->name, name) == 0) {
            return (int)i;
        }
    }
    control_error(asker, "there is no disk '%s'; the command status lists them",
                  name ? name : "null");
    return -2;
}

/* ---- version, status, stats ---- */

static void do_version(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *answer = json_object_new_object();
    (void)control;
    (void)question;
    add_text(answer, "program", "tenon");
    add_text(answer, "version", tenon_version());
    control_ok(asker, answer);
}

static struct json_object *disk_status(const struct control_disk *disk)
{
    struct json_object *status = json_object_new_object();
    struct tenon_disk_info info = { .size = sizeof(info) };
    const char *why = NULL;
    add_text(status, "name", disk->name);
    add_text(status, "file", disk->file);
    add_bool(status, "connected", !disk->connected || *disk->connected);
    add_text(status, "engine", tenon_disk_engine(disk->disk, &why));
    add_text(status, "engine_why", why);
    json_object_object_add(status, "workers", control_workers(disk));
    if (tenon_disk_info(disk->disk, &info) == 0) {
        add_number(status, "bytes", info.bytes);
        add_number(status, "block_bytes", info.block_bytes);
        add_bool(status, "read_only", info.read_only);
    } else {
        add_text(status, "trouble", tenon_error());
    }
    control_add_parked(disk, status, "last_error");
    return status;
}

static void do_status(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *answer = json_object_new_object(), *disks = json_object_new_array();
    (void)question;
    for (unsigned i = 0; i < control->disk_count; i++) {
        const struct control_disk *disk = &control->disks[i];
        json_object_array_add(disks, disk_status(disk));
    }
    json_object_object_add(answer, "disks", disks);
    control_ok(asker, answer);
}

/* The counters of one disk, as they come: queue by queue. */
struct counting {
    struct json_object *queues, *total;
    struct json_object *queue; /* the last of them */
    int index;
};

static void count_one(void *opaque, const char *name, int queue, uint64_t value)
{
    struct counting *counting = opaque;
    struct json_object *total;
    uint64_t before = json_object_object_get_ex(counting->total, name, &total)
                          ? json_object_get_uint64(total)
                          : 0;
    add_number(counting->total, name, before + value);
    if (queue < 0) {
        return;
    }
    if (!counting->queue || queue != counting->index) {
        counting->queue = json_object_new_object();
        counting->index = queue;
        add_number(counting->queue, "queue", (uint64_t)queue);
        json_object_array_add(counting->queues, counting->queue);
    }
    add_number(counting->queue, name, value);
}

/* The histograms of one disk: its queues added up, and each cut off behind its last value. */
static void measure_one(void *opaque, const char *span, unsigned queue, const uint64_t *counts,
                        unsigned buckets)
{
    struct json_object *spans = opaque, *sums;
    (void)queue;
    if (!json_object_object_get_ex(spans, span, &sums)) {
        sums = json_object_new_array();
        json_object_object_add(spans, span, sums);
    }
    while (buckets > 0 && counts[buckets - 1] == 0) {
        buckets--;
    }
    for (unsigned i = 0; i < buckets; i++) {
        uint64_t before = i < json_object_array_length(sums)
                              ? json_object_get_uint64(json_object_array_get_idx(sums, i))
                              : 0;
        json_object_array_put_idx(sums, i, json_object_new_uint64(before + counts[i]));
    }
}

static struct json_object *disk_stats(const struct control_disk *disk)
{
    struct counting counting = { .queues = json_object_new_array(),
                                 .total = json_object_new_object() };
    struct json_object *entry = json_object_new_object(), *spans = json_object_new_object();
    tenon_device_stats(disk->device, count_one, &counting);
    tenon_device_latencies(disk->device, measure_one, spans);
    add_text(entry, "name", disk->name);
    json_object_object_add(entry, "total", counting.total);
    json_object_object_add(entry, "queues", counting.queues);
    json_object_object_add(entry, "latency_ns", spans);
    return entry;
}

static void do_stats(struct control *control, struct asker *asker, struct json_object *question)
{
    int only = control_named_disk(control, asker, question);
    if (only == -2) {
        return;
    }
    struct json_object *answer = json_object_new_object(), *disks = json_object_new_array();
    add_number(answer, "time_ns", tenon_now());
    for (unsigned i = 0; i < control->disk_count; i++) {
        if (only < 0 || only == (int)i) {
            json_object_array_add(disks, disk_stats(&control->disks[i]));
        }
    }
    json_object_object_add(answer, "disks", disks);
    control_ok(asker, answer);
}

/* ---- resize, quit ---- */

static void do_resize(struct control *control, struct asker *asker, struct json_object *question)
{
    struct tenon_disk_info info = { .size = sizeof(info) };
    int only = control_named_disk(control, asker, question);
    if (only == -2) {
        return;
    }
    if (only == -1 && control->disk_count != 1) {
        control_error(asker, "there are several disks; name one of them under \"disk\"");
        return;
    }
    const struct control_disk *disk = &control->disks[only < 0 ? 0 : only];
    if (tenon_blk_resized(disk->device) < 0 || tenon_disk_info(disk->disk, &info) < 0) {
        control_error(asker, "%s", tenon_error());
        return;
    }
    struct json_object *answer = json_object_new_object();
    add_number(answer, "bytes", info.bytes);
    control_ok(asker, answer);
}

static void do_quit(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *answer = json_object_new_object();
    (void)question;
    add_bool(answer, "stopping", true);
    control_ok(asker, answer);
    control->quit(control->opaque);
}

/* ---- the table ---- */

static const struct command {
    const char *name;
    void (*run)(struct control *control, struct asker *asker, struct json_object *question);
} commands[] = {
    { "version", do_version },  { "status", do_status },
    { "stats", do_stats },      { "set-limits", control_set_limits },
    { "pause", control_pause }, { "resume", control_resume },
    { "resize", do_resize },    { "events", control_events },
    { "quit", do_quit },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void refuse_command(struct asker *asker, const char *name)
{
    const char *names[COMMAND_COUNT + 1] = { NULL };
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i].name;
    }
    const char *nearest = tenon_nearest(name, names);
    control_error(asker,
                  "there is no command '%s'; %s%s%sthere are version, status, stats, set-limits, "
                  "pause, resume, resize, events and quit",
                  name, nearest ? "did you mean '" : "", nearest ? nearest : "",
                  nearest ? "'? " : "");
}

static void do_question(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *named;
    if (!json_object_object_get_ex(question, "command", &named) ||
        !json_object_is_type(named, json_type_string)) {
        control_error(asker, "no \"command\"; send {\"command\":\"status\"}, for "
                             "instance");
        return;
    }
    const char *name = json_object_get_string(named);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(control, asker, question);
            return;
        }
    }
    refuse_command(asker, name);
}

/* One object and nothing behind it; NULL: it is none. */
static struct json_object *parse(const char *line, size_t bytes)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *found = NULL;
    if (tokener) {
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        found = json_tokener_parse_ex(tokener, line, (int)bytes);
        if (json_tokener_get_parse_end(tokener) != bytes ||
            !json_object_is_type(found, json_type_object)) {
            json_object_put(found);
            found = NULL;
        }
        json_tokener_free(tokener);
    }
    return found;
}

void control_do(struct control *control, struct asker *asker, const char *line, size_t bytes)
{
    struct json_object *id, *question = parse(line, bytes);
    if (!question) {
        control_error(asker, "this line is no JSON object; send {\"command\":\"status\"}, for "
                             "instance");
        return;
    }
    if (json_object_object_get_ex(question, "id", &id)) {
        asker->id = json_object_get(id);
    }
    do_question(control, asker, question);
    json_object_put(question);
}
