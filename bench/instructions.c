/*
 * instructions.c: counts the instructions that all threads of another process execute, where the
 * processor has such counters and this user may read them (perf_event_paranoid); virtual machines
 * often have none. Linux only.
 */
#include <dirent.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "load.h"

static int open_counter(pid_t thread)
{
    struct perf_event_attr what = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(what),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .inherit = 1, /* threads that it starts from now on */
        .exclude_hv = 1,
    };

    return (int)syscall(SYS_perf_event_open, &what, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void instructions_open(struct instructions *counters, pid_t pid)
{
    char path[64];
    const struct dirent *entry;

    counters->count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *threads = pid > 0 ? opendir(path) : NULL;
    while (threads && (entry = readdir(threads)) != NULL) {
        if (entry->d_name[0] == '.' || counters->count == INSTRUCTIONS_THREADS) {
            continue;
        }
        int fd = open_counter((pid_t)strtol(entry->d_name, NULL, 10));
        if (fd < 0) {
            break; /* of some threads alone it would be no figure */
        }
        counters->fds[counters->count++] = fd;
    }
    if (threads && entry) {
        instructions_close(counters);
    }
    if (threads) {
        closedir(threads);
    }
}

uint64_t instructions_read(const struct instructions *counters)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < counters->count; i++) {
        uint64_t value = 0;
        if (read(counters->fds[i], &value, sizeof(value)) == sizeof(value)) {
            sum += value;
        }
    }
    return sum;
}

void instructions_close(struct instructions *counters)
{
    while (counters->count > 0) {
        close(counters->fds[--counters->count]);
    }
}
