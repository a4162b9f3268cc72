/*
 * needs.h: what a test may ask for in its first line: that the kernel under it does what every
 * kernel does. Where it is an emulated one and does not (kernel.h), the test says so and is
 * skipped.
 */
#ifndef TN_TEST_NEEDS_H
#define TN_TEST_NEEDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel.h"

static inline void need(bool there, const char *what)
{
    if (!there) {
        print_message("skipped: %s (as under qemu-user)\n", what);
        skip();
    }
}

static inline void need_lost_fds(void)
{
    need(kernel_tells_lost_fds(), "this kernel does not say that descriptors were lost");
}

static inline void need_passed_eventfds(void)
{
    need(kernel_counts_passed_eventfds(),
         "this kernel loses count of an eventfd that went through a socket");
}

static inline void need_fault_address(void)
{
    need(kernel_tells_fault_address(), "this kernel gives a wrong address with SIGBUS");
}

static inline void need_direct_io(const char *path)
{
    need(kernel_tells_direct_io(path), "this kernel opens files with O_DIRECT, and then denies it");
}

#endif
