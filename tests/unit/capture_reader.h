/*
 * capture_reader.h: reads a capture as somebody would who has only the text of the pcapng format at
 * hand, and wants whole blocks. Frames are those of link_ends.h: a number, and its remainder.
 */
#ifndef TESTS_UNIT_CAPTURE_READER_H
#define TESTS_UNIT_CAPTURE_READER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { FILE_ROOM = 1 << 20, CAPTURE_FRAME = 100 };

struct packet {
    uint32_t number, bytes, original, direction;
    uint64_t time;
};

static uint8_t file[FILE_ROOM];
static size_t file_bytes;

static inline void load(const char *path)
{
    FILE *from = fopen(path, "rb");

    assert_non_null(from);
    file_bytes = fread(file, 1, sizeof(file), from);
    fclose(from);
}

static inline uint32_t get32(size_t at)
{
    uint32_t value;

    assert_true(at + 4 <= file_bytes);
    memcpy(&value, file + at, 4);
    return value;
}

static inline uint16_t get16(size_t at)
{
    uint16_t value;

    assert_true(at + 2 <= file_bytes);
    memcpy(&value, file + at, 2);
    return value;
}

/* The value of an option in [at, end), or 0. */
static inline size_t find_option(size_t at, size_t end, uint16_t code, uint16_t *bytes)
{
    while (at < end) {
        *bytes = get16(at + 2);
        if (get16(at) == code) {
            return at + 4;
        }
        if (get16(at) == 0) {
            break;
        }
        at += 4 + (*bytes + 3U) / 4 * 4;
    }
    assert_true(at < end); /* options end with their end */
    return 0;
}

static inline void read_packet(size_t at, size_t end, struct packet *packet)
{
    uint16_t bytes = 0;
    size_t option;

    assert_int_equal(get32(at + 8), 0);
    packet->time = (uint64_t)get32(at + 12) << 32 | get32(at + 16);
    packet->bytes = get32(at + 20);
    packet->original = get32(at + 24);
    memcpy(&packet->number, file + at + 28, 4);
    for (unsigned i = 4; i < packet->bytes && packet->bytes == CAPTURE_FRAME; i++) {
        assert_int_equal(file[at + 28 + i], packet->number % 251);
    }
    option = find_option(at + 28 + (packet->bytes + 3) / 4 * 4, end, 2, &bytes);
    assert_true(option != 0);
    assert_int_equal(bytes, 4);
    packet->direction = get32(option);
}

/* All that is in the file, which has whole blocks only. */
static inline unsigned read_capture(const char *path, const char *name, struct packet *packets,
                                    unsigned room)
{
    unsigned count = 0;
    uint16_t bytes = 0;
    size_t at = 0, option;

    load(path);
    assert_int_equal(get32(0), 0x0a0d0d0a);
    assert_int_equal(get32(8), 0x1a2b3c4d);
    assert_int_equal(get16(12), 1);
    assert_int_equal(get16(14), 0);
    at = get32(4);
    assert_int_equal(get32(at), 1);
    assert_int_equal(get16(at + 8), 1); /* Ethernet */
    option = find_option(at + 16, at + get32(at + 4) - 4, 2, &bytes);
    assert_int_equal(bytes, strlen(name));
    assert_memory_equal(file + option, name, bytes);
    option = find_option(at + 16, at + get32(at + 4) - 4, 9, &bytes);
    assert_int_equal(file[option], 9); /* nanoseconds */
    for (at += get32(at + 4); at < file_bytes; at += get32(at + 4)) {
        size_t end = at + get32(at + 4);
        assert_int_equal(get32(at), 6);
        assert_int_equal(get32(end - 4), get32(at + 4));
        assert_true(count < room);
        read_packet(at, end - 4, &packets[count++]);
    }
    assert_int_equal(at, file_bytes);
    return count;
}

#endif
