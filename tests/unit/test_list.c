/*
 * test_list.c: the linked list, checked in both directions after each act.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/list.h"

struct item {
    char name;
    struct tn_list link;
};

static struct tn_list list;
static struct item a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };

static void assert_is(const struct tn_list *head, const char *names)
{
    const struct tn_list *at = head;
    size_t n = strlen(names);

    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(at->next->prev, at);
        at = at->next;
        assert_ptr_not_equal(at, head);
        assert_int_equal(TN_CONTAINER_OF(at, struct item, link)->name, names[i]);
    }
    assert_ptr_equal(at->next, head);
    assert_ptr_equal(head->prev, at);
    assert_int_equal(tn_list_empty(head), n == 0);
}

static int begin(void **state)
{
    (void)state;
    tn_list_init(&list);
    tn_list_init(&a.link);
    tn_list_init(&b.link);
    tn_list_init(&c.link);
    return 0;
}

static void items_go_in_at_both_ends_and_between(void **state)
{
    (void)state;
    assert_is(&list, "");
    assert_true(tn_list_unlinked(&b.link));
    tn_list_append(&list, &b.link);
    assert_false(tn_list_unlinked(&b.link));
    tn_list_prepend(&list, &a.link);
    assert_is(&list, "ab");
    tn_list_insert_before(&b.link, &c.link);
    assert_is(&list, "acb");
}

static void items_come_out_anywhere_and_removing_twice_is_harmless(void **state)
{
    (void)state;
    tn_list_append(&list, &a.link);
    tn_list_append(&list, &b.link);
    tn_list_append(&list, &c.link);
    tn_list_remove(&b.link);
    tn_list_remove(&b.link);
    assert_is(&list, "ac");
    assert_true(tn_list_unlinked(&b.link));
    assert_ptr_equal(tn_list_take_first(&list), &a.link);
    assert_true(tn_list_unlinked(&a.link));
    assert_ptr_equal(tn_list_take_first(&list), &c.link);
    assert_null(tn_list_take_first(&list));
    assert_is(&list, "");
}

static void splice_moves_everything_to_the_end(void **state)
{
    struct tn_list from;

    (void)state;
    tn_list_init(&from);
    tn_list_append(&list, &a.link);
    tn_list_splice(&list, &from);
    assert_is(&list, "a");
    tn_list_append(&from, &b.link);
    tn_list_append(&from, &c.link);
    tn_list_splice(&list, &from);
    assert_is(&list, "abc");
    assert_is(&from, "");
    tn_list_splice(&from, &list);
    assert_is(&from, "abc");
    assert_is(&list, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(items_go_in_at_both_ends_and_between, begin),
        cmocka_unit_test_setup(items_come_out_anywhere_and_removing_twice_is_harmless, begin),
        cmocka_unit_test_setup(splice_moves_everything_to_the_end, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
