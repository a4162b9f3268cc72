/*
 * ram_diff.c: proof that a device wrote only where it may: a copy of all guest memory, the places
 * that were allowed, and a comparison of everything else. For small memories: it copies all of it.
 */
#include <stdlib.h>
#include <string.h>

#include "tenon_driver.h"

enum { PAGE = 4096 };

struct copy {
    unsigned region;
    uint64_t gpa, bytes;
    uint8_t *content;
    uint8_t *allowed; /* one byte for each byte: 1 where the device may write */
};

struct tnd_snapshot {
    struct tnd_ram *ram;
    unsigned count;
    struct copy copies[];
};

struct tnd_snapshot *tnd_ram_snapshot(struct tnd_ram *ram)
{
    struct tnd_snapshot *s = calloc(1, sizeof(*s) + ram->count * sizeof(struct copy));
    if (!s) {
        return NULL;
    }
    s->ram = ram;
    for (unsigned i = 0; i < ram->count; i++) {
        const struct tnd_region *r = &ram->regions[i];
        if (!r->guest) {
            continue;
        }
        struct copy *c = &s->copies[s->count++];
        *c = (struct copy){ .region = i, .gpa = r->gpa, .bytes = r->bytes };
        c->content = malloc(r->bytes);
        c->allowed = calloc(1, r->bytes);
        if (!c->content || !c->allowed) {
            tnd_snapshot_free(s);
            return NULL;
        }
        memcpy(c->content, r->guest, r->bytes);
    }
    return s;
}

void tnd_snapshot_allow(struct tnd_snapshot *snapshot, uint64_t gpa, uint64_t bytes)
{
    for (unsigned i = 0; i < snapshot->count; i++) {
        struct copy *c = &snapshot->copies[i];
        uint64_t from = gpa > c->gpa ? gpa : c->gpa;
        uint64_t end = gpa + bytes < c->gpa + c->bytes ? gpa + bytes : c->gpa + c->bytes;
        if (from < end) {
            memset(c->allowed + (from - c->gpa), 1, end - from);
        }
    }
}

/* The first byte that changed and was not allowed to; c->bytes: there is none. */
static uint64_t find_change(const struct copy *c, const uint8_t *now)
{
    for (uint64_t at = 0; at < c->bytes; at += PAGE) {
        uint64_t end = c->bytes - at < PAGE ? c->bytes : at + PAGE;
        if (memcmp(now + at, c->content + at, end - at) == 0) {
            continue;
        }
        for (uint64_t j = at; j < end; j++) {
            if (now[j] != c->content[j] && !c->allowed[j]) {
                return j;
            }
        }
    }
    return c->bytes;
}

bool tnd_snapshot_holds(struct tnd_snapshot *snapshot, uint64_t *gpa)
{
    for (unsigned i = 0; i < snapshot->count; i++) {
        const struct copy *c = &snapshot->copies[i];
        const uint8_t *now = snapshot->ram->regions[c->region].guest;
        uint64_t changed = now ? find_change(c, now) : c->bytes;
        if (changed != c->bytes) {
            *gpa = c->gpa + changed;
            return false;
        }
    }
    return true;
}

void tnd_snapshot_free(struct tnd_snapshot *snapshot)
{
    if (!snapshot) {
        return;
    }
    for (unsigned i = 0; i < snapshot->count; i++) {
        free(snapshot->copies[i].content);
        free(snapshot->copies[i].allowed);
    }
    free(snapshot);
}
