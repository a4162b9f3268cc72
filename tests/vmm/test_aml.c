/*
 * test_aml.c: the writer of ACPI's byte code: lengths of every size, integers, names, and buffers
 * that are too small, byte for byte.
 */
#include "vmm/aml.h"

#include <stdlib.h>

#include "aml_reader.h"

static void expect(const struct aml *aml, const void *bytes, size_t count)
{
    assert_false(aml->overflow);
    assert_int_equal(aml->used, count);
    assert_memory_equal(aml->to, bytes, count);
}

static void integers_are_as_short_as_they_can_be(void **state)
{
    static const struct {
        uint32_t value;
        uint8_t count, bytes[5];
    } table[] = {
        { 0, 1, { 0x00 } },
        { 1, 1, { 0x01 } },
        { 2, 2, { 0x0a, 2 } },
        { 255, 2, { 0x0a, 255 } },
        { 256, 3, { 0x0b, 0, 1 } },
        { 65535, 3, { 0x0b, 255, 255 } },
        { 65536, 5, { 0x0c, 0, 0, 1, 0 } },
        { 0xfedcba98, 5, { 0x0c, 0x98, 0xba, 0xdc, 0xfe } },
    };
    uint8_t room[8];
    struct aml aml;
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        aml_init(&aml, room, sizeof(room));
        aml_integer(&aml, table[i].value);
        expect(&aml, table[i].bytes, table[i].count);
        struct aml_span span = { room, aml.used };
        assert_int_equal(aml_take_integer(&span), table[i].value);
    }
}

static void names_have_four_characters(void **state)
{
    uint8_t room[64];
    struct aml aml;
    (void)state;

    aml_init(&aml, room, sizeof(room));
    aml_name(&aml, "A");
    aml_name(&aml, "_SB");
    aml_name(&aml, "VR0F");
    aml_name(&aml, "\\_SB");
    aml_name(&aml, "TOOLONG");
    expect(&aml, "A____SB_VR0F\\_SB_TOOL", 21);
    aml_init(&aml, room, sizeof(room));
    aml_named(&aml, "_HID");
    aml_string(&aml, "LNRO0005");
    expect(&aml, "\x08_HID\x0dLNRO0005", 15);
}

/* The length counts its own bytes, so it grows just where it stops fitting. */
static void packages_of_every_length(void **state)
{
    static const size_t around[] = { 0, 62, 63, 4093, 4094, 1048571, 1048572, 1100000 };
    uint8_t *room = malloc(1200000), *filler = calloc(1, 1200000);
    (void)state;

    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        for (size_t near = 0; near < 10; near++) {
            size_t bytes = around[i] + near < 5 ? 0 : around[i] + near - 5;
            struct aml aml;
            aml_init(&aml, room, 1200000);
            aml_device_begin(&aml, "DEV0");
            aml_bytes(&aml, filler, bytes);
            aml_end(&aml);
            aml_byte(&aml, 0xee);
            assert_false(aml.overflow);
            struct aml_span span = { room, aml.used };
            assert_int_equal(aml_take_number(&span, 2), 0x825b);
            struct aml_span body = aml_take_package(&span);
            assert_int_equal(body.bytes, 4 + bytes);
            assert_memory_equal(body.at, "DEV0", 4);
            assert_int_equal(span.bytes, 1);
            assert_int_equal(aml_take(&span), 0xee);
        }
    }
    free(room);
    free(filler);
}

static void write_device(struct aml *aml)
{
    aml_scope_begin(aml, "\\_SB");
    aml_device_begin(aml, "DEV");
    aml_named(aml, "_HID");
    aml_string(aml, "LNRO0005");
    aml_resources_begin(aml);
    aml_memory(aml, 0xd0000000, 0x1000);
    aml_ports(aml, 0x3f8, 8);
    aml_interrupt(aml, 23, true, false);
    aml_resources_end(aml);
    aml_end(aml);
    aml_end(aml);
}

static void device_with_resources_byte_for_byte(void **state)
{
    static const uint8_t expected[] = {
        0x10, 0x46, 0x04, '\\', '_',  'S',  'B',  '_',  0x5b, 0x82, 0x3d, 'D',  'E',  'V',  '_',
        0x08, '_',  'H',  'I',  'D',  0x0d, 'L',  'N',  'R',  'O',  '0',  '0',  '0',  '5',  0,
        0x08, '_',  'C',  'R',  'S',  0x11, 0x23, 0x0b, 0x1f, 0x00, 0x86, 0x09, 0x00, 0x01, 0x00,
        0x00, 0x00, 0xd0, 0x00, 0x10, 0x00, 0x00, 0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08,
        0x89, 0x06, 0x00, 0x01, 0x01, 0x17, 0x00, 0x00, 0x00, 0x79, 0x00,
    };
    uint8_t room[200];
    struct aml aml;
    (void)state;

    aml_init(&aml, room, sizeof(room));
    write_device(&aml);
    expect(&aml, expected, sizeof(expected));
}

/* Under the address sanitizer a byte too far is seen; without it the guard behind shows most. */
static void too_small_buffers_are_never_left(void **state)
{
    struct aml aml;
    (void)state;

    for (size_t room = 0; room <= 80; room++) {
        uint8_t *to = malloc(room + 1);
        to[room] = 0xa5;
        aml_init(&aml, to, room);
        write_device(&aml);
        assert_int_equal(aml.overflow, room < 71);
        assert_true(aml.used <= room);
        assert_int_equal(to[room], 0xa5);
        free(to);
    }
}

static void depth_is_bounded(void **state)
{
    uint8_t room[1000];
    struct aml aml;
    (void)state;

    aml_init(&aml, room, sizeof(room));
    for (unsigned i = 0; i < AML_DEPTH; i++) {
        aml_device_begin(&aml, "D");
    }
    assert_false(aml.overflow);
    aml_device_begin(&aml, "D");
    assert_true(aml.overflow);
    aml_init(&aml, room, sizeof(room));
    aml_end(&aml); /* nothing is open */
    assert_true(aml.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_as_short_as_they_can_be),
        cmocka_unit_test(names_have_four_characters),
        cmocka_unit_test(packages_of_every_length),
        cmocka_unit_test(device_with_resources_byte_for_byte),
        cmocka_unit_test(too_small_buffers_are_never_left),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
