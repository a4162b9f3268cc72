/*
 * test_memory.c: regions that come and go while views hold tables: when each is released, what each
 * view sees, and the same with threads (run it under the thread sanitizer too). VU-30, VU-79.
 *
 * Long because: it holds one rig and each way of changing memory over it, up to threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/mem.h"

enum { PAGE = 4096 };

static uint8_t host[16 * PAGE];
static unsigned changes;

static void count_change(struct tn_view *view)
{
    (void)view;
    __atomic_fetch_add(&changes, 1, __ATOMIC_RELAXED);
}

static void count_release(void *opaque)
{
    __atomic_fetch_add((unsigned *)opaque, 1, __ATOMIC_RELAXED);
}

static int add(struct tenon_mem *mem, uint64_t gpa, uint64_t bytes, unsigned *released)
{
    struct tenon_region region = { .size = sizeof(region),
                                   .gpa = gpa,
                                   .bytes = bytes,
                                   .host = host,
                                   .released = released ? count_release : NULL,
                                   .opaque = released };
    return tenon_mem_add(mem, &region);
}

static void without_users_a_region_goes_at_once(void **state)
{
    (void)state;
    struct tenon_mem *mem = NULL;
    unsigned released = 0;

    assert_int_equal(tenon_mem_new(&mem), 0);
    assert_int_equal(add(mem, 0, PAGE, &released), 0);
    assert_int_equal(released, 0);
    assert_int_equal(tenon_mem_remove(mem, 0, PAGE), 0);
    assert_int_equal(released, 1);
    assert_int_equal(tenon_mem_remove(mem, 0, PAGE), -ENOENT);
    tenon_mem_free(mem);
    assert_int_equal(released, 1);
    tenon_mem_free(NULL);
}

static void refused_regions_leave_everything_as_it_was(void **state)
{
    (void)state;
    struct tenon_mem *mem = NULL;
    unsigned first = 0, second = 0;
    struct tenon_region sizeless = { .bytes = PAGE, .host = host };

    assert_int_equal(tenon_mem_new(&mem), 0);
    assert_int_equal(add(mem, PAGE, PAGE, &first), 0);
    assert_int_equal(add(mem, 0, 2 * PAGE, &second), -EEXIST);
    assert_int_equal(add(mem, UINT64_MAX, 1, &second), -EINVAL);
    assert_int_equal(add(mem, 0, 0, &second), -EINVAL);
    assert_int_equal(tenon_mem_add(mem, &sizeless), -EINVAL);
    assert_int_equal(tenon_mem_remove(mem, 0, PAGE), -ENOENT);
    assert_true(tn_mem_has(mem, PAGE, PAGE, true));
    assert_false(tn_mem_has(mem, 0, 1, true));
    assert_int_equal(first + second, 0);
    tenon_mem_free(mem);
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
}

static void view_keeps_its_table_until_it_refreshes(void **state)
{
    (void)state;
    struct tenon_mem *mem = NULL;
    struct tn_view view;
    unsigned released = 0;

    assert_int_equal(tenon_mem_new(&mem), 0);
    assert_int_equal(add(mem, 0, PAGE, &released), 0);
    assert_int_equal(tn_view_open(&view, mem, count_change), 0);
    assert_non_null(tn_translate_flat(&view, 0, PAGE, true));
    assert_false(tn_view_refresh(&view));
    changes = 0;
    assert_int_equal(tenon_mem_remove(mem, 0, PAGE), 0);
    assert_int_equal(changes, 1);
    assert_int_equal(released, 0);
    assert_non_null(tn_translate_flat(&view, 0, PAGE, true));
    assert_false(tn_mem_has(mem, 0, PAGE, true));
    assert_true(tn_view_refresh(&view));
    assert_int_equal(released, 1);
    assert_null(tn_translate_flat(&view, 0, PAGE, true));
    tn_view_close(&view);
    changes = 0;
    assert_int_equal(add(mem, 0, PAGE, NULL), 0);
    assert_int_equal(changes, 0);
    tenon_mem_free(mem);
}

/*
 * VU-30: a removed region is not released as long as a request that was translated with it has not
 * ended.
 */
static void pins_keep_a_removed_region_VU_30(void **state)
{
    (void)state;
    struct tenon_mem *mem = NULL;
    struct tn_view views[2];
    struct tn_table *pins[2][3];
    unsigned released = 0;

    assert_int_equal(tenon_mem_new(&mem), 0);
    assert_int_equal(add(mem, 0, PAGE, &released), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(tn_view_open(&views[i], mem, count_change), 0);
        for (unsigned j = 0; j < 3; j++) {
            pins[i][j] = tn_view_pin(&views[i]);
        }
    }
    tn_view_unpin(&views[0], pins[0][0]);
    assert_int_equal(tenon_mem_remove(mem, 0, PAGE), 0);
    tn_view_unpin(&views[0], pins[0][1]);
    assert_true(tn_view_refresh(&views[0]));
    struct tn_table *newer = tn_view_pin(&views[0]);
    tn_view_unpin(&views[0], pins[0][2]);
    tn_view_unpin(&views[0], newer);
    tn_view_close(&views[0]);
    assert_true(tn_view_refresh(&views[1]));
    tn_view_unpin(&views[1], pins[1][0]);
    tn_view_unpin(&views[1], pins[1][1]);
    assert_int_equal(released, 0);
    tn_view_unpin(&views[1], pins[1][2]);
    assert_int_equal(released, 1);
    tn_view_close(&views[1]);
    tenon_mem_free(mem);
    assert_int_equal(released, 1);
}

