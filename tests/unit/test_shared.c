/*
 * test_shared.c: copies to and from memory that a guest writes too, at every alignment; and, in a
 * build with -Dread_once=true, that a byte which is read twice is reported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/shared.h"

enum { ROOM = 64, LONGEST = 40 };

static void fill(uint8_t *bytes, uint8_t first)
{
    for (unsigned i = 0; i < ROOM; i++) {
        bytes[i] = (uint8_t)(first + i);
    }
}

/* Every alignment of both sides, every length: nothing but the range is touched. */
static void copies_are_exact_at_every_alignment(void **state)
{
    _Alignas(8) uint8_t shared[ROOM], private[ROOM], expected[ROOM];

    (void)state;
    for (unsigned to = 0; to < 8; to++) {
        for (unsigned from = 0; from < 8; from++) {
            for (unsigned bytes = 0; bytes <= LONGEST; bytes++) {
                fill(shared, 100);
                fill(private, 1);
                fill(expected, 1);
                memcpy(expected + to, shared + from, bytes);
                tn_read_once_begin();
                tn_shared_copy_from(private + to, shared + from, bytes);
                assert_memory_equal(private, expected, ROOM);

                fill(expected, 100);
                fill(private, 1);
                memcpy(expected + from, private + to, bytes);
                tn_shared_copy_to(shared + from, private + to, bytes);
                assert_memory_equal(shared, expected, ROOM);

                memset(expected + from, 0, bytes);
                tn_shared_zero(shared + from, bytes);
                assert_memory_equal(shared, expected, ROOM);
            }
        }
    }
}

static void words_are_little_endian(void **state)
{
    _Alignas(8) uint8_t raw[8] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0 };
    le16 *word = (le16 *)(void *)raw;
    le32 dword;
    le64 qword;

    (void)state;
    memcpy(&dword, raw, sizeof(dword));
    memcpy(&qword, raw, sizeof(qword));
    assert_int_equal(tn_shared_load16(word), 0x3412);
    assert_int_equal(tn_shared_load16_acquire(word), 0x3412);
    assert_true(tn_from_le32(dword) == 0x78563412);
    assert_true(tn_from_le64(qword) == UINT64_C(0xf0debc9a78563412));
    assert_true(tn_to_le64(UINT64_C(0xf0debc9a78563412)).raw == qword.raw);
    assert_true(tn_to_le32(0x78563412).raw == dword.raw);
    assert_true(tn_to_le16(0x3412).raw == word->raw);
    assert_int_equal(tn_from_le16(*word), 0x3412);
    tn_shared_store16(word, 0xabcd);
    assert_int_equal(raw[0], 0xcd);
    assert_int_equal(raw[1], 0xab);
    tn_shared_store16_release(word + 1, 0x0102);
    assert_int_equal(raw[2], 0x02);
    tn_shared_store32((le32 *)(void *)(raw + 4), 0x0a0b0c0d);
    assert_int_equal(raw[4], 0x0d);
    assert_int_equal(raw[7], 0x0a);
    tn_shared_store8(raw, 0x5a);
    assert_int_equal(raw[0], 0x5a);
    tn_full_barrier();
}

#ifdef TN_READ_ONCE
static unsigned long news(void)
{
    static unsigned long before;
    unsigned long now = tn_read_once_violations();
    unsigned long more = now - before;

    before = now;
    return more;
}

static void a_byte_read_twice_is_reported(void **state)
{
    _Alignas(8) uint8_t shared[ROOM] = { 0 }, private[ROOM];
    const le16 *words = (const le16 *)(const void *)shared;

    (void)state;
    news();
    tn_read_once_begin();
    tn_shared_copy_from(private, shared, 16);
    tn_shared_copy_from(private, shared + 16, 16); /* neighbours share nothing */
    tn_shared_load16_once(&words[20]);
    assert_true(news() == 0);
    tn_shared_copy_from(private, shared + 15, 1);
    assert_true(news() == 1);
    tn_shared_load16_once(&words[20]);
    assert_true(news() == 1);
    tn_shared_copy_from(private, shared, ROOM);
    assert_true(news() == 1);
    tn_shared_load16(&words[0]); /* indexes are polled */
    tn_shared_load16_acquire(&words[0]);
    tn_shared_copy_from(private, shared, 0);
    assert_true(news() == 0);
    tn_read_once_begin();
    tn_shared_copy_from(private, shared, 16);
    assert_true(news() == 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_exact_at_every_alignment),
        cmocka_unit_test(words_are_little_endian),
#ifdef TN_READ_ONCE
        cmocka_unit_test(a_byte_read_twice_is_reported),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
