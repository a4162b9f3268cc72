/*
 * aml_reader.h: reads ACPI byte code, as far as a device with resources needs it: written from the
 * standard (ACPI 6.4, chapters 6.4 and 20.2) and not from aml.c, so that each is a check of the
 * other. What it does not know fails the test.
 */
#ifndef AML_READER_H
#define AML_READER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

struct aml_span {
    const uint8_t *at;
    size_t bytes;
};

/* A device, as a kernel would see it. */
struct aml_device {
    char name[5];
    char hid[16]; /* a string; or the eight digits of an EISA number */
    uint64_t uid;
    bool has_uid, coherent;
    unsigned memories, ports, interrupts;
    uint32_t memory_base, memory_bytes;
    uint16_t port_base;
    uint8_t port_count;
    uint32_t line;
    bool consumer, edge, low, shared;
};

enum { AML_DEVICES_MAX = 300 };

struct aml_namespace {
    struct aml_device devices[AML_DEVICES_MAX];
    unsigned count;
    unsigned off[2]; /* the package _S5 */
    bool has_off;
};

static inline uint8_t aml_take(struct aml_span *span)
{
    assert_true(span->bytes >= 1);
    span->bytes--;
    return *span->at++;
}

static inline uint32_t aml_take_number(struct aml_span *span, unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint32_t)aml_take(span) << 8 * i;
    }
    return value;
}

static inline struct aml_span aml_cut(struct aml_span *span, size_t bytes)
{
    struct aml_span part = { span->at, bytes };

    assert_true(bytes <= span->bytes);
    span->at += bytes;
    span->bytes -= bytes;
    return part;
}

/* PkgLength: 20.2.4. What it covers, without itself. */
static inline struct aml_span aml_take_package(struct aml_span *span)
{
    size_t before = span->bytes;
    uint8_t lead = aml_take(span);
    unsigned more = lead >> 6;
    size_t length = more ? lead & 0x0f : lead & 0x3f;

    assert_true(more == 0 || (lead & 0x30) == 0);
    for (unsigned i = 0; i < more; i++) {
        length |= (size_t)aml_take(span) << (4 + 8 * i);
    }
    assert_true(length >= before - span->bytes);
    return aml_cut(span, length - (before - span->bytes));
}

