/*
 * test_uring_workers.c: workers with threads of their own, several on one disk over io_uring, and a
 * worker whose thread changes. Also to be run under ThreadSanitizer.
 */
#include "pipe_disk.h"

#include <pthread.h>

/* What one worker with a thread of its own does: all of it within the loop. */
struct user {
    struct tenon_disk *disk;
    struct tenon_worker *worker;
    struct tenon_channel *channel;
    struct tenon_post begin;
    struct tenon_io *io[32];
    struct iovec iov[32];
    uint8_t data[32][4096];
    unsigned index, ended, rounds, wrong;
    uint32_t random;
    uint32_t closed; /* atomic */
};

static struct user *user_of(struct tenon_io *io);
static void on_done(struct tenon_io *io, int result);

static void user_closed(void *opaque)
{
    struct user *user = opaque;

    __atomic_store_n(&user->closed, 1, __ATOMIC_RELEASE);
}

/* Each user has a part of the disk for itself: writes, then reads back, then ends. */
static void user_round(struct user *user)
{
    bool write = user->rounds % 2 == 0;

    user->ended = 0;
    for (unsigned i = 0; i < 32; i++) {
        struct tenon_io *io = user->io[i];
        if (write) {
            memset(user->data[i], (int)(user->rounds + i), 4096);
        } else {
            memset(user->data[i], 0xff, 4096);
        }
        io->op = write ? TENON_IO_WRITE : TENON_IO_READ;
        io->flags = write && i == 0 ? TENON_IO_FUA : 0;
        io->offset = (user->index * 32 + i) * 4096;
        user->wrong += tn_channel_submit(user->disk, user->channel, io) != 0;
    }
    tn_channel_commit(user->disk, user->channel);
}

static void on_done(struct tenon_io *io, int result)
{
    struct user *user = user_of(io);

    user->wrong += result != 0;
    if (++user->ended < 32) {
        return;
    }
    for (unsigned i = 0; i < 32 && user->rounds % 2 == 1; i++) {
        user->wrong += user->data[i][4095] != (uint8_t)(user->rounds - 1 + i);
    }
    if (++user->rounds < 200) {
        user_round(user);
    } else {
        tn_channel_close(user->disk, user->channel, user_closed, user);
    }
}

static void user_begin(struct tenon_post *post)
{
    struct user *user = (struct user *)(void *)((char *)post - offsetof(struct user, begin));

    if (tn_channel_open(user->disk, user->worker, &user->channel) != 0) {
        user->wrong++;
        user_closed(user);
        return;
    }
    user_round(user);
}

static struct user users[3];

static struct user *user_of(struct tenon_io *io)
{
    for (unsigned i = 0; i < 3; i++) {
        if (users[i].worker == io->worker) {
            return &users[i];
        }
    }
    return NULL;
}

static void test_workers_with_threads(void **state)
{
    struct tenon_disk *disk = NULL;
    char path[128], spec[200];

    (void)state;
    need_uring();
    temp_file(NULL, 1 << 20, path);
    snprintf(spec, sizeof(spec), "file=%s,engine=io_uring", path);
    assert_int_equal(tenon_disk_open(spec, &disk), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct user *user = &users[i];
        *user = (struct user){ .disk = disk, .index = i, .begin = { .fn = user_begin } };
        assert_int_equal(tenon_worker_new(NULL, &user->worker), 0);
        assert_int_equal(tenon_worker_start(user->worker), 0);
        for (unsigned n = 0; n < 32; n++) {
            user->iov[n] = (struct iovec){ user->data[n], 4096 };
            user->io[n] = calloc(1, tn_disk_io_size(disk));
            *user->io[n] = (struct tenon_io){ .bytes = 4096,
                                              .iov = &user->iov[n],
                                              .iov_count = 1,
                                              .done = on_done,
                                              .worker = user->worker };
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        tenon_worker_post(users[i].worker, &users[i].begin);
    }
    for (unsigned i = 0; i < 3; i++) {
        while (__atomic_load_n(&users[i].closed, __ATOMIC_ACQUIRE) == 0) {
            usleep(1000);
        }
        tenon_worker_free(users[i].worker);
        assert_int_equal(users[i].wrong, 0);
        for (unsigned n = 0; n < 32; n++) {
            free(users[i].io[n]);
        }
    }
    tenon_disk_close(disk);
    unlink(path);
}

static void *commit_and_end(void *opaque)
{
    struct rig *rig = opaque;

    tn_channel_commit(rig->disk, rig->channel);
    return NULL;
}

/*
 * An embedder may run its worker from one thread and then from another. The kernel cancels what a
 * thread had under way when that thread ends: it is begun again.
 */
static void test_the_thread_that_submitted_ends(void **state)
{
    struct pipe_body body;
    struct rig rig;
    struct job *job;
    pthread_t thread;
    uint8_t data[512] = { 5 }, got[512] = { 0 };

    (void)state;
    pipe_open(&body, &rig);
    job = start_read(&rig, sizeof(got), got);
    assert_int_equal(pthread_create(&thread, NULL, commit_and_end, &rig), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    turns(&rig, 20);
    assert_false(job->over);
    feed(&body, data, sizeof(data));
    rig_wait(&rig, 1);
    assert_int_equal(job->result, 0);
    assert_int_equal(got[0], 5);
    free(job);
    pipe_close(&body, &rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_with_threads),
        cmocka_unit_test(test_the_thread_that_submitted_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
