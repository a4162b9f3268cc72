/*
 * control_limits.c: changing what a device may do per second while it serves. What is given
 * replaces all of its limits; those that stay the same are not refilled. Groups keep theirs.
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
static bool read_limits(struct asker *asker, struct json_object *wanted, enum device_kind kind,
                        struct tenon_limits *limits)
{
    const char *const *keys = kind == DEVICE_DISK ? limit_disk_keys : limit_net_keys;
    *limits = (struct tenon_limits){ .size = sizeof(*limits) };
    json_object_object_foreach(wanted, name, value)
    {
        if (!limit_is_key(keys, name)) {
            const char *nearest = tenon_nearest(name, keys);
            control_error(asker, "there is no limit '%s' of a %s; %s%s%sthe keys are those of %s",
                          name, device_word(kind), nearest ? "did you mean '" : "",
                          nearest ? nearest : "", nearest ? "'? " : "",
                          kind == DEVICE_DISK ? "--disk" : "--link");
            return false;
        }
        uint64_t number = number_of(value);
        if (number == 0) {
            control_error(asker,
                          "'%s' is no number above 0 (5000, \"50M\"); leave it out for no limit",
                          name);
            return false;
        }
        limit_put(limits, keys, name, number);
    }
    return true;
}

/* False: answered with an error. */
static bool set_limits(struct asker *asker, struct json_object *wanted, struct opened *opened)
{
    struct tenon_limits limits;
    if (!read_limits(asker, wanted, opened->options->kind, &limits)) {
        return false;
    }
    if (tenon_device_set_limits(opened->device, &limits) < 0) {
        control_error(asker, "%s", tenon_error());
        return false;
    }
    return true;
}

void control_set_limits(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *wanted;
    int only = control_named(control, asker, question);
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
    for (unsigned i = control_next(control, only, 0); i < control->device_count;
         i = control_next(control, only, i + 1)) {
        if (!set_limits(asker, wanted, control->devices[i].opened)) {
            return;
        }
    }
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, "limits", json_object_get(wanted));
    control_ok(asker, answer);
}
