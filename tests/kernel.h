/*
 * kernel.h: what every kernel does, and an emulator of one (qemu-user) may not. A test that cannot
 * do without asks first, says so and skips.
 *
 *   if (!kernel_...()) { print_message("skipped: ...\n"); skip(); }
 *
 * Each question is tried out anew in each program and not answered by what the machine is called:
 * on a real kernel the answer is always yes, and an emulator that was mended skips nothing. Ask
 * before descriptors are counted: to learn that one was lost costs one. For tests and fuzzers.
 */
#ifndef TN_TEST_KERNEL_H
#define TN_TEST_KERNEL_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Sends a descriptor 1 to 3 times through a socket to a receiver with room for two, and gives the
 * first one that arrives. -1: nothing came. *lost: the kernel said that some did not fit.
 */
static inline int kernel_pass_fds(int fd, unsigned count, bool *lost)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } control = { .bytes = { 0 } };
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
    int ends[2], fds[3] = { fd, fd, fd }, got[2] = { -1, -1 };

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return -1;
    }
    msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    ssize_t sent = sendmsg(ends[0], &msg, 0);
    msg.msg_controllen = CMSG_SPACE(2 * sizeof(int));
    if (sent == 1 && recvmsg(ends[1], &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg)) {
        memcpy(got, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    }
    *lost = (msg.msg_flags & MSG_CTRUNC) != 0;
    close(ends[0]);
    close(ends[1]);
    if (got[1] >= 0) {
        close(got[1]);
    }
    return got[0];
}

/* A receiver hears that more descriptors were sent than it had room for. */
static inline bool kernel_tells_lost_fds(void)
{
    static int answer = -1;

    if (answer < 0) {
        bool lost = false;
        close(kernel_pass_fds(STDERR_FILENO, 3, &lost));
        answer = lost;
    }
    return answer != 0;
}

/* What is written to an eventfd that came through a socket is read from the one that was sent. */
static inline bool kernel_counts_passed_eventfds(void)
{
    uint64_t one = 1, value = 0;
    bool lost;
    int fd = eventfd(0, EFD_CLOEXEC), passed = kernel_pass_fds(fd, 1, &lost);
    bool same = write(passed, &one, sizeof(one)) == sizeof(one) &&
                read(fd, &value, sizeof(value)) == sizeof(value) && value == one;

    close(passed);
    close(fd);
    return same;
}

static sigjmp_buf kernel_back;
static void *volatile kernel_fault;

static inline void kernel_on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    kernel_fault = info->si_addr;
    siglongjmp(kernel_back, 1);
}

/* SIGBUS tells what was touched. The handler that was there before is there afterwards. */
static inline bool kernel_tells_fault_address(void)
{
    struct sigaction action = { .sa_sigaction = kernel_on_sigbus, .sa_flags = SA_SIGINFO }, before;
    int fd = memfd_create("empty", MFD_CLOEXEC);
    volatile uint8_t *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    kernel_fault = NULL;
    sigaction(SIGBUS, &action, &before);
    if (sigsetjmp(kernel_back, 1) == 0) {
        (void)page[5];
    }
    sigaction(SIGBUS, &before, NULL);
    munmap((void *)(uintptr_t)page, 4096);
    close(fd);
    return kernel_fault == page + 5;
}

/*
 * statx does not call direct I/O impossible where O_DIRECT opens the file. (Some real file systems
 * do: there is nothing to be tested there either.)
 */
static inline bool kernel_tells_direct_io(const char *path)
{
    bool denied = false;
#ifdef STATX_DIOALIGN
    struct statx stx;
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

    denied = fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
             (stx.stx_mask & STATX_DIOALIGN) != 0 && stx.stx_dio_offset_align == 0;
    close(fd);
#else
    (void)path;
#endif
    return !denied;
}

#endif
