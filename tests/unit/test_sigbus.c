/*
 * test_sigbus.c: a file is truncated under its mapping: the process lives on, that memory is
 * marked, and its neighbours notice nothing (VU-103). What is not ours stays with the embedder's
 * handler.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/mem.h"
#include "needs.h"

enum { PAGE = 4096 };

static volatile sig_atomic_t ours, foreign;

/*
 * What is not Tenon's: the embedder's own handler does something of its own, here 0xee in a new
 * page.
 */
static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (tenon_sigbus(info)) {
        ours++;
        return;
    }
    foreign++;
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1);
    uint8_t *own = mmap((void *)page, PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (unsigned i = 0; i < PAGE; i++) {
        own[i] = 0xee;
    }
}

/* In each test itself: cmocka puts its own handlers in place between setup and test. */
static void install(void)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
    ours = foreign = 0;
    assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

/* For what touches memory that is gone. */
static void install_or_skip(void)
{
    need_fault_address();
    install();
}

static int new_memfd(off_t bytes)
{
    int fd = memfd_create("guest", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, bytes), 0);
    return fd;
}

static void no_change(struct tn_view *view)
{
    (void)view;
}

static uint8_t peek(const void *at)
{
    return *(const volatile uint8_t *)at;
}

struct guest {
    struct tenon_mem *mem;
    struct tn_view view;
    int fd;
};

static void guest_open(struct guest *guest)
{
    guest->fd = new_memfd(8 * PAGE);
    assert_int_equal(tenon_mem_new(&guest->mem), 0);
    struct tenon_region region = {
        .size = sizeof(region), .bytes = 8 * PAGE - 100, .fd = guest->fd, .fd_offset = 100
    };
    assert_int_equal(tenon_mem_add(guest->mem, &region), 0);
    assert_int_equal(tn_view_open(&guest->view, guest->mem, no_change), 0);
}

static void guest_close(struct guest *guest)
{
    tn_view_close(&guest->view);
    tenon_mem_free(guest->mem);
    close(guest->fd);
}

static void truncated_memory_is_survived_and_neighbours_go_on_VU_103(void **state)
{
    (void)state;
    install_or_skip();
    struct guest victim, neighbour;

    guest_open(&victim);
    guest_open(&neighbour);
    volatile uint8_t *byte = tn_translate_flat(&victim.view, 5 * PAGE, 1, true);
    uint8_t *first = tn_translate_flat(&victim.view, 0, 1, true);
    *byte = 7;
    *first = 9;
    assert_false(tn_view_poisoned(&victim.view));
    assert_int_equal(ftruncate(victim.fd, PAGE), 0);

    errno = 12345;
    assert_int_equal(*byte, 0);
    assert_int_equal(errno, 12345);
    assert_int_equal(ours, 1);
    *byte = 3;
    assert_int_equal(*byte, 3);
    assert_int_equal(ours, 1);
    assert_int_equal(peek(first), 9);
    /* The very last byte, in a page of its own. */
    assert_int_equal(peek(tn_translate_flat(&victim.view, 8 * PAGE - 101, 1, false)), 0);
    assert_int_equal(ours, 2);
    assert_true(tn_view_poisoned(&victim.view));
    assert_true(tn_view_poisoned(&victim.view));

    assert_false(tn_view_poisoned(&neighbour.view));
    volatile uint8_t *other = tn_translate_flat(&neighbour.view, 5 * PAGE, 1, true);
    *other = 5;
    assert_int_equal(*other, 5);
    assert_int_equal(ours, 2);

    guest_close(&victim);
    guest_close(&neighbour);
    assert_int_equal(foreign, 0);
}

/*
 * The mark is on the memory that was lost, and goes with it: its place in the registry is used
 * again clean.
 */
static void the_mark_goes_with_the_region(void **state)
{
    (void)state;
    install_or_skip();
    struct guest guest;

    guest_open(&guest);
    assert_int_equal(ftruncate(guest.fd, 0), 0);
    (void)peek(tn_translate_flat(&guest.view, 0, 1, false));
    assert_true(tn_view_poisoned(&guest.view));
    assert_int_equal(tenon_mem_remove(guest.mem, 0, 8 * PAGE - 100), 0);
    assert_true(tn_view_poisoned(&guest.view));
    assert_true(tn_view_refresh(&guest.view));
    assert_false(tn_view_poisoned(&guest.view));
    assert_int_equal(ftruncate(guest.fd, PAGE), 0);
    struct tenon_region region = { .size = sizeof(region), .bytes = PAGE, .fd = guest.fd };
    assert_int_equal(tenon_mem_add(guest.mem, &region), 0);
    assert_true(tn_view_refresh(&guest.view));
    assert_false(tn_view_poisoned(&guest.view));
    guest_close(&guest);
}

static void foreign_addresses_are_not_ours(void **state)
{
    (void)state;
    install_or_skip();
    struct guest guest;
    int fd = new_memfd(PAGE);
    uint8_t *mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_true(mapped != MAP_FAILED);
    guest_open(&guest);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(peek(mapped), 0xee);
    assert_int_equal(foreign, 1);
    assert_int_equal(ours, 0);
    assert_false(tn_view_poisoned(&guest.view));
    munmap(mapped, PAGE);
    close(fd);
    guest_close(&guest);
}

