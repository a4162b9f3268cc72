/*
 * disk_news.h: what happens to a disk's device that whoever runs the process has to hear of: a
 * request failed and is parked. Comes on any thread; is kept, and told on the main worker.
 */
#ifndef TENON_DISK_NEWS_H
#define TENON_DISK_NEWS_H

#include <pthread.h>

#include <tenon/device.h>
#include <tenon/worker.h>

enum { NEWS_BYTES = 200 };

/* It outlives the device and the worker. */
struct disk_news {
    pthread_mutex_t lock;
    char last[NEWS_BYTES]; /* why a request was parked last; empty: none was */
    struct tenon_worker *worker;
    void (*listener)(void *opaque, struct disk_news *news);
    void *opaque;
    struct tenon_post post;
};

/* NULL: no memory. */
struct disk_news *disk_news_new(void);
void disk_news_free(struct disk_news *news);
/* For tenon_blk_opts.event; `news` is its opaque. */
void disk_news_event(void *news, struct tenon_device *device, enum tenon_event event,
                     const char *detail);
/*
 * From now on the listener is called on this worker after there was news; for several it may be
 * called once. On that worker; NULL: nobody is called any more.
 */
void disk_news_listen(struct disk_news *news, struct tenon_worker *worker,
                      void (*listener)(void *opaque, struct disk_news *news), void *opaque);
/* Copies what was last; empty: nothing so far. */
void disk_news_last(struct disk_news *news, char to[NEWS_BYTES]);

#endif
