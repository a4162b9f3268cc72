/*
 * control_inside.h: between control.c (connections), control_commands.c and those that it
 * names (what they ask for), control_pause.c (what is answered later) and control_events.c (what
 * nobody asked for).
 */
#ifndef TENON_CONTROL_INSIDE_H
#define TENON_CONTROL_INSIDE_H

#include <json-c/json.h>
#include <stdbool.h>

#include "control.h"
#include "devices.h"
#include "peers.h"
#include "sockets.h"

/* A device that can be asked about. */
struct control_device {
    struct opened *opened;
    const bool *connected; /* NULL: always */
};

struct control {
    struct serving_socket socket;
    struct peers peers;
    void (*quit)(void *opaque);
    void *opaque;
    struct control_device *devices;
    unsigned device_count;
    struct pause *pauses;      /* control_pause.c: those that are not complete */
    struct tenon_timer *timer; /* runs while there are any */
};

/* Who asked, and under what name; a peer may leave before it is answered. */
struct asker {
    struct peer *peer;
    unsigned long generation;
    struct json_object *id; /* NULL: none */
};

/* control_commands.c: does what one line asks for; answers now or later. */
void control_do(struct control *control, struct asker *asker, const char *line, size_t bytes);
/*
 * The index of the device that the question names as "disk" or "net"; -1: it names none, -2:
 * answered with an error.
 */
int control_named(struct control *control, struct asker *asker, struct json_object *question);
/* The next device from `from` on that a question is about: `only` as above. Count: no other. */
unsigned control_next(const struct control *control, int only, unsigned from);
void control_ok(struct asker *asker, struct json_object *answer);
void control_error(struct asker *asker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* control_events.c */
void control_events(struct control *control, struct asker *asker, struct json_object *question);
/* There is news: tells those who want to hear it. */
void control_hear(void *control, struct disk_news *news);
/* How many requests of a disk are kept, as "parked", and why the last one was, under this name. */
void control_add_parked(const struct control_device *disk, struct json_object *to, const char *why);

/* control_limits.c */
void control_set_limits(struct control *control, struct asker *asker, struct json_object *question);

/* control_workers.c: the threads that serve it now, each with its CPUs and queues. */
struct json_object *control_workers(const struct control_device *device);

/* control_status.c: what they are, and what they have done. */
void control_status(struct control *control, struct asker *asker, struct json_object *question);
void control_stats(struct control *control, struct asker *asker, struct json_object *question);
/* Members of objects; a text may be NULL. */
void control_add_text(struct json_object *to, const char *key, const char *text);
void control_add_number(struct json_object *to, const char *key, uint64_t value);
void control_add_bool(struct json_object *to, const char *key, bool value);

/* control_net.c: what only network devices do. */
void control_carrier(struct control *control, struct asker *asker, struct json_object *question);
void control_announce(struct control *control, struct asker *asker, struct json_object *question);

/* control_pause.c */
void control_pause(struct control *control, struct asker *asker, struct json_object *question);
void control_resume(struct control *control, struct asker *asker, struct json_object *question);
/* Answers the pauses that have become complete. On a timer. */
void control_look_at_pauses(void *control);
/* Nobody is answered any more. */
void control_forget(struct control *control);

/* control.c: sends an answer: {"id": ..., key: value}. Takes the value and the asker's id. */
void control_answer(struct asker *asker, const char *key, struct json_object *value);

#endif
