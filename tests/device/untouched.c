/*
 * untouched.c: see untouched.h. On the thread of the test.
 */
#include "untouched.h"

#include <sys/mman.h>

static void set_rights(struct rig *rig, int rights)
{
    for (unsigned i = 0; rig->mmio && i < rig->ram->count; i++) {
        const struct tnd_region *r = &rig->ram->regions[i];
        assert_int_equal(tnd_ram_protect(rig->ram, r->gpa, r->bytes, rights), 0);
    }
}

struct untouched untouched_from_here(struct rig *rig)
{
    struct untouched untouched = { .rig = rig, .before = tnd_ram_snapshot(rig->ram) };

    assert_non_null(untouched.before);
    set_rights(rig, PROT_NONE);
    return untouched;
}

void untouched_till_here(struct untouched *untouched)
{
    uint64_t where = 0;

    set_rights(untouched->rig, PROT_READ | PROT_WRITE);
    if (!tnd_snapshot_holds(untouched->before, &where)) {
        fail_msg("the device wrote to 0x%llx", (unsigned long long)where);
    }
    tnd_snapshot_free(untouched->before);
}
