/*
 * victim.c: the daemon as a process of its own, and its death at a moment that nobody chose.
 *
 *   start ──> connect ──> (traffic) ──> a signal, from a thread that slept ──> wait
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kill9.h"

enum { PATIENCE_MS = 30000 }; /* a sanitizer, a slow machine */

extern char **environ;

static void sleep_us(unsigned us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };
    nanosleep(&t, NULL);
}

void victim_prepare(struct victim *victim, const char *program, const char *engine)
{
    const char *base = getenv("TMPDIR");

    *victim = (struct victim){ .program = program, .engine = engine };
    snprintf(victim->folder, sizeof(victim->folder), "%.40s/tenon-kill9-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(victim->folder)) {
        perror(victim->folder);
        exit(1);
    }
    snprintf(victim->image, sizeof(victim->image), "%s/disk.img", victim->folder);
    snprintf(victim->socket, sizeof(victim->socket), "%s/disk.sock", victim->folder);
    int fd = open(victim->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)SECTORS * SECTOR) < 0) {
        perror(victim->image);
        exit(1);
    }
    close(fd);
}

void victim_clean(struct victim *victim)
{
    char lock[sizeof(victim->socket) + 8];

    if (victim->pid) {
        victim_kill(victim, SIGKILL);
        victim_wait(victim);
    }
    snprintf(lock, sizeof(lock), "%s.lock", victim->socket);
    unlink(victim->image);
    unlink(victim->socket);
    unlink(lock);
    if (rmdir(victim->folder) < 0) {
        printf("# %s is not empty: %s\n", victim->folder, strerror(errno));
    }
}

static int try_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd < 0 ? -errno : fd;
}

int victim_start(struct victim *victim)
{
    char disk[300];
    snprintf(disk, sizeof(disk), "file=%s,socket=%s,engine=%s,queues=%d,queue-size=%d",
             victim->image, victim->socket, victim->engine, QUEUES, RING);
    /* It also ends when this test is killed itself. */
    const char *const argv[] = {
        victim->program,        "blk", "--disk", disk, "--workers", "2", "--log", "warning",
        "--exit-on-disconnect", NULL
    };

    int error =
        posix_spawn(&victim->pid, victim->program, NULL, NULL, (char **)(uintptr_t)argv, environ);
    if (error) {
        victim->pid = 0;
        return -error;
    }
    uint64_t end = tnd_now_ms() + PATIENCE_MS;
    int fd;
    do {
        fd = try_connect(victim->socket);
        if (fd < 0) {
            sleep_us(1000);
        }
    } while (fd < 0 && tnd_now_ms() < end && kill(victim->pid, 0) == 0);
    return fd;
}

static void *kill_later(void *opaque)
{
    struct victim *victim = opaque;
    sleep_us(victim->delay_us);
    kill(victim->pid, victim->signal);
    __atomic_store_n(&victim->hit, true, __ATOMIC_RELEASE);
    return NULL;
}

void victim_doom(struct victim *victim, int signal, unsigned delay_us)
{
    victim->signal = signal;
    victim->delay_us = delay_us;
    victim->hit = false;
    victim->killer_runs = pthread_create(&victim->killer, NULL, kill_later, victim) == 0;
}

bool victim_is_hit(const struct victim *victim)
{
    return !victim->killer_runs || __atomic_load_n(&victim->hit, __ATOMIC_ACQUIRE);
}

void victim_kill(struct victim *victim, int signal)
{
    victim->signal = signal;
    kill(victim->pid, signal);
}

int victim_wait(struct victim *victim)
{
    uint64_t end = tnd_now_ms() + PATIENCE_MS;
    int status = -1;

    /* It stays a zombie till then, so the number cannot become another's. */
    if (victim->killer_runs) {
        pthread_join(victim->killer, NULL);
        victim->killer_runs = false;
    }
    while (victim->pid && waitpid(victim->pid, &status, WNOHANG) == 0) {
        if (tnd_now_ms() > end) {
            kill(victim->pid, SIGKILL);
            waitpid(victim->pid, &status, 0);
            victim->pid = 0;
            return -1;
        }
        sleep_us(500);
    }
    victim->pid = 0;
    return status;
}
