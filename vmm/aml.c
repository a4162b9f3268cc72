/*
 * aml.c: writing ACPI's byte code. Packages carry their length in front of them, in one to four
 * bytes: it is put in when the package ends, and what is behind moves up.
 */
#include "aml.h"

#include <string.h>

enum {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_EXTENDED = 0x5b,
    OP_DEVICE = 0x82, /* behind OP_EXTENDED */
};

void aml_init(struct aml *aml, void *to, size_t room)
{
    *aml = (struct aml){ .to = to, .room = room };
}

void aml_bytes(struct aml *aml, const void *bytes, size_t count)
{
    if (aml->overflow || count > aml->room - aml->used) {
        aml->overflow = true;
        return;
    }
    memcpy(aml->to + aml->used, bytes, count);
    aml->used += count;
}

void aml_byte(struct aml *aml, uint8_t value)
{
    aml_bytes(aml, &value, 1);
}

static void put_le(struct aml *aml, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        aml_byte(aml, (uint8_t)(value >> (8 * i)));
    }
}

void aml_name(struct aml *aml, const char *name)
{
    char segment[4] = { '_', '_', '_', '_' };

    if (name[0] == '\\') {
        aml_byte(aml, '\\');
        name++;
    }
    memcpy(segment, name, strnlen(name, sizeof(segment)));
    aml_bytes(aml, segment, sizeof(segment));
}

void aml_integer(struct aml *aml, uint32_t value)
{
    if (value <= 1) {
        aml_byte(aml, value ? OP_ONE : OP_ZERO);
    } else if (value <= UINT8_MAX) {
        aml_byte(aml, OP_BYTE);
        put_le(aml, value, 1);
    } else if (value <= UINT16_MAX) {
        aml_byte(aml, OP_WORD);
        put_le(aml, value, 2);
    } else {
        aml_byte(aml, OP_DWORD);
        put_le(aml, value, 4);
    }
}

void aml_string(struct aml *aml, const char *text)
{
    aml_byte(aml, OP_STRING);
    aml_bytes(aml, text, strlen(text) + 1);
}

void aml_named(struct aml *aml, const char *name)
{
    aml_byte(aml, OP_NAME);
    aml_name(aml, name);
}

/* ---- packages ---- */

static void begin(struct aml *aml)
{
    if (aml->depth == AML_DEPTH) {
        aml->overflow = true;
        return;
    }
    aml->open[aml->depth++] = aml->used;
}

/* PkgLength counts itself. One byte for up to 63; else 4 bits there and up to 3 bytes more. */
static unsigned encode_length(size_t bytes, uint8_t out[4])
{
    if (bytes + 1 < 64) {
        out[0] = (uint8_t)(bytes + 1);
        return 1;
    }
    unsigned more = bytes + 2 < 1 << 12 ? 1 : bytes + 3 < 1 << 20 ? 2 : 3;
    size_t length = bytes + 1 + more;
    out[0] = (uint8_t)(more << 6 | (length & 0xf));
    for (unsigned i = 0; i < more; i++) {
        out[i + 1] = (uint8_t)(length >> (4 + 8 * i));
    }
    return more + 1;
}

void aml_end(struct aml *aml)
{
    uint8_t length[4];

    if (aml->depth == 0 || aml->overflow) {
        aml->overflow = true;
        return;
    }
    size_t at = aml->open[--aml->depth];
    size_t bytes = aml->used - at;
    unsigned count = encode_length(bytes, length);
    if (count > aml->room - aml->used) {
        aml->overflow = true;
        return;
    }
    memmove(aml->to + at + count, aml->to + at, bytes);
    memcpy(aml->to + at, length, count);
    aml->used += count;
}

void aml_scope_begin(struct aml *aml, const char *name)
{
    aml_byte(aml, OP_SCOPE);
    begin(aml);
    aml_name(aml, name);
}

void aml_device_begin(struct aml *aml, const char *name)
{
    aml_byte(aml, OP_EXTENDED);
    aml_byte(aml, OP_DEVICE);
    begin(aml);
    aml_name(aml, name);
}

/* ---- resources: a buffer of descriptors (ACPI 6.4, section 6.4) ---- */

enum {
    RESOURCE_PORTS = 0x47,
    RESOURCE_END = 0x79,
    RESOURCE_MEMORY32_FIXED = 0x86,
    RESOURCE_INTERRUPT = 0x89,
    DECODE_16 = 1,
    WRITABLE = 1,
    CONSUMER = 1,
    EDGE = 2,
    SHARED = 8,
};

void aml_resources_begin(struct aml *aml)
{
    aml_named(aml, "_CRS");
    aml_byte(aml, OP_BUFFER);
    begin(aml);
    aml_byte(aml, OP_WORD);
    put_le(aml, 0, 2); /* the number of bytes: known at the end */
}

void aml_resources_end(struct aml *aml)
{
    aml_byte(aml, RESOURCE_END);
    aml_byte(aml, 0); /* no checksum */
    if (aml->overflow || aml->depth == 0) {
        return;
    }
    size_t at = aml->open[aml->depth - 1];
    size_t bytes = aml->used - at - 3;
    aml->to[at + 1] = (uint8_t)bytes;
    aml->to[at + 2] = (uint8_t)(bytes >> 8);
    aml_end(aml);
}

void aml_memory(struct aml *aml, uint32_t base, uint32_t bytes)
{
    aml_byte(aml, RESOURCE_MEMORY32_FIXED);
    put_le(aml, 9, 2);
    aml_byte(aml, WRITABLE);
    put_le(aml, base, 4);
    put_le(aml, bytes, 4);
}

void aml_ports(struct aml *aml, uint16_t base, uint8_t count)
{
    aml_byte(aml, RESOURCE_PORTS);
    aml_byte(aml, DECODE_16);
    put_le(aml, base, 2);
    put_le(aml, base, 2);
    aml_byte(aml, 1);
    aml_byte(aml, count);
}

void aml_interrupt(struct aml *aml, uint32_t line, bool level, bool shared)
{
    aml_byte(aml, RESOURCE_INTERRUPT);
    put_le(aml, 6, 2);
    aml_byte(aml, (uint8_t)(CONSUMER | (level ? 0 : EDGE) | (shared ? SHARED : 0)));
    aml_byte(aml, 1); /* one line */
    put_le(aml, line, 4);
}
