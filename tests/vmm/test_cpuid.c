/*
 * test_cpuid.c: what CPUID tells a guest about its processors, made of what hosts of both vendors
 * offer: their numbers, and that they are cores of one package.
 */
#include <linux/kvm.h>

#include "guest.h"
#include "vmm/x86.h"

static const unsigned counts[] = { 1, 2, 3, 4, 5, 64, 65, 128, 254 };

enum { COUNTS = sizeof(counts) / sizeof(counts[0]) };

static struct kvm_cpuid2 *host(void)
{
    struct kvm_cpuid2 *cpuid =
        calloc(1, sizeof(*cpuid) + X86_CPUID_MAX * sizeof(cpuid->entries[0]));

    assert_non_null(cpuid);
    return cpuid;
}

/* A leaf of the host: all bits set, so that what is cleared is seen. */
static void offer(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
    cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){ .function = function,
                                                               .index = index,
                                                               .eax = UINT32_MAX,
                                                               .ebx = UINT32_MAX,
                                                               .ecx = UINT32_MAX,
                                                               .edx = UINT32_MAX };
}

/* The only entry of that leaf and index, or NULL. */
static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *cpuid, uint32_t function,
                                           uint32_t index)
{
    const struct kvm_cpuid_entry2 *found = NULL;

    for (uint32_t i = 0; i < cpuid->nent; i++) {
        const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];
        if (entry->function == function && entry->index == index) {
            assert_null(found);
            found = entry;
        }
    }
    return found;
}

static void basic_leaf(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTS; i++) {
        unsigned index = counts[i] - 1;
        struct kvm_cpuid2 *cpuid = host();
        offer(cpuid, 1, 0);
        cpuid->entries[0].ecx = 1 << 3; /* MONITOR, which no guest may use */
        cpuid->entries[0].edx = 0;
        x86_adapt_cpuid(cpuid, index, counts[i], i % 2);
        const struct kvm_cpuid_entry2 *leaf = find(cpuid, 1, 0);
        assert_int_equal(leaf->eax, UINT32_MAX);
        assert_int_equal(leaf->ebx & 0xffff, 0xffff);
        assert_int_equal(leaf->ebx >> 16 & 0xff, counts[i]);
        assert_int_equal(leaf->ebx >> 24, index);
        assert_int_equal(leaf->ecx, 1U << 31 | (i % 2) << 24);
        assert_int_equal(leaf->edx, counts[i] > 1 ? 1 << 28 : 0);
        free(cpuid);
    }
}

/* Intel: cores of the package, less one, in six bits; each cache is one core's. */
static void cache_leaf(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTS; i++) {
        struct kvm_cpuid2 *cpuid = host();
        offer(cpuid, 4, 0);
        offer(cpuid, 4, 3);
        x86_adapt_cpuid(cpuid, 0, counts[i], true);
        for (uint32_t index = 0; index < 4; index += 3) {
            const struct kvm_cpuid_entry2 *leaf = find(cpuid, 4, index);
            assert_int_equal(leaf->eax >> 26, counts[i] > 64 ? 63 : counts[i] - 1);
            assert_int_equal(leaf->eax & 0x3ffffff, 0x3fff);
            assert_int_equal(leaf->ebx, UINT32_MAX);
        }
        free(cpuid);
    }
}

/* Numbers of threads are numbers of processors, and the bits above a level number the next. */
static void topology_leaf(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTS; i++) {
        unsigned index = counts[i] - 1;
        struct kvm_cpuid2 *cpuid = host();
        for (uint32_t level = 0; level < 5; level++) { /* a host with tiles and dies */
            offer(cpuid, 0xb, level);
            offer(cpuid, 0x1f, level);
        }
        offer(cpuid, 0x40000000, 0);
        x86_adapt_cpuid(cpuid, index, counts[i], true);
        assert_int_equal(cpuid->nent, 4);
        const struct kvm_cpuid_entry2 *thread = find(cpuid, 0xb, 0), *core = find(cpuid, 0xb, 1),
                                      *end = find(cpuid, 0xb, 2);
        assert_int_equal(thread->eax, 0);
        assert_int_equal(thread->ebx, 1);
        assert_int_equal(thread->ecx, 0x100);
        assert_true(counts[i] <= 1U << core->eax);
        assert_true(core->eax == 0 || counts[i] > 1U << (core->eax - 1));
        assert_int_equal(core->ebx, counts[i]);
        assert_int_equal(core->ecx, 0x201);
        assert_int_equal(end->eax | end->ebx, 0);
        assert_int_equal(end->ecx, 2);
        assert_int_equal(thread->edx, index);
        assert_int_equal(core->edx, index);
        assert_int_equal(thread->flags & core->flags & end->flags & 1, 1);
        free(cpuid);
    }
}

static void amd_leaves(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTS; i++) {
        unsigned index = counts[i] - 1;
        struct kvm_cpuid2 *cpuid = host();
        offer(cpuid, 0x80000001, 0);
        cpuid->entries[0].ecx = 0;
        offer(cpuid, 0x80000008, 0);
        offer(cpuid, 0x8000001e, 0);
        x86_adapt_cpuid(cpuid, index, counts[i], true);
        assert_int_equal(find(cpuid, 0x80000001, 0)->ecx, counts[i] > 1 ? 2 : 0);
        const struct kvm_cpuid_entry2 *sizes = find(cpuid, 0x80000008, 0);
        assert_int_equal((sizes->ecx & 0xff) + 1, counts[i]);
        assert_true(counts[i] <= 1U << (sizes->ecx >> 12 & 0xf));
        assert_int_equal(sizes->eax, UINT32_MAX);
        const struct kvm_cpuid_entry2 *topology = find(cpuid, 0x8000001e, 0);
        assert_int_equal(topology->eax, index);
        assert_int_equal(topology->ebx, index); /* a core of its own, with one thread */
        assert_int_equal(topology->ecx, 0);
        free(cpuid);
    }
}

/* Under the address sanitizer: nothing is written behind the room that there is. */
static void full_table(void **state)
{
    struct kvm_cpuid2 *cpuid = host();
    (void)state;

    offer(cpuid, 0xb, 0);
    while (cpuid->nent < X86_CPUID_MAX) {
        offer(cpuid, 0x40000000 + cpuid->nent, 0);
    }
    x86_adapt_cpuid(cpuid, 0, 2, true);
    assert_int_equal(cpuid->nent, X86_CPUID_MAX);
    free(cpuid);
}

static void host_without_topology(void **state)
{
    struct kvm_cpuid2 *cpuid = host();
    (void)state;

    offer(cpuid, 0, 0);
    x86_adapt_cpuid(cpuid, 0, 2, true);
    assert_int_equal(cpuid->nent, 1);
    assert_int_equal(cpuid->entries[0].ebx, UINT32_MAX);
    free(cpuid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basic_leaf),    cmocka_unit_test(cache_leaf),
        cmocka_unit_test(topology_leaf), cmocka_unit_test(amd_leaves),
        cmocka_unit_test(full_table),    cmocka_unit_test(host_without_topology),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
