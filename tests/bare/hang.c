/*
 * hang.c: storage that never answers a write. Loaded before the C library (LD_PRELOAD), it stands
 * in for a network share whose server has gone: each write to an image waits for ever, and says on
 * standard error that it does.
 *
 * Not a part of the guest: a library of the host.
 */
#include <sys/uio.h>
#include <unistd.h>

static _Noreturn void for_ever(void)
{
    static const char text[] = "a write hangs\n";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    for (;;) {
        pause();
    }
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    (void)fd;
    (void)iov;
    (void)count;
    (void)offset;
    for_ever();
}

/* The same function where off_t has 64 bits by a macro. */
ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t offset)
    __attribute__((alias("pwritev")));
