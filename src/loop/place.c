/*
 * place.c: names and CPUs of threads. POSIX has neither, so each function has a body for Linux and
 * one that says that it cannot (a name is only for people's eyes, so doing without one is no
 * error).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/parts.h"

#ifdef __linux__

void tn_place_name(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

/*
 * What a thread could be bound to: the system cuts a request for all CPUs down to those of the
 * process's cpuset that are online. It cuts every request so, and in silence as long as one is left
 * over: therefore we look first. The calling thread has its own mask again afterwards; unless that
 * was all of them, which it should stay if there will be more one day.
 */
static void find_permitted(cpu_set_t *permitted)
{
    cpu_set_t before;

    memset(permitted, 0xff, sizeof(*permitted));
    if (sched_getaffinity(0, sizeof(before), &before) != 0 ||
        sched_setaffinity(0, sizeof(*permitted), permitted) != 0) {
        return; /* unknown; binding will tell */
    }
    sched_getaffinity(0, sizeof(*permitted), permitted);
    if (!CPU_EQUAL(&before, permitted)) {
        sched_setaffinity(0, sizeof(before), &before);
    }
}

int tn_place_check(const int *cpus, unsigned count)
{
    long exist = sysconf(_SC_NPROCESSORS_CONF);
    cpu_set_t permitted;

    if (count == 0) {
        return 0;
    }
    find_permitted(&permitted);
    for (unsigned i = 0; i < count; i++) {
        if (cpus[i] < 0 || cpus[i] >= exist || cpus[i] >= CPU_SETSIZE) {
            return tn_error(-EINVAL, "CPU %d does not exist; the CPUs here are 0 to %ld", cpus[i],
                            exist - 1);
        }
        if (!CPU_ISSET((size_t)cpus[i], &permitted)) {
            return tn_error(-EINVAL,
                            "CPU %d may not be used here: it is offline, or not in the cpuset of "
                            "this process; use another one, or widen the cpuset",
                            cpus[i]);
        }
    }
    return 0;
}

/* No CPUs named: all of them. */
static void fill(cpu_set_t *set, const int *cpus, unsigned count)
{
    CPU_ZERO(set);
    for (unsigned i = 0; i < count; i++) {
        CPU_SET((size_t)cpus[i], set);
    }
    for (size_t i = 0; count == 0 && i < CPU_SETSIZE; i++) {
        CPU_SET(i, set);
    }
}

int tn_place_move(pthread_t thread, const int *cpus, unsigned count)
{
    cpu_set_t set;

    fill(&set, cpus, count);
    return -pthread_setaffinity_np(thread, sizeof(set), &set);
}

/*
 * A new thread goes to its CPUs before it does anything else, and its maker waits for that: so a
 * failure is its maker's. To say where a thread begins is possible with glibc only, not with musl.
 */
struct start {
    const int *cpus;
    unsigned count;
    void *(*run)(void *);
    void *opaque;
    sem_t placed;
    int error;
};

static void *start_placed(void *arg)
{
    struct start *start = arg;
    void *(*run)(void *) = start->run;
    void *opaque = start->opaque;
    int error = tn_place_move(pthread_self(), start->cpus, start->count);

    start->error = error;
    sem_post(&start->placed); /* which may be the end of *start */
    return error == 0 ? run(opaque) : NULL;
}

int tn_place_create(pthread_t *thread, const int *cpus, unsigned count, void *(*run)(void *),
                    void *opaque)
{
    struct start start = { .cpus = cpus, .count = count, .run = run, .opaque = opaque };
    int error;

    if (count == 0) {
        return -pthread_create(thread, NULL, run, opaque);
    }
    sem_init(&start.placed, 0, 0);
    error = -pthread_create(thread, NULL, start_placed, &start);
    if (error == 0) {
        while (sem_wait(&start.placed) < 0) {
        }
        error = start.error;
        if (error != 0) {
            pthread_join(*thread, NULL);
        }
    }
    sem_destroy(&start.placed);
    return error;
}

#else

void tn_place_name(const char *name)
{
    (void)name;
}

int tn_place_check(const int *cpus, unsigned count)
{
    (void)cpus;
    return count == 0
               ? 0
               : tn_error(-ENOTSUP,
                          "threads cannot be bound to CPUs on this system; leave `cpus` out");
}

int tn_place_move(pthread_t thread, const int *cpus, unsigned count)
{
    (void)thread;
    (void)cpus;
    (void)count;
    return 0;
}

int tn_place_create(pthread_t *thread, const int *cpus, unsigned count, void *(*run)(void *),
                    void *opaque)
{
    (void)cpus;
    (void)count;
    return -pthread_create(thread, NULL, run, opaque);
}

#endif
