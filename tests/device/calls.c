/*
 * calls.c: see calls.h. The parent counts in a page that both share; it needs ptrace, which neither
 * a sanitizer's build nor an emulator has to offer.
 */
#include "calls.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4096 };

struct shared {
    atomic_bool counting;
    atomic_bool outside[THREADS]; /* by the number of the thread */
    atomic_uint all, waits;
};

static struct shared *shared;

static atomic_bool *place_of(pid_t thread)
{
    return &shared->outside[(unsigned)thread % THREADS];
}

void calls_begin(void)
{
    atomic_store(&shared->all, 0);
    atomic_store(&shared->waits, 0);
    atomic_store(&shared->counting, true);
}

struct calls calls_end(void)
{
    atomic_store(&shared->counting, false);
    return (struct calls){ atomic_load(&shared->all), atomic_load(&shared->waits) };
}

bool calls_outside(bool outside)
{
    static _Thread_local atomic_bool *own;

    if (!own) {
        own = place_of(gettid());
    }
    return atomic_exchange(own, outside);
}

/* ---- the parent ---- */

/* May it sleep until something happens? */
static bool is_wait(const struct __ptrace_syscall_info *call)
{
    switch (call->entry.nr) {
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
    case SYS_poll:
#endif
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_ppoll:
        return true;
    case SYS_io_uring_enter:
        return call->entry.args[2] != 0; /* at least so many completions */
    case SYS_futex: {
        uint64_t op = call->entry.args[1] & FUTEX_CMD_MASK;
        return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET;
    }
    default:
        return false;
    }
}

static void count(pid_t thread)
{
    struct __ptrace_syscall_info call;

    if (!atomic_load(&shared->counting) || atomic_load(place_of(thread)) ||
        ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(call), &call) < 0 ||
        call.op != PTRACE_SYSCALL_INFO_ENTRY) {
        return;
    }
    atomic_fetch_add(&shared->all, 1);
    atomic_fetch_add(&shared->waits, is_wait(&call));
}

/* The signal that the thread was stopped for, if it is one for it. */
static int signal_for(int status)
{
    int signal = WSTOPSIG(status);

    return signal == (SIGTRAP | 0x80) || signal == SIGSTOP || status >> 16 != 0 ? 0 : signal;
}

/* Until the child has ended; its exit status. */
static int watch(pid_t child)
{
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR) {
            continue;
        }
        if (thread < 0) {
            return 1;
        }
        if (WIFSTOPPED(status)) {
            if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
                count(thread);
            }
            ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(intptr_t)signal_for(status));
        } else if (thread == child) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        }
    }
}

int calls_watched(int argc, char **argv, int (*fn)(int argc, char **argv), const char **why)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    struct __ptrace_syscall_info none;
    int status;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = shared == MAP_FAILED ? -1 : fork();
    if (child < 0) {
        *why = strerror(errno);
        return -1;
    }
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
            _exit(125);
        }
        raise(SIGSTOP);
        exit(fn(argc, argv));
    }
    *why = "the calls of a child cannot be watched here (ptrace)";
    if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status)) {
        return -1; /* it has ended */
    }
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)options) < 0 ||
        ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(none), &none) < 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return -1;
    }
    ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    return watch(child);
}
