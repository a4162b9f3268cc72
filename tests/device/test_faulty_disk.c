/*
 * test_faulty_disk.c: a guest on a faulty disk, with a model of the content (item 60 of the
 * conformance list).
 *
 *   each write carries its number in every sector; of one sector a reader may find the write that
 *   is the last in order of arrival among those that ended well before, or any later one
 *
 * The same rule judges reads (what ended before the read was sent), and the disk's media when a
 * flush is answered (what ended before the flush was sent, or came before it on its own queue).
 */
#include <errno.h>

#include "faulty_disk.h"
#include "harness.h"

enum {
    QUEUES = 2,
    DEPTH = 12,
    PLACE = 64, /* sectors that each queue has for itself */
    STEPS = 500,
    LONGEST = 8,
    WRITES = 2 * STEPS + 1
};

struct write {
    uint64_t id, arrival, ended; /* ended: 0: not yet */
    uint64_t first, end;         /* sectors */
    bool ok, zero;
};

struct slot {
    struct tnd_blk_request r;
    bool busy;
    unsigned queue;
    uint64_t sent, arrival, first;
    unsigned sectors;
    struct write *write;
    uint32_t cuts[3];
    struct tn_blk_range range;
    uint8_t data[LONGEST * 512];
};

struct model {
    struct rig *rig;
    struct faulty_disk *faulty;
    uint32_t random;
    uint64_t time;
    unsigned writes, failed_others, flushes;
    bool exact; /* the disk tells what became of each operation, and writes whole sectors */
    struct write write[WRITES];
    struct slot slot[QUEUES][DEPTH];
};

static uint32_t dice(struct model *m, uint32_t sides)
{
    m->random = m->random * 1664525u + 1013904223u;
    return (m->random >> 8) % sides;
}

/* ---- what may be in a sector ---- */

static void stamp(uint8_t *sector, uint64_t id, uint64_t number)
{
    for (unsigned i = 0; i < 64; i += 2) {
        memcpy(sector + 8 * i, &id, 8);
        memcpy(sector + 8 * i + 8, &number, 8);
    }
}

static bool covers(const struct write *w, uint64_t sector)
{
    return w->first <= sector && sector < w->end;
}

/* The latest arrival that must be seen by whoever began at `since`, or comes after `arrival`. */
static uint64_t oldest_allowed(const struct model *m, uint64_t sector, uint64_t since,
                               uint64_t arrival)
{
    uint64_t oldest = 0;
    for (unsigned i = 0; i < m->writes; i++) {
        const struct write *w = &m->write[i];
        bool before = w->ended && w->ok && (w->ended < since || w->arrival < arrival);
        if (covers(w, sector) && before && w->arrival > oldest) {
            oldest = w->arrival;
        }
    }
    return oldest;
}

/* Takes away what this candidate explains. True when nothing is left. */
static bool explain(bool *odd, const uint8_t *found, const uint8_t *candidate, bool whole)
{
    bool left = false;

    if (whole) { /* operations of this disk never leave a part of a sector */
        return memcmp(found, candidate, 512) == 0;
    }
    for (unsigned i = 0; i < 512; i++) {
        odd[i] = odd[i] && found[i] != candidate[i];
        left = left || odd[i];
    }
    return !left;
}

static void check_sector(const struct model *m, const uint8_t *found, uint64_t sector,
                         uint64_t since, uint64_t arrival, const char *where)
{
    uint64_t oldest = oldest_allowed(m, sector, since, arrival), id;
    uint8_t candidate[512] = { 0 };
    bool odd[512];

    memset(odd, true, sizeof(odd));
    if (oldest == 0 && explain(odd, found, candidate, m->exact)) {
        return; /* as it was in the beginning */
    }
    for (unsigned i = 0; i < m->writes; i++) {
        const struct write *w = &m->write[i];
        if (!covers(w, sector) || w->arrival < oldest) {
            continue;
        }
        memset(candidate, 0, sizeof(candidate));
        if (!w->zero) {
            stamp(candidate, w->id, sector);
        }
        if (explain(odd, found, candidate, m->exact)) {
            return;
        }
    }
    memcpy(&id, found, sizeof(id));
    fail_msg("%s: sector %llu has write %llu; arrivals before %llu are out of date", where,
             (unsigned long long)sector, (unsigned long long)id, (unsigned long long)oldest);
}