static void pins_over_several_changes_go_in_any_order(void **state)
{
    (void)state;
    enum { ROUNDS = 40 };
    struct tenon_mem *mem = NULL;
    struct tn_view view;
    struct tn_table *pins[ROUNDS];
    unsigned released[ROUNDS] = { 0 };

    assert_int_equal(tenon_mem_new(&mem), 0);
    assert_int_equal(tn_view_open(&view, mem, count_change), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(add(mem, i * PAGE, PAGE, &released[i]), 0);
        assert_true(tn_view_refresh(&view));
        pins[i] = tn_view_pin(&view);
        assert_int_equal(tenon_mem_remove(mem, i * PAGE, PAGE), 0);
        assert_true(tn_view_refresh(&view));
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned which = i * 7 % ROUNDS;
        assert_int_equal(released[which], 0);
        tn_view_unpin(&view, pins[which]);
        assert_int_equal(released[which], 1);
    }
    tn_view_close(&view);
    tenon_mem_free(mem);
}

static void object_outlives_its_owner_while_it_is_used(void **state)
{
    (void)state;
    struct tenon_mem *mem = NULL;
    struct tn_view view;
    unsigned released = 0;

    assert_int_equal(tenon_mem_new(&mem), 0);
    assert_int_equal(add(mem, 0, PAGE, &released), 0);
    assert_int_equal(tn_view_open(&view, mem, count_change), 0);
    assert_ptr_equal(tn_mem_get(mem), mem);
    struct tn_table *pin = tn_view_pin(&view);
    changes = 0;
    tenon_mem_free(mem);
    assert_int_equal(changes, 1);
    assert_true(tn_view_refresh(&view));
    assert_null(tn_translate_flat(&view, 0, 1, false));
    tn_view_unpin(&view, pin);
    assert_int_equal(released, 1);
    tn_view_close(&view);
    assert_false(tn_mem_has(mem, 0, 1, false));
    tn_mem_put(mem);
}

/* What an embedder may do when it hears that a region is gone: put another one in its place. */
static struct tenon_mem *again;

static void add_again(void *opaque)
{
    struct tenon_region region = { .size = sizeof(region), .bytes = PAGE, .host = host };
    ++*(unsigned *)opaque;
    assert_int_equal(tenon_mem_add(again, &region), 0);
}

static void released_may_call_back(void **state)
{
    (void)state;
    unsigned released = 0;
    struct tenon_region region = { .size = sizeof(region),
                                   .bytes = PAGE,
                                   .host = host,
                                   .released = add_again,
                                   .opaque = &released };

    assert_int_equal(tenon_mem_new(&again), 0);
    assert_int_equal(tenon_mem_add(again, &region), 0);
    assert_int_equal(tenon_mem_remove(again, 0, PAGE), 0);
    assert_int_equal(released, 1);
    assert_true(tn_mem_has(again, 0, PAGE, true));
    tenon_mem_free(again);
}

static unsigned mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        count += strstr(line, "memfd:guest") != NULL;
    }
    fclose(maps);
    return count;
}

/* VU-79: what was mapped is unmapped, and the callback comes after that. */
static void is_unmapped(void *opaque)
{
    *(unsigned *)opaque += 1 + 100 * mappings();
}

static void hundreds_of_mapped_regions_leave_nothing_VU_79(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct tenon_mem *mem = NULL;
    int fd = memfd_create("guest", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, PAGE), 0);
    assert_int_equal(tenon_mem_new(&mem), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        struct tenon_region region = {
            .size = sizeof(region), .gpa = i * 0x10000ull, .bytes = PAGE, .fd = fd
        };
        assert_int_equal(tenon_mem_add(mem, &region), 0);
    }
    assert_true(mappings() > 0);
    for (unsigned i = 0; i + 1 < COUNT; i++) {
        assert_int_equal(tenon_mem_remove(mem, i * 0x10000ull, PAGE), 0);
    }
    assert_int_equal(mappings(), 1);
    tenon_mem_free(mem);
    assert_int_equal(mappings(), 0);

    unsigned released = 0;
    struct tenon_region region = { .size = sizeof(region),
                                   .bytes = PAGE,
                                   .fd = fd,
                                   .released = is_unmapped,
                                   .opaque = &released };
    assert_int_equal(tenon_mem_new(&mem), 0);
    assert_int_equal(tenon_mem_add(mem, &region), 0);
    tenon_mem_free(mem);
    assert_int_equal(released, 1);
    close(fd);
}

