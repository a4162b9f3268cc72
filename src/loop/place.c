/*
 * place.c: names and CPUs of threads. POSIX has neither, so each function has a body for Linux and
 * one that says that it cannot (a name is only for people's eyes, so doing without one is no
 * error).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/parts.h"

#ifdef __linux__

void tn_place_name(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

int tn_place_check(const int *cpus, unsigned count)
{
    long exist = sysconf(_SC_NPROCESSORS_CONF);

    for (unsigned i = 0; i < count; i++) {
        if (cpus[i] < 0 || cpus[i] >= exist || cpus[i] >= CPU_SETSIZE) {
            return tn_error(-EINVAL, "CPU %d does not exist; the CPUs here are 0 to %ld", cpus[i],
                            exist - 1);
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

int tn_place_attr(pthread_attr_t *attr, const int *cpus, unsigned count)
{
    cpu_set_t set;

    if (count == 0) {
        return 0;
    }
    fill(&set, cpus, count);
    return -pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

int tn_place_move(pthread_t thread, const int *cpus, unsigned count)
{
    cpu_set_t set;

    fill(&set, cpus, count);
    return -pthread_setaffinity_np(thread, sizeof(set), &set);
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

int tn_place_attr(pthread_attr_t *attr, const int *cpus, unsigned count)
{
    (void)attr;
    (void)cpus;
    (void)count;
    return 0;
}

int tn_place_move(pthread_t thread, const int *cpus, unsigned count)
{
    (void)thread;
    (void)cpus;
    (void)count;
    return 0;
}

#endif
