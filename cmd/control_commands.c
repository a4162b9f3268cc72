/*
 * control_commands.c: what can be asked of a serving process, as a table. An answer is an object
 * under "ok", or a sentence under "error"; it carries the "id" of its question. No command waits
 * for a device.
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

/* ---- which devices ---- */

static int find(const struct control *control, enum device_kind kind, const char *name)
{
    for (unsigned i = 0; i < control->device_count; i++) {
        const struct device_options *options = control->devices[i].opened->options;
        if (name && options->kind == kind && strcmp(options->name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int control_named(struct control *control, struct asker *asker, struct json_object *question)
{
    static const enum device_kind kinds[] = { DEVICE_DISK, DEVICE_NET };
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct json_object *named;
        if (!json_object_object_get_ex(question, device_word(kinds[i]), &named)) {
            continue;
        }
        const char *name = json_object_get_string(named);
        int found = find(control, kinds[i], name);
        if (found < 0) {
            control_error(asker, "there is no %s '%s'; the command status lists them",
                          device_word(kinds[i]), name ? name : "null");
            return -2;
        }
        return found;
    }
    return -1;
}

unsigned control_next(const struct control *control, int only, unsigned from)
{
    while (from < control->device_count && only >= 0 && only != (int)from) {
        from++;
    }
    return from;
}

/* ---- version, resize, quit ---- */

static void do_version(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *answer = json_object_new_object();
    (void)control;
    (void)question;
    control_add_text(answer, "program", "tenon");
    control_add_text(answer, "version", tenon_version());
    control_ok(asker, answer);
}

/* The disk that is meant: the only one needs no name. -1: answered with an error. */
static int disk_to_resize(struct control *control, struct asker *asker,
                          struct json_object *question)
{
    int only = control_named(control, asker, question);
    unsigned disks = 0;
    if (only == -2) {
        return -1;
    }
    for (unsigned i = 0; only < 0 && i < control->device_count; i++) {
        disks += control->devices[i].opened->options->kind == DEVICE_DISK;
    }
    for (unsigned i = 0; only < 0 && disks == 1 && i < control->device_count; i++) {
        only = control->devices[i].opened->options->kind == DEVICE_DISK ? (int)i : only;
    }
    if (only < 0 && disks > 1) {
        control_error(asker, "there are several disks; name one of them under \"disk\"");
    } else if (only < 0 || control->devices[only].opened->options->kind != DEVICE_DISK) {
        control_error(asker, "only a disk can be resized, and %s",
                      only < 0 ? "there is none here" : "this is a network device");
        only = -1;
    }
    return only;
}

static void do_resize(struct control *control, struct asker *asker, struct json_object *question)
{
    struct tenon_disk_info info = { .size = sizeof(info) };
    int only = disk_to_resize(control, asker, question);
    if (only < 0) {
        return;
    }
    const struct opened *opened = control->devices[only].opened;
    if (tenon_blk_resized(opened->device) < 0 || tenon_disk_info(opened->disk, &info) < 0) {
        control_error(asker, "%s", tenon_error());
        return;
    }
    struct json_object *answer = json_object_new_object();
    control_add_number(answer, "bytes", info.bytes);
    control_ok(asker, answer);
}

static void do_quit(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *answer = json_object_new_object();
    (void)question;
    control_add_bool(answer, "stopping", true);
    control_ok(asker, answer);
    control->quit(control->opaque);
}

/* ---- the table ---- */

static const struct command {
    const char *name;
    void (*run)(struct control *control, struct asker *asker, struct json_object *question);
} commands[] = {
    { "version", do_version },
    { "status", control_status },
    { "stats", control_stats },
    { "set-limits", control_set_limits },
    { "pause", control_pause },
    { "resume", control_resume },
    { "resize", do_resize },
    { "carrier", control_carrier },
    { "announce", control_announce },
    { "events", control_events },
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
                  "pause, resume, resize, carrier, announce, events and quit",
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