/*
 * Threads: two workers translate, write through what they got, and unpin later, while two others
 * add and remove. A region is freed by its own callback, so that a release too early is a use after
 * free.
 */
enum { WORKERS = 2, CHANGERS = 2, CHANGES = 1500, KEPT = 8, SLOTS = 4 };

struct worker {
    struct tn_view view;
    struct tenon_mem *mem;
    bool moved;
    unsigned long translated;
};

static bool stop;
static unsigned made, freed;
static unsigned busy; /* workers that have seen a region: changes go on until all have */

static void note_moved(struct tn_view *view)
{
    struct worker *worker = TN_CONTAINER_OF(view, struct worker, view);
    __atomic_store_n(&worker->moved, true, __ATOMIC_RELEASE);
}

static void *work(void *opaque)
{
    struct worker *worker = opaque;
    struct {
        struct tn_table *table;
        uint64_t *word;
    } kept[KEPT] = { 0 };

    assert_int_equal(tn_view_open(&worker->view, worker->mem, note_moved), 0);
    for (unsigned turn = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); turn++) {
        if (__atomic_exchange_n(&worker->moved, false, __ATOMIC_ACQ_REL)) {
            tn_view_refresh(&worker->view);
        }
        unsigned i = turn % KEPT;
        if (kept[i].table) {
            __atomic_store_n(kept[i].word, turn, __ATOMIC_RELAXED);
            tn_view_unpin(&worker->view, kept[i].table);
            kept[i].table = NULL;
        }
        uint64_t gpa = (turn % (SLOTS * CHANGERS)) * PAGE;
        kept[i].word = tn_translate_flat(&worker->view, gpa, 64, true);
        if (kept[i].word) {
            kept[i].table = tn_view_pin(&worker->view);
            __atomic_fetch_add(&busy, worker->translated++ == 0, __ATOMIC_RELAXED);
        }
        assert_false(tn_view_poisoned(&worker->view));
    }
    for (unsigned i = 0; i < KEPT; i++) {
        if (kept[i].table) {
            __atomic_store_n(kept[i].word, 1, __ATOMIC_RELAXED);
            tn_view_unpin(&worker->view, kept[i].table);
        }
    }
    tn_view_close(&worker->view);
    return NULL;
}

static void free_region(void *opaque)
{
    free(opaque);
    __atomic_fetch_add(&freed, 1, __ATOMIC_RELAXED);
}

struct changer {
    struct tenon_mem *mem;
    uint64_t gpa;
};

static void *change(void *opaque)
{
    struct changer *changer = opaque;

    for (unsigned i = 0; i < CHANGES || __atomic_load_n(&busy, __ATOMIC_RELAXED) < WORKERS; i++) {
        uint64_t gpa = changer->gpa + i % SLOTS * PAGE;
        void *block = calloc(1, PAGE);
        struct tenon_region region = { .size = sizeof(region),
                                       .gpa = gpa,
                                       .bytes = PAGE,
                                       .host = block,
                                       .released = free_region,
                                       .opaque = block };
        if (i >= SLOTS) {
            assert_int_equal(tenon_mem_remove(changer->mem, gpa, PAGE), 0);
        }
        assert_int_equal(tenon_mem_add(changer->mem, &region), 0);
        __atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
        assert_true(tn_mem_has(changer->mem, gpa, PAGE, true));
    }
    return NULL;
}

static void regions_change_under_working_views(void **state)
{
    (void)state;
    struct tenon_mem *mem = NULL;
    struct worker workers[WORKERS] = { 0 };
    struct changer changers[CHANGERS];
    pthread_t threads[WORKERS + CHANGERS];

    stop = false;
    made = freed = busy = 0;
    assert_int_equal(tenon_mem_new(&mem), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].mem = mem;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < CHANGERS; i++) {
        changers[i] = (struct changer){ mem, i * SLOTS * PAGE };
        assert_int_equal(pthread_create(&threads[WORKERS + i], NULL, change, &changers[i]), 0);
    }
    for (unsigned i = 0; i < CHANGERS; i++) {
        pthread_join(threads[WORKERS + i], NULL);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(workers[i].translated > 0);
    }
    assert_true(made >= CHANGERS * CHANGES);
    assert_int_equal(freed, made - CHANGERS * SLOTS);
    tenon_mem_free(mem);
    assert_int_equal(freed, made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_users_a_region_goes_at_once),
        cmocka_unit_test(refused_regions_leave_everything_as_it_was),
        cmocka_unit_test(view_keeps_its_table_until_it_refreshes),
        cmocka_unit_test(pins_keep_a_removed_region_VU_30),
        cmocka_unit_test(pins_over_several_changes_go_in_any_order),
        cmocka_unit_test(object_outlives_its_owner_while_it_is_used),
        cmocka_unit_test(released_may_call_back),
        cmocka_unit_test(hundreds_of_mapped_regions_leave_nothing_VU_79),
        cmocka_unit_test(regions_change_under_working_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
