/*
 * control_events.c: requests that a disk has failed and that are kept: how many, why, and lines to
 * those who asked to hear of it.
 */
#include <string.h>

#include <tenon/device.h>

#include "control_inside.h"
#include "disk_news.h"

static void add_parked(void *opaque, const char *name, int queue, uint64_t value)
{
    uint64_t *sum = opaque;
    (void)queue;
    *sum += strcmp(name, "parked_now") == 0 ? value : 0;
}

void control_add_parked(const struct control_device *disk, struct json_object *to, const char *why)
{
    uint64_t parked = 0;
    char last[NEWS_BYTES];
    tenon_device_stats(disk->opened->device, add_parked, &parked);
    disk_news_last(disk->opened->options->disk.news, last);
    json_object_object_add(to, "parked", json_object_new_uint64(parked));
    json_object_object_add(to, why, last[0] ? json_object_new_string(last) : NULL);
}

static void tell(struct peers *peers, struct json_object *event)
{
    const char *text = json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN);
    for (unsigned i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &peers->all[i];
        if (peer->fd >= 0 && peer->marked) {
            peer_put_line(peer, text);
        }
    }
}

void control_hear(void *opaque, struct disk_news *news)
{
    struct control *control = opaque;
    for (unsigned i = 0; i < control->device_count; i++) {
        const struct control_device *disk = &control->devices[i];
        const struct device_options *options = disk->opened->options;
        if (options->kind == DEVICE_DISK && options->disk.news == news) {
            struct json_object *event = json_object_new_object();
            json_object_object_add(event, "event", json_object_new_string("parked"));
            json_object_object_add(event, "disk", json_object_new_string(options->name));
            control_add_parked(disk, event, "error");
            tell(&control->peers, event);
            json_object_put(event);
        }
    }
}

/* From now on this peer hears of it. What was before, `status` says. */
void control_events(struct control *control, struct asker *asker, struct json_object *question)
{
    struct json_object *answer = json_object_new_object();
    (void)control;
    (void)question;
    asker->peer->marked = true;
    json_object_object_add(answer, "events", json_object_new_boolean(true));
    control_ok(asker, answer);
}