/* The media, when a flush has been answered. */
static void check_media(struct model *m, const struct slot *flush)
{
    uint8_t media[PLACE * 512];

    m->flushes++;
    for (unsigned i = 0; i < DEPTH; i++) { /* what came before it on its queue has been answered */
        const struct slot *s = &m->slot[flush->queue][i];
        assert_false(s->busy && s->write && s->arrival < flush->arrival);
    }
    for (unsigned q = 0; q < QUEUES; q++) {
        faulty_copy(m->faulty, true, q * sizeof(media), media, sizeof(media));
        for (unsigned i = 0; i < PLACE; i++) {
            check_sector(m, media + i * 512, q * PLACE + i, flush->sent,
                         q == flush->queue ? flush->arrival : 0, "media after a flush");
        }
    }
}

/* ---- the guest ---- */

static void cut_up(struct model *m, struct slot *s)
{
    uint32_t total = s->sectors * 512;

    for (unsigned i = 0; i < 3; i++) {
        s->cuts[i] = dice(m, total / 2);
    }
    s->r.out_cuts = s->r.in_cuts = s->cuts;
    *(s->r.out_bytes ? &s->r.out_cut_count : &s->r.in_cut_count) = dice(m, 4);
    s->r.scatter = dice(m, 2);
    s->r.form = dice(m, 2) ? TND_DIRECT : TND_INDIRECT;
}

static void begin_write(struct model *m, struct slot *s, bool zero)
{
    struct write *w = &m->write[m->writes++];

    assert_true(m->writes < WRITES);
    *w = (struct write){ .id = m->writes,
                         .arrival = s->arrival,
                         .first = s->first,
                         .end = s->first + s->sectors,
                         .zero = zero };
    s->write = w;
    for (unsigned i = 0; i < s->sectors; i++) {
        stamp(s->data + 512 * i, w->id, s->first + i);
    }
    s->range =
        (struct tn_blk_range){ .sector = tn_to_le64(s->first), .sectors = tn_to_le32(s->sectors) };
    s->r.out = zero ? (void *)&s->range : s->data;
    s->r.out_bytes = zero ? sizeof(s->range) : s->sectors * 512;
}

static void send_one(struct model *m, struct slot *s, unsigned queue)
{
    uint32_t kind = dice(m, 20);

    *s = (struct slot){ .busy = true, .queue = queue, .sectors = 1 + dice(m, LONGEST) };
    s->sent = s->arrival = ++m->time;
    s->first = queue * PLACE + dice(m, PLACE - LONGEST);
    s->r.sector = s->first;
    if (kind < 8) {
        s->r.type = TN_BLK_T_OUT;
        begin_write(m, s, false);
        cut_up(m, s);
    } else if (kind < 10) {
        s->r.type = TN_BLK_T_WRITE_ZEROES;
        s->r.sector = 0;
        begin_write(m, s, true);
    } else if (kind < 17) {
        s->r.type = TN_BLK_T_IN;
        s->r.in = s->data;
        s->r.in_bytes = s->sectors * 512;
        cut_up(m, s);
    } else {
        s->r.type = TN_BLK_T_FLUSH;
        s->r.sector = 0;
    }
    assert_int_equal(tnd_blk_add(m->rig->driver, queue, &s->r), 0);
}

static void take_one(struct model *m, struct slot *s)
{
    bool ok = s->r.status == TN_BLK_S_OK;

    s->busy = false;
    assert_true(ok || s->r.status == TN_BLK_S_IOERR);
    assert_int_equal(s->r.used_bytes, ok && s->r.type == TN_BLK_T_IN ? s->r.in_bytes + 1 : 1);
    if (s->write) {
        s->write->ended = ++m->time;
        s->write->ok = ok;
    }
    if (s->r.type == TN_BLK_T_OUT && m->exact) {
        int result = __atomic_load_n(&m->faulty->result[s->write->id], __ATOMIC_ACQUIRE);
        assert_int_equal(ok, result == 0); /* each failure reaches its own request, and no other */
    }
    m->failed_others += !ok && s->r.type != TN_BLK_T_OUT;
    if (ok && s->r.type == TN_BLK_T_IN) {
        for (unsigned i = 0; i < s->sectors; i++) {
            check_sector(m, s->data + 512 * i, s->first + i, s->sent, 0, "read");
        }
    } else if (ok && s->r.type == TN_BLK_T_FLUSH) {
        check_media(m, s);
    }
}

