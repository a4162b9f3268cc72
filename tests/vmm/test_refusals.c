/*
 * test_refusals.c: a host that refuses something while a machine is made: each call in turn that
 * takes memory, a descriptor or something of KVM. There must be a sentence, and nothing may be left
 * behind: descriptors, mappings, and (under the address sanitizer) memory.
 *
 * The program is linked with --wrap, so that the calls of vmm/ and of the library come here first.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "machine_rig.h"

enum { CALLS_MAX = 2000 };

/* Which call fails, and with what; counted from 1, 0: none. */
static atomic_uint call, failing; /* processors call, too */
static atomic_int failing_errno;
static atomic_bool interrupts; /* each ioctl is interrupted once, and then goes on */
static atomic_bool interrupted;

static bool fails(void)
{
    if (++call != failing) {
        return false;
    }
    errno = failing_errno;
    return true;
}

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
    interrupted = interrupts && !interrupted;
    if (interrupted) {
        errno = EINTR;
        return -1;
    }
    return fails() ? -1 : __real_ioctl(fd, request, argument);
}

int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags)
{
    return fails() ? -1 : __real_eventfd(value, flags);
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags)
{
    return fails() ? -1 : __real_memfd_create(name, flags);
}

void *__real_mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap64(at, bytes, protection, flags, fd, offset);
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *opaque);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *opaque);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *opaque)
{
    return fails() ? failing_errno : __real_pthread_create(thread, attributes, run, opaque);
}

static void fail_at(unsigned number, int error)
{
    call = 0;
    failing = number;
    failing_errno = error;
}

/* ---- what is left behind ---- */

static unsigned count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(directory);
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

/* Of guest memory, and of processors. */
static unsigned count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        count += strstr(line, "tenon-guest") || strstr(line, "kvm-vcpu");
    }
    fclose(maps);
    return count;
}

static void expect_sentence(int result)
{
    assert_true(result < 0);
    assert_true(strlen(vmm_error()) > 10);
    assert_null(strchr(vmm_error(), '\n'));
    assert_null(strstr(vmm_error(), "(null)"));
    assert_null(strstr(vmm_error(), "Success"));
}

static const uint8_t spin[] = { 0xeb, 0xfe };

/* A device keeps what its first window made it open. Skips without KVM. */
static void open_used_machine(struct machine *machine)
{
    struct vmm *vmm;

    fail_at(0, 0);
    machine_open(machine, spin, sizeof(spin));
    assert_int_equal(vmm_new(&machine->options, &vmm), 0);
    vmm_free(vmm);
}

/* Until the number is higher than the number of calls. Whatever is refused and can be done without
 * is no error. */
static void each_call_of_making_a_machine(void **state)
{
    static const int errors[] = { ENOMEM, EMFILE };
    static struct machine machine;
    unsigned refused = 0;
    (void)state;

    open_used_machine(&machine);
    unsigned descriptors = count_descriptors();
    assert_int_equal(count_mappings(), 0);
    for (unsigned number = 1; number < CALLS_MAX; number++) {
        struct vmm *vmm = NULL;
        fail_at(number, errors[number % 2]);
        int result = vmm_new(&machine.options, &vmm);
        bool all = call < failing;
        fail_at(0, 0);
        if (result == 0) {
            vmm_free(vmm);
        } else {
            expect_sentence(result);
            assert_null(vmm);
            refused++;
        }
        assert_int_equal(count_descriptors(), descriptors);
        assert_int_equal(count_mappings(), 0);
        if (all) {
            assert_int_equal(result, 0);
            break;
        }
    }
    assert_true(refused > 30);
    machine_close(&machine);
}

static void each_thread_of_starting_it(void **state)
{
    static struct machine machine;
    (void)state;

    open_used_machine(&machine);
    unsigned descriptors = count_descriptors();
    for (unsigned number = 1; number <= machine.options.cpus; number++) {
        struct vmm *vmm;
        assert_int_equal(vmm_new(&machine.options, &vmm), 0);
        /* The processors' threads call, too, so the first failure is not always the one asked. */
        fail_at(number, EAGAIN);
        int result = vmm_start(vmm);
        fail_at(0, 0);
        if (result < 0) {
            expect_sentence(result);
            assert_non_null(strstr(vmm_error(), "thread"));
        }
        assert_int_equal(machine.ended, 0);
        vmm_free(vmm);
        assert_int_equal(count_descriptors(), descriptors);
        assert_int_equal(count_mappings(), 0);
    }
    machine_close(&machine);
}

static void each_call_of_opening_kvm(void **state)
{
    static struct machine machine;
    (void)state;

    fail_at(0, 0);
    machine_open(&machine, spin, sizeof(spin)); /* or skip */
    unsigned descriptors = count_descriptors(), number;
    for (number = 1;; number++) {
        fail_at(number, EIO);
        int kvm = vmm_kvm_open(false);
        bool all = call < failing;
        fail_at(0, 0);
        if (all) {
            assert_true(kvm >= 0);
            close(kvm);
            break;
        }
        expect_sentence(kvm);
        assert_int_equal(count_descriptors(), descriptors);
    }
    /* And each of the probe's first try, which follow. */
    unsigned first = number, told = 0;
    for (; number <= first + 10; number++) {
        fail_at(number, EIO);
        int kvm = vmm_kvm_open(true);
        fail_at(0, 0);
        assert_true(kvm < 0 || number != first);
        if (kvm >= 0) {
            close(kvm);
        } else {
            expect_sentence(kvm);
            told += strstr(vmm_error(), strerror(EIO)) != NULL;
        }
        assert_int_equal(count_descriptors(), descriptors);
    }
    assert_true(told >= 8); /* a few calls can be done without */
    machine_close(&machine);
}

static void interrupted_calls_are_made_again(void **state)
{
    static struct machine machine;
    struct vmm *vmm;
    (void)state;

    fail_at(0, 0);
    machine_open(&machine, spin, sizeof(spin));
    interrupts = true;
    int result = vmm_new(&machine.options, &vmm);
    interrupts = false;
    assert_int_equal(result, 0);
    vmm_free(vmm);
    machine_close(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_of_making_a_machine),
        cmocka_unit_test(each_thread_of_starting_it),
        cmocka_unit_test(each_call_of_opening_kvm),
        cmocka_unit_test(interrupted_calls_are_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
