/*
 * disk_news.c: from the thread of a queue to the main worker: see disk_news.h. The news waits in
 * its place, so that nothing is allocated and a disk that fails all day fills no memory.
 */
#include "disk_news.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void posted(struct tenon_post *post)
{
    struct disk_news *news =
        (struct disk_news *)(void *)((char *)post - offsetof(struct disk_news, post));
    if (news->listener) {
        news->listener(news->opaque, news);
    }
}

struct disk_news *disk_news_new(void)
{
    struct disk_news *news = calloc(1, sizeof(*news));
    if (news) {
        pthread_mutex_init(&news->lock, NULL);
        news->post.fn = posted;
    }
    return news;
}

void disk_news_free(struct disk_news *news)
{
    if (news) {
        pthread_mutex_destroy(&news->lock);
        free(news);
    }
}

void disk_news_event(void *opaque, struct tenon_device *device, enum tenon_event event,
                     const char *detail)
{
    struct disk_news *news = opaque;
    (void)device;
    if (event != TENON_EVENT_PARKED) {
        return;
    }
    pthread_mutex_lock(&news->lock);
    snprintf(news->last, sizeof(news->last), "%s", detail);
    if (news->worker) {
        tenon_worker_post(news->worker, &news->post);
    }
    pthread_mutex_unlock(&news->lock);
}

void disk_news_listen(struct disk_news *news, struct tenon_worker *worker,
                      void (*listener)(void *opaque, struct disk_news *news), void *opaque)
{
    pthread_mutex_lock(&news->lock);
    news->worker = worker;
    news->listener = worker ? listener : NULL;
    news->opaque = opaque;
    pthread_mutex_unlock(&news->lock);
}

void disk_news_last(struct disk_news *news, char to[NEWS_BYTES])
{
    pthread_mutex_lock(&news->lock);
    memcpy(to, news->last, NEWS_BYTES);
    pthread_mutex_unlock(&news->lock);
}
