/*
 * scribbler.c: see scribbler.h. Its words are written whole, each by itself; nothing else is
 * promised to the device.
 */
#include "scribbler.h"

#include <unistd.h>

#include "base/shared.h"

enum { UNTOUCHED = 0x3c };

uint32_t scribbler_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void write_desc(struct scribbler *s, uint64_t at, uint32_t *random)
{
    static const uint64_t places[] = { 0, 0x1000, RIG_NEIGHBOURS_GPA, RIG_NEIGHBOURS_EDGE - 8,
                                       RIG_NOWHERE_GPA };
    static const uint64_t lengths[] = { 1, 16, 32, 512, 513, 4096 };
    uint32_t a = scribbler_random(random), b = scribbler_random(random);
    uint64_t gpa = places[a % 5] + (a >> 4) % 0x8000;
    uint64_t rest = lengths[b % 6] | (uint64_t)(b % 97 % 8) << 32 | (uint64_t)(a % 64) << 48;

    __atomic_store_n(&s->words[at], tn_to_le64(gpa).raw, __ATOMIC_RELAXED);
    __atomic_store_n(&s->words[at + 1], tn_to_le64(rest).raw, __ATOMIC_RELAXED);
}

static void *write_on(void *opaque)
{
    struct scribbler *s = opaque;
    uint32_t random = 99;

    while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
        for (unsigned i = 0; i < 64; i++) {
            uint64_t at = scribbler_random(&random) % (s->count / 2) * 2;
            if (scribbler_random(&random) % 4) {
                write_desc(s, at, &random);
            } else { /* indexes and heads: small numbers are the ones that work */
                le16 *half = (le16 *)(void *)&s->words[at];
                unsigned which = scribbler_random(&random) % 8;
                tn_shared_store16(&half[which], (uint16_t)(scribbler_random(&random) % 80));
            }
        }
        usleep(20);
    }
    return NULL;
}

void scribbler_start(struct scribbler *scribbler, struct rig *rig)
{
    const struct tnd_region *region = &rig->ram->regions[SCRIBBLER_REGION];
    const struct tnd_region *canary = &rig->ram->regions[SCRIBBLER_CANARY];

    assert_true(rig->driver->queues[0].ring->desc_gpa < region->bytes);
    tnd_ram_fill(rig->ram, canary->gpa, UNTOUCHED, canary->bytes);
    /* Through the device's own view where it has one: the same words, whoever looks. */
    *scribbler = (struct scribbler){ .rig = rig,
                                     .words = (uint64_t *)(void *)region->device,
                                     .count = region->bytes / 8 };
    assert_int_equal(pthread_create(&scribbler->thread, NULL, write_on, scribbler), 0);
}

void scribbler_stop(struct scribbler *scribbler)
{
    struct rig *rig = scribbler->rig;
    const struct tnd_region *canary = &rig->ram->regions[SCRIBBLER_CANARY];

    __atomic_store_n(&scribbler->stop, true, __ATOMIC_RELAXED);
    pthread_join(scribbler->thread, NULL);
    assert_true(tnd_ram_is(rig->ram, canary->gpa, UNTOUCHED, canary->bytes));
}