static void other_signals_are_not_ours(void **state)
{
    (void)state;
    install();
    struct guest guest;
    siginfo_t info = { 0 };

    guest_open(&guest);
    uint8_t *byte = tn_translate_flat(&guest.view, 0, 1, true);
    *byte = 4;
    info.si_signo = SIGBUS;
    info.si_code = BUS_ADRALN;
    info.si_addr = byte;
    assert_false(tenon_sigbus(&info));
    info.si_code = SI_USER; /* the address is then the sender's pid */
    assert_false(tenon_sigbus(&info));
    info.si_code = BUS_MCEERR_AO;
    assert_false(tenon_sigbus(&info));
    info.si_signo = SIGSEGV;
    info.si_code = BUS_ADRERR;
    assert_false(tenon_sigbus(&info));
    assert_int_equal(*byte, 4);
    guest_close(&guest);
}

static void removed_region_is_not_ours_any_more(void **state)
{
    (void)state;
    install();
    struct guest guest;
    siginfo_t info = { .si_signo = SIGBUS, .si_code = BUS_ADRERR };

    guest_open(&guest);
    info.si_addr = tn_translate_flat(&guest.view, 0, 1, true);
    guest_close(&guest);
    assert_false(tenon_sigbus(&info));
}

static void guards_of_other_mappings(void **state)
{
    (void)state;
    install_or_skip();
    int fd = new_memfd(3 * PAGE);
    uint8_t *mapped = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct tn_guard *guard = NULL;

    assert_true(mapped != MAP_FAILED);
    assert_int_equal(tn_guard_add(mapped + PAGE, PAGE, &guard), 0);
    assert_false(tn_guard_hit(guard));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(peek(mapped + 2 * PAGE - 1), 0);
    assert_true(tn_guard_hit(guard));
    assert_int_equal(peek(mapped + PAGE - 1), 0xee);
    assert_int_equal(peek(mapped + 2 * PAGE), 0xee);
    assert_int_equal(foreign, 2);
    tn_guard_remove(guard);
    munmap(mapped, 3 * PAGE);
    close(fd);
}

/*
 * A cut that is not at a huge page's border is refused by the kernel: the piece grows to the whole
 * guard.
 */
static void huge_pages_are_replaced_whole(void **state)
{
    (void)state;
    install_or_skip();
    enum { HUGE = 2 << 20 };
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | (21u << 26));
    uint8_t *mapped = MAP_FAILED;
    struct tn_guard *guard = NULL;

    if (fd >= 0 && ftruncate(fd, 2l * HUGE) == 0) {
        mapped = mmap(NULL, 2l * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (mapped == MAP_FAILED) {
        print_message("no huge pages are set aside (vm.nr_hugepages)\n");
        skip();
    }
    mapped[0] = 1;
    assert_int_equal(tn_guard_add(mapped, 2l * HUGE, &guard), 0);
    assert_int_equal(ftruncate(fd, HUGE), 0);
    assert_int_equal(peek(mapped + HUGE + 3 * PAGE), 0);
    assert_int_equal(ours, 1);
    assert_int_equal(mapped[0], 1);
    tn_guard_remove(guard);
    assert_int_equal(munmap(mapped, 2l * HUGE), 0);
    close(fd);
}

/* More guards than one device needs, all of them found; then the places are free again. */
static void thousands_of_guards(void **state)
{
    (void)state;
    install_or_skip();
    enum { COUNT = 5000 };
    static struct tn_guard *guards[COUNT];
    struct guest guest;

    for (unsigned i = 0; i < COUNT; i++) {
        void *never_mapped = (void *)(uintptr_t)((i + 1) * 0x100ull * PAGE);
        assert_int_equal(tn_guard_add(never_mapped, PAGE, &guards[i]), 0);
    }
    guest_open(&guest);
    assert_int_equal(ftruncate(guest.fd, 0), 0);
    assert_int_equal(peek(tn_translate_flat(&guest.view, 0, 1, false)), 0);
    assert_true(tn_view_poisoned(&guest.view));
    guest_close(&guest);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_false(tn_guard_hit(guards[i]));
        tn_guard_remove(guards[i]);
    }
}

/*
 * Two threads add and remove guards of memory that stays, while a third one takes faults in its
 * own.
 */
static bool stop;

static void *churn(void *opaque)
{
    uint8_t *place = opaque;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        struct tn_guard *guard = NULL;
        assert_int_equal(tn_guard_add(place, PAGE, &guard), 0);
        assert_false(tn_guard_hit(guard));
        tn_guard_remove(guard);
    }
    return NULL;
}

static void faults_while_others_register(void **state)
{
    (void)state;
    install_or_skip();
    static uint8_t places[2][PAGE];
    pthread_t threads[2];

    stop = false;
    memset(places, 0x5a, sizeof(places));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, places[i]), 0);
    }
    for (unsigned round = 0; round < 300; round++) {
        struct guest guest;
        guest_open(&guest);
        assert_int_equal(ftruncate(guest.fd, 0), 0);
        assert_int_equal(peek(tn_translate_flat(&guest.view, round, 1, false)), 0);
        assert_true(tn_view_poisoned(&guest.view));
        guest_close(&guest);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(places[i][0], 0x5a);
    }
    assert_int_equal(ours, 300);
    assert_int_equal(foreign, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_memory_is_survived_and_neighbours_go_on_VU_103),
        cmocka_unit_test(the_mark_goes_with_the_region),
        cmocka_unit_test(foreign_addresses_are_not_ours),
        cmocka_unit_test(other_signals_are_not_ours),
        cmocka_unit_test(removed_region_is_not_ours_any_more),
        cmocka_unit_test(guards_of_other_mappings),
        cmocka_unit_test(huge_pages_are_replaced_whole),
        cmocka_unit_test(thousands_of_guards),
        cmocka_unit_test(faults_while_others_register),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
