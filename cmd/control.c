/*
 * control.c: the control socket: its lines in, its lines out.
 */
#include "control_inside.h"

#include <stdlib.h>
#include <string.h>

#include "disk_news.h"
#include "report.h"

enum { SOCKET_MODE = 0600 };

void control_answer(struct asker *asker, const char *key, struct json_object *value)
{
    struct peer *peer = asker->peer;
    struct json_object *answer = json_object_new_object();
    if (asker->id) {
        json_object_object_add(answer, "id", asker->id);
    }
    json_object_object_add(answer, key, value);
    if (peer->fd >= 0 && peer->generation == asker->generation) {
        peer->owed--;
        peer_put_line(peer, json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
    }
    json_object_put(answer);
}

/* Does each whole line. */
static void take_lines(void *opaque, struct peer *peer)
{
    struct control *control = opaque;
    unsigned long generation = peer->generation;
    char *end;
    while ((end = memchr(peer->in, '\n', peer->in_bytes)) != NULL) {
        size_t bytes = (size_t)(end - peer->in);
        struct asker asker = { .peer = peer, .generation = generation };
        peer->owed++;
        control_do(control, &asker, peer->in, bytes);
        if (peer->fd < 0 || peer->generation != generation) {
            return;
        }
        peer_take(peer, bytes + 1);
    }
}

struct control *control_open(const char *path, struct tenon_worker *worker,
                             void (*quit)(void *opaque), void *opaque)
{
    struct control *control = calloc(1, sizeof(*control));
    if (!control) {
        report_error("out of memory");
        return NULL;
    }
    control->quit = quit;
    control->opaque = opaque;
    control->socket.fd = control->socket.lock_fd = -1;
    if (tenon_timer_new(worker, control_look_at_pauses, control, &control->timer) < 0) {
        report_error("cannot make a timer: %s", tenon_error());
        control_close(control);
        return NULL;
    }
    if (!socket_listen(&control->socket, path, SOCKET_MODE) ||
        !peers_open(&control->peers, control->socket.fd, worker, take_lines, control)) {
        control_close(control);
        return NULL;
    }
    return control;
}

bool control_add(struct control *control, struct opened *opened, const bool *connected)
{
    struct control_device *grown =
        realloc(control->devices, (control->device_count + 1) * sizeof(*grown));
    if (!grown) {
        report_error("out of memory");
        return false;
    }
    control->devices = grown;
    grown[control->device_count++] =
        (struct control_device){ .opened = opened, .connected = connected };
    if (opened->options->kind == DEVICE_DISK) {
        disk_news_listen(opened->options->disk.news, control->peers.worker, control_hear, control);
    }
    return true;
}

void control_close(struct control *control)
{
    if (!control) {
        return;
    }
    for (unsigned i = 0; i < control->device_count; i++) {
        const struct device_options *options = control->devices[i].opened->options;
        if (options->kind == DEVICE_DISK) {
            disk_news_listen(options->disk.news, NULL, NULL, NULL);
        }
    }
    control_forget(control);
    peers_close(&control->peers);
    tenon_timer_free(control->timer);
    socket_remove(&control->socket);
    free(control->devices);
    free(control);
}