static inline void aml_take_segment(struct aml_span *span, char name[5])
{
    for (unsigned i = 0; i < 4; i++) {
        char c = (char)aml_take(span);
        assert_true((c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9'));
        name[i] = c;
    }
    name[4] = 0;
}

/* An integer object, and whether it is as short as it can be. */
static inline uint64_t aml_take_integer(struct aml_span *span)
{
    uint8_t op = aml_take(span);
    uint64_t value;

    switch (op) {
    case 0x00:
    case 0x01:
        return op;
    case 0x0a:
        value = aml_take_number(span, 1);
        assert_true(value > 1);
        return value;
    case 0x0b:
        value = aml_take_number(span, 2);
        assert_true(value > 0xff);
        return value;
    case 0x0c:
        value = aml_take_number(span, 4);
        assert_true(value > 0xffff);
        return value;
    default:
        fail_msg("no integer: 0x%02x", op);
        return 0;
    }
}

/* ---- _CRS ---- */

static inline void aml_read_interrupt(struct aml_span body, struct aml_device *device)
{
    uint8_t flags = aml_take(&body);

    device->interrupts++;
    assert_int_equal(aml_take(&body), 1); /* one line */
    device->line = aml_take_number(&body, 4);
    assert_int_equal(body.bytes, 0);
    assert_int_equal(flags & 0xf0, 0);
    device->consumer = flags & 1;
    device->edge = flags & 2;
    device->low = flags & 4;
    device->shared = flags & 8;
}

static inline void aml_read_memory(struct aml_span body, struct aml_device *device)
{
    device->memories++;
    assert_int_equal(aml_take(&body), 1); /* may be written */
    device->memory_base = aml_take_number(&body, 4);
    device->memory_bytes = aml_take_number(&body, 4);
    assert_int_equal(body.bytes, 0);
}

static inline void aml_read_ports(struct aml_span body, struct aml_device *device)
{
    device->ports++;
    assert_int_equal(aml_take(&body), 1); /* all 16 address lines */
    device->port_base = (uint16_t)aml_take_number(&body, 2);
    assert_int_equal(aml_take_number(&body, 2), device->port_base);
    assert_int_equal(aml_take(&body), 1); /* alignment */
    device->port_count = aml_take(&body);
    assert_int_equal(body.bytes, 0);
}

static inline void aml_read_resources(struct aml_span body, struct aml_device *device)
{
    for (;;) {
        uint8_t tag = aml_take(&body);
        size_t length = tag & 0x80 ? aml_take_number(&body, 2) : tag & 7u;
        struct aml_span item = aml_cut(&body, length);
        switch (tag) {
        case 0x86:
            aml_read_memory(item, device);
            break;
        case 0x89:
            aml_read_interrupt(item, device);
            break;
        case 0x47:
            aml_read_ports(item, device);
            break;
        case 0x79:
            assert_int_equal(body.bytes, 0);
            return;
        default:
            fail_msg("no resource: 0x%02x", tag);
        }
    }
}

static inline void aml_read_buffer(struct aml_span *span, struct aml_device *device)
{
    assert_int_equal(aml_take(span), 0x11);
    struct aml_span body = aml_take_package(span);
    assert_int_equal(aml_take(&body), 0x0b);
    uint32_t length = aml_take_number(&body, 2);
    assert_int_equal(length, body.bytes); /* nothing is left out, and nothing added */
    aml_read_resources(body, device);
}

/* ---- names, devices, scopes ---- */

static inline void aml_read_hid(struct aml_span *span, char hid[16])
{
    if (span->bytes > 0 && *span->at == 0x0d) {
        aml_take(span);
        size_t length = strnlen((const char *)span->at, span->bytes);
        assert_true(length < 16 && length < span->bytes);
        memcpy(hid, span->at, length + 1);
        aml_cut(span, length + 1);
        return;
    }
    /* EISAID: three letters of five bits, four digits, the bytes the other way round (19.3.4) */
    uint32_t number = __builtin_bswap32((uint32_t)aml_take_integer(span));
    for (unsigned i = 0; i < 3; i++) {
        hid[i] = (char)('@' + (number >> (26 - 5 * i) & 0x1f));
    }
    for (unsigned i = 0; i < 4; i++) {
        hid[3 + i] = "0123456789ABCDEF"[number >> (12 - 4 * i) & 0xf];
    }
    hid[7] = 0;
}

static inline void aml_read_device(struct aml_span body, struct aml_device *device)
{
    char name[5];

    aml_take_segment(&body, device->name);
    while (body.bytes > 0) {
        assert_int_equal(aml_take(&body), 0x08);
        aml_take_segment(&body, name);
        if (strcmp(name, "_HID") == 0) {
            aml_read_hid(&body, device->hid);
        } else if (strcmp(name, "_UID") == 0) {
            device->uid = aml_take_integer(&body);
            device->has_uid = true;
        } else if (strcmp(name, "_CCA") == 0) {
            device->coherent = aml_take_integer(&body) == 1;
        } else if (strcmp(name, "_CRS") == 0) {
            aml_read_buffer(&body, device);
        } else {
            fail_msg("a name that no device has: %s", name);
        }
    }
}

static inline void aml_read_scope(struct aml_span body, struct aml_namespace *names)
{
    char name[5];

    assert_int_equal(aml_take(&body), '\\');
    aml_take_segment(&body, name);
    assert_string_equal(name, "_SB_");
    while (body.bytes > 0) {
        assert_int_equal(aml_take(&body), 0x5b);
        assert_int_equal(aml_take(&body), 0x82);
        assert_true(names->count < AML_DEVICES_MAX);
        aml_read_device(aml_take_package(&body), &names->devices[names->count++]);
    }
}

/* A definition block's body: one scope of devices, and what is written to power off. */
static inline void aml_read(const void *code, size_t bytes, struct aml_namespace *names)
{
    struct aml_span span = { code, bytes };
    char name[5];

    memset(names, 0, sizeof(*names));
    assert_int_equal(aml_take(&span), 0x10);
    aml_read_scope(aml_take_package(&span), names);
    assert_int_equal(aml_take(&span), 0x08);
    aml_take_segment(&span, name);
    assert_string_equal(name, "_S5_");
    assert_int_equal(aml_take(&span), 0x12);
    struct aml_span package = aml_take_package(&span);
    assert_int_equal(aml_take(&package), 2);
    names->off[0] = (unsigned)aml_take_integer(&package);
    names->off[1] = (unsigned)aml_take_integer(&package);
    names->has_off = package.bytes == 0;
    assert_int_equal(span.bytes, 0);
}

#endif
