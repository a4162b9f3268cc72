/*
 * control_pause.c: pausing devices, and letting them go on. A pause is answered when it is
 * complete, which may be later: it waits in a list that a timer looks through, and is given up when
 * somebody resumes.
 */
#include <stdlib.h>

#include <tenon/device.h>

#include "control_inside.h"

enum { POLL_NS = 2000000, PAUSE_SECONDS = 10 };

/* One pause that is not complete yet. */
struct pause {
    struct pause *next;
    struct asker asker;
    uint64_t deadline;
    int only; /* the index of the device; -1: all */
};

/* One that has not paused yet; NULL: all have. Asks those to pause, too. */
static const struct device_options *not_paused(struct control *control, int only)
{
    const struct device_options *left = NULL;
    for (unsigned i = control_next(control, only, 0); i < control->device_count;
         i = control_next(control, only, i + 1)) {
        const struct opened *opened = control->devices[i].opened;
        if (tenon_device_pause(opened->device, 0) < 0) {
            left = opened->options;
        }
    }
    return left;
}

static void say_paused(struct asker *asker, bool paused)
{
    struct json_object *answer = json_object_new_object();
    json_object_object_add(answer, "paused", json_object_new_boolean(paused));
    control_ok(asker, answer);
}

/* True: it was answered. */
static bool look_at_pause(struct control *control, struct pause *pause)
{
    const struct device_options *left = not_paused(control, pause->only);
    if (!left) {
        say_paused(&pause->asker, true);
        return true;
    }
    if (tenon_now() < pause->deadline) {
        return false;
    }
    control_error(
        &pause->asker,
        "%s '%s' has not finished its operations after %d seconds; it goes on trying: ask "
        "again, or resume",
        device_word(left->kind), left->name, PAUSE_SECONDS);
    return true;
}

void control_look_at_pauses(void *opaque)
{
    struct control *control = opaque;
    struct pause **at = &control->pauses;
    while (*at) {
        struct pause *pause = *at;
        if (look_at_pause(control, pause)) {
            *at = pause->next;
            free(pause);
        } else {
            at = &pause->next;
        }
    }
    if (control->pauses) {
        tenon_timer_set(control->timer, tenon_now() + POLL_NS);
    }
}

void control_pause(struct control *control, struct asker *asker, struct json_object *question)
{
    int only = control_named(control, asker, question);
    struct pause *pause = only >= -1 ? malloc(sizeof(*pause)) : NULL;
    if (!pause) {
        if (only >= -1) {
            control_error(asker, "out of memory");
        }
        return;
    }
    *pause = (struct pause){ .next = control->pauses,
                             .asker = *asker,
                             .deadline = tenon_now() + PAUSE_SECONDS * 1000000000ULL,
                             .only = only };
    control->pauses = pause;
    control_look_at_pauses(control);
}

/* Pauses of these devices that are not complete are over. */
static void give_up_pauses(struct control *control, int only)
{
    struct pause **at = &control->pauses;
    while (*at) {
        struct pause *pause = *at;
        if (only < 0 || pause->only < 0 || pause->only == only) {
            *at = pause->next;
            control_error(&pause->asker, "somebody resumed before the pause was complete");
            free(pause);
        } else {
            at = &pause->next;
        }
    }
}

void control_resume(struct control *control, struct asker *asker, struct json_object *question)
{
    int only = control_named(control, asker, question);
    if (only < -1) {
        return;
    }
    give_up_pauses(control, only);
    for (unsigned i = control_next(control, only, 0); i < control->device_count;
         i = control_next(control, only, i + 1)) {
        tenon_device_resume(control->devices[i].opened->device);
    }
    say_paused(asker, false);
}

void control_forget(struct control *control)
{
    while (control->pauses) {
        struct pause *pause = control->pauses;
        control->pauses = pause->next;
        json_object_put(pause->asker.id);
        free(pause);
    }
}
