/*
 * mapped_rig.h: what the tests of mapped files share: a handler of SIGBUS that counts, and a file
 * in memory that is mapped.
 */
#ifndef MAPPED_RIG_H
#define MAPPED_RIG_H

#include "disk_random.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "tenon/mem.h"

enum { PAGE = 4096, PAGES = 64, BYTES = PAGES * PAGE };

static atomic_uint signals; /* on any thread */

static inline void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)context;
    signals++;
    if (!tenon_sigbus(info)) {
        signal(number, SIG_DFL);
    }
}

/* In each test: cmocka has handlers of its own. */
static inline void survive(void)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
    signals = 0;
}

static inline struct tenon_disk *open_fd(int fd, struct tenon_file_opts opts)
{
    struct tenon_disk *disk = NULL;

    survive();
    opts.size = sizeof(opts);
    opts.engine = TENON_ENGINE_MAPPED;
    if (tenon_disk_open_fd(fd, &opts, &disk) != 0) {
        fail_msg("%s", tenon_error());
    }
    return disk;
}

/* A file in memory, mapped. */
static inline int open_memory(struct rig *rig)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, BYTES), 0);
    rig_open(rig, open_fd(fd, (struct tenon_file_opts){ 0 }));
    return fd;
}

#endif
