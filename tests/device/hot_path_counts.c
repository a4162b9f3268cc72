/*
 * hot_path_counts.c: see hot_path_counts.h. Functions of the C library that are defined in the
 * program are used by the whole program: these count, and go on to the library's own.
 *
 * The sanitizers define the same functions for themselves. Under them nothing is counted, and a
 * test that asks for no more than so many calls passes.
 */
#include "hot_path_counts.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_uint counts[HOT_COUNTS];
static atomic_bool watching;
static _Thread_local bool outside; /* this thread, where it is not in the device */

void hot_begin(void)
{
    for (unsigned i = 0; i < HOT_COUNTS; i++) {
        atomic_store(&counts[i], 0);
    }
    outside = true;
    atomic_store(&watching, true);
}

void hot_end(void)
{
    atomic_store(&watching, false);
}

void hot_enter(void)
{
    outside = false;
}

bool hot_leave(void)
{
    bool inside = !outside;

    outside = true;
    return inside;
}

unsigned hot_count(enum hot_what what)
{
    return atomic_load(&counts[what]);
}

void hot_note(enum hot_what what)
{
    if (atomic_load_explicit(&watching, memory_order_relaxed) && !outside) {
        atomic_fetch_add_explicit(&counts[what], 1, memory_order_relaxed);
    }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HOT_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOT_SANITIZED 1
#endif

#ifndef HOT_SANITIZED
bool hot_counts(void)
{
    return true;
}

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

void *malloc(size_t bytes)
{
    hot_note(HOT_ALLOCATIONS);
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    hot_note(HOT_ALLOCATIONS);
    return __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t bytes)
{
    hot_note(HOT_ALLOCATIONS);
    return __libc_realloc(p, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    hot_note(HOT_ALLOCATIONS);
    return __libc_memalign(align, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    hot_note(HOT_ALLOCATIONS);
    *out = __libc_memalign(align, bytes);
    return *out ? 0 : ENOMEM;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*lock)(pthread_mutex_t *);

    hot_note(HOT_LOCKS);
    if (!__atomic_load_n(&lock, __ATOMIC_RELAXED)) {
        void *found = dlsym(RTLD_NEXT, "pthread_mutex_lock");
        __atomic_store_n((void **)&lock, found, __ATOMIC_RELAXED);
    }
    return __atomic_load_n(&lock, __ATOMIC_RELAXED)(mutex);
}

ssize_t read(int fd, void *to, size_t bytes)
{
    hot_note(HOT_CALLS);
    return syscall(SYS_read, fd, to, bytes);
}

ssize_t write(int fd, const void *from, size_t bytes)
{
    hot_note(HOT_CALLS);
    return syscall(SYS_write, fd, from, bytes);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    hot_note(HOT_CALLS);
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout_ms)
{
    hot_note(HOT_CALLS);
    return (int)syscall(SYS_epoll_pwait, epoll, events, room, timeout_ms, NULL, 8);
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct timespec time = { timeout_ms / 1000, timeout_ms % 1000 * 1000000l };

    hot_note(HOT_CALLS);
    return (int)syscall(SYS_ppoll, fds, n, timeout_ms < 0 ? NULL : &time, NULL, 8);
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t at)
{
    hot_note(HOT_TRANSFERS);
    return syscall(SYS_preadv, fd, iov, count, at, 0);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    hot_note(HOT_TRANSFERS);
    return syscall(SYS_pwritev, fd, iov, count, at, 0);
}

int fdatasync(int fd)
{
    hot_note(HOT_SYNCS);
    return (int)syscall(SYS_fdatasync, fd);
}
#else
bool hot_counts(void)
{
    return false;
}
#endif
