/*
 * post.c: work that is posted to a worker.
 *
 *   own thread      ------------------------------> posts (a plain list) ---> run
 *   other threads   --push--> inbox --collect, turned round--^
 *
 * The inbox is one atomic word: the newest post, each pointing to the one before; or NULL, the
 * worker is awake and will look; or the mark, it sleeps. Whoever replaces the mark, and nobody
 * else, rings the bell: one system call per sleep, and no fence between "I push" and "he sleeps",
 * since both are changes of the same word.
 *
 * A ring may come late, when the worker has run the post already and is being freed. So the worker
 * counts the marks that were replaced, and tenon_worker_free waits until the bell has rung as
 * often.
 */
#include "loop/parts.h"

static struct tenon_post mark;

static void append(struct tn_posts *posts, struct tenon_post *first, struct tenon_post *last)
{
    last->next = NULL;
    if (posts->first) {
        posts->last->next = first;
    } else {
        posts->first = first;
    }
    posts->last = last;
}

void tenon_worker_post(struct tenon_worker *worker, struct tenon_post *post)
{
    struct tenon_post *head;

    /* Also when it is queued already this has to be a write: what the caller stored before is then
     * seen by fn. */
    if (__atomic_exchange_n(&post->queued, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    if (tenon_worker_here(worker)) {
        append(&worker->posts, post, post);
        return;
    }
    head = atomic_load_explicit(&worker->inbox, memory_order_relaxed);
    do {
        post->next = head == &mark ? NULL : head;
    } while (!atomic_compare_exchange_weak_explicit(&worker->inbox, &head, post,
                                                    memory_order_release, memory_order_relaxed));
    if (head == &mark) {
        worker->ops->ring(worker->os);
    }
}

/* Moves the inbox to the end of `posts`, oldest first. */
void tn_posts_collect(struct tenon_worker *worker)
{
    struct tenon_post *newest, *first = NULL;

    if (!worker->asleep && !atomic_load_explicit(&worker->inbox, memory_order_relaxed)) {
        return;
    }
    newest = atomic_exchange_explicit(&worker->inbox, NULL, memory_order_acquire);
    if (worker->asleep) {
        worker->asleep = false;
        if (newest == &mark) {
            return;
        }
        worker->rings_owed++;
    }
    for (struct tenon_post *at = newest; at;) {
        struct tenon_post *older = at->next;
        at->next = first;
        first = at;
        at = older;
    }
    if (first) {
        append(&worker->posts, first, newest);
    }
}

/* Marks the inbox. False when something is in it. */
bool tn_posts_may_sleep(struct tenon_worker *worker)
{
    struct tenon_post *empty = NULL;

    if (worker->asleep) {
        return atomic_load_explicit(&worker->inbox, memory_order_relaxed) == &mark;
    }
    worker->asleep = atomic_compare_exchange_strong_explicit(
        &worker->inbox, &empty, &mark, memory_order_relaxed, memory_order_relaxed);
    return worker->asleep;
}

void tn_worker_ring_self(struct tenon_worker *worker)
{
    if (!worker->rung_self) {
        worker->rung_self = true;
        worker->rings_owed++;
        worker->ops->ring(worker->os);
    }
}

int tn_posts_run(struct tenon_worker *worker)
{
    struct tenon_post *post;
    int handled = 0;

    if (worker->in_posts) {
        return 0;
    }
    worker->in_posts = true;
    tn_posts_collect(worker);
    post = worker->posts.first;
    worker->posts.first = NULL;
    while (post) {
        struct tenon_post *next = post->next;
        void (*fn)(struct tenon_post *) = post->fn;

        /* From here on another thread may queue it again. */
        __atomic_exchange_n(&post->queued, 0, __ATOMIC_ACQ_REL);
        fn(post);
        handled++;
        post = next;
    }
    worker->in_posts = false;
    return handled;
}

bool tn_worker_run_posts(struct tenon_worker *worker)
{
    const struct tenon_post *newest = atomic_load_explicit(&worker->inbox, memory_order_relaxed);

    if (worker->in_posts || (!worker->posts.first && (!newest || newest == &mark))) {
        return false;
    }
    worker->late_time = tenon_now();
    tn_posts_run(worker);
    if (!tenon_worker_here(worker)) {
        tn_worker_settle(worker);
    }
    return true;
}