/* In the order in which the device answered: a flush is judged by what was answered before it. */
static unsigned take_done(struct model *m)
{
    struct slot *first;
    unsigned taken = 0;

    for (unsigned q = 0; q < QUEUES; q++) {
        tnd_blk_reap(m->rig->driver, q);
    }
    do {
        first = NULL;
        for (unsigned i = 0; i < QUEUES * DEPTH; i++) {
            struct slot *s = &m->slot[i / DEPTH][i % DEPTH];
            if (s->busy && s->r.done && (!first || s->r.order < first->r.order)) {
                first = s;
            }
        }
        if (first) {
            take_one(m, first);
            taken++;
        }
    } while (first);
    return taken;
}

static bool drained(void *opaque)
{
    struct model *m = opaque;

    take_done(m);
    for (unsigned i = 0; i < QUEUES * DEPTH; i++) {
        if (m->slot[i / DEPTH][i % DEPTH].busy) {
            return false;
        }
    }
    return true;
}

static void live(struct model *m)
{
    for (unsigned step = 0; step < STEPS;) {
        unsigned q = dice(m, QUEUES), batch = 1 + dice(m, 4);
        for (unsigned i = 0; i < DEPTH && batch; i++) {
            if (!m->slot[q][i].busy) {
                send_one(m, &m->slot[q][i], q);
                batch--;
                step++;
            }
        }
        tnd_kick(m->rig->driver, q);
        if (take_done(m) == 0 && dice(m, 4) == 0) {
            tnd_pass(m->rig->driver);
        }
    }
    assert_true(tnd_until(m->rig->driver, drained, m));
    /* And in the end all that there is. */
    for (unsigned i = 0; i < QUEUES * PLACE; i++) {
        uint8_t sector[512];
        faulty_copy(m->faulty, false, 512 * i, sector, sizeof(sector));
        check_sector(m, sector, i, UINT64_MAX, 0, "the disk in the end");
    }
}

static struct model *new_model(void **state, struct tenon_disk *disk, struct faulty_disk *faulty)
{
    struct rig_options options = { .other = disk,
                                   .blk = { .queues = QUEUES },
                                   .setup = { .queues = QUEUES } };
    struct model *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->rig = rig_new(state, &options);
    m->faulty = faulty;
    m->random = 7;
    for (const char *c = m->rig->combination; *c; c++) { /* each its own life */
        m->random = m->random * 31 + (uint32_t)*c;
    }
    return m;
}

static void end_model(void **state, struct model *m)
{
    struct faulty_disk *faulty = m->faulty;

    assert_int_equal(rig_event(&m->rig->broken), 0);
    free(m);
    rig_end(state);
    faulty_free(faulty);
}

static void item60_asynchronous_faults_in_any_order(void **state)
{
    struct faulty_disk *faulty = faulty_new(3);
    struct tenon_disk *disk = NULL;

    faulty->permille = 60;
    assert_int_equal(faulty_open(faulty, &disk), 0);
    struct model *m = new_model(state, disk, faulty);
    m->exact = true;
    live(m);
    pthread_mutex_lock(&faulty->lock);
    unsigned failed = faulty->failed_others, full = faulty->full, overlaps = faulty->overlapping;
    pthread_mutex_unlock(&faulty->lock);
    assert_true(m->failed_others <=
                failed); /* of a merged read that failed, parts are read again */
    assert_true(m->failed_others > 0 && m->flushes > 0 && full > 0);
    assert_int_equal(overlaps, 0); /* one after another, in order of arrival */
    end_model(state, m);
}

static void item60_short_counts_and_interruptions(void **state)
{
    struct faulty_disk *faulty = faulty_new(4);
    struct tenon_disk *disk = NULL;

    faulty->permille = 30;
    assert_int_equal(faulty_open_simple(faulty, &disk), 0);
    struct model *m = new_model(state, disk, faulty);
    live(m);
    assert_true(m->flushes > 0);
    end_model(state, m);
}

static const struct rig_case cases[] = {
    RIG_TEST(item60_asynchronous_faults_in_any_order),
    RIG_TEST(item60_short_counts_and_interruptions),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
