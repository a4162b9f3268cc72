/*
 * control_limits.c: changing what a disk may do per second while it serves. What is given replaces
 * all of its limits; those that stay the same are not refilled. Groups keep theirs.
 */
#include <string.h>

#include <tenon/opts.h>

#include "control_inside.h"
#include "limit_options.h"

/* A JSON number, or a text with a unit as on the command line. 0 is none. */
static uint64_t number_of(struct json_object *value)
{
    uint64_t number = 0;
    if (json_object_is_type(value, json_type_int)) {
        return json_object_get_int64(value) > 0 ? json_object_get_uint64(value) : 0;
    }
    if (json_object_is_type(value, json_type_string)) {
        return tenon_parse_size(json_object_get_string(value), &number) == 0 ? number : 0;
    }
    return 0;
}

/* False: answered with an error. */
static bool read_limits(struct asker *asker, struct json_object *wanted,
                        struct tenon_limits *limits)
{
    json_object_object_foreach(wanted, name, value)
    {
        if (!limit_is_key(name)) {
            const char *nearest = tenon_nearest(name, limit_keys);
            control_error(asker, "there is no limit '%s'; %s%s%sthe keys are those of --disk", name,
                          nearest ? "did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'? " : "");
            return false;
        }
        uint64_t number = number_of(value);
        if (number == 0) {
            control_error(asker,
                          "'%s' is no number above 0 (5000, \"50M\"); leave it out for no limit",
                          name);
            return false;
        }
        limit_put(limits, name, number);
    }
    return true;
}

void control_set_limits(struct control *control, struct asker *asker, struct json_object *question)
{
    struct tenon_limits limits = { .size = sizeof(limits) };
    struct json_object *wanted;
    int only = control_named_disk(control, asker, question);
    if (only == -2) {
        return;
    }
    if (!json_object_object_get_ex(question, "limits", &wanted) ||
        !json_object_is_type(wanted, json_type_object)) {
        control_error(asker,
                      "no \"limits\"; send \"limits\":{\"iops\":1000}, or an empty object for "
                      "none");
        return;
    }
    if (!read_limits(asker, wanted, &limits)) {
        return;
    }
    for (unsigned i = 0; i < control->disk_count; i++) {
        if ((only < 0 || only == (int)i) &&
            tenon_device_set_limits(control->disks[i].device, &limits) < 0) {
            control_error(asker, "%s", tenon_error());
            return;
        }
    }
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, "limits", json_object_get(wanted));
    control_ok(asker, answer);
}
