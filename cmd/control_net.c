/*
 * control_net.c: what a network device can be told to do: its cable is pulled out or put in, and
 * its guest tells the network where it is.
 */
#include <string.h>

#include "control_inside.h"

/* Does it to the device that was named, or to all; false: answered with an error. */
static bool do_nets(struct control *control, struct asker *asker, int only,
                    int (*act)(struct opened *opened, bool up), bool up)
{
    bool any = false;
    for (unsigned i = control_next(control, only, 0); i < control->device_count;
         i = control_next(control, only, i + 1)) {
        struct opened *opened = control->devices[i].opened;
        if (opened->options->kind != DEVICE_NET) {
            continue;
        }
        any = true;
        if (act(opened, up) < 0) {
            control_error(asker, "%s", tenon_error());
            return false;
        }
    }
    if (!any) {
        control_error(asker, "this is about network devices, and %s",
                      only < 0 ? "there is none here" : "that is a disk");
    }
    return any;
}

static int set_carrier(struct opened *opened, bool up)
{
    int result = tenon_net_set_carrier(opened->device, up);
    if (result == 0) {
        opened->unplugged = !up;
    }
    return result;
}

static int announce(struct opened *opened, bool up)
{
    (void)up;
    return tenon_net_announce(opened->device);
}

void control_carrier(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *wanted = NULL;
    json_object_object_get_ex(question, "state", &wanted);
    const char *state = wanted ? json_object_get_string(wanted) : "";
    bool up = strcmp(state, "up") == 0;
    if (!up && strcmp(state, "down") != 0) {
        control_error(asker, "no \"state\" of \"up\" or \"down\"; send "
                             "{\"command\":\"carrier\",\"state\":\"down\"}, for instance");
        return;
    }
    int only = control_named(control, asker, question);
    if (only == -2 || !do_nets(control, asker, only, set_carrier, up)) {
        return;
    }
    struct json_object *answer = json_object_new_object();
    control_add_text(answer, "state", state);
    control_ok(asker, answer);
}

void control_announce(struct control *control, struct asker *asker, struct json_object *question)
{
    int only = control_named(control, asker, question);
    if (only == -2 || !do_nets(control, asker, only, announce, true)) {
        return;
    }
    struct json_object *answer = json_object_new_object();
    control_add_bool(answer, "announced", true);
    control_ok(asker, answer);
}
