/*
 * memory.c: guest memory: one memfd, mapped once, seen by the guest in one or two parts.
 *
 *   memfd    |........................|..........|
 *   guest    0                   hole_base       (nothing)       hole_end ......|
 *
 * The same parts are given to KVM, for the processors, and to tenon_mem, for the devices. The memfd
 * is sealed against shrinking, so touching it can never raise SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch.h"
#include "error.h"
#include "kvm.h"
#include "machine.h"

static int log2_of(uint64_t bytes)
{
    return 63 - __builtin_clzll(bytes);
}

static int fail_huge(const struct vmm *vmm, int error)
{
    uint64_t page = vmm->options.huge_page_bytes;

    return vmm_fail(
        error,
        "cannot get %llu huge pages of %llu KiB for the guest's memory: %s; set that many "
        "aside in /sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
        (unsigned long long)(vmm->options.memory_bytes / page), (unsigned long long)(page >> 10),
        strerror(-error), (unsigned long long)(page >> 10));
}

static int fail_memory(const struct vmm *vmm, int error)
{
    if (vmm->options.huge_page_bytes) {
        return fail_huge(vmm, error);
    }
    return vmm_fail(error, "cannot get %llu MiB for the guest's memory: %s",
                    (unsigned long long)(vmm->options.memory_bytes >> 20), strerror(-error));
}

static int map_memfd(struct vmm *vmm)
{
    uint64_t bytes = vmm->options.memory_bytes, page = vmm->options.huge_page_bytes;
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

    if (page) {
        flags |= MFD_HUGETLB | (unsigned)log2_of(page) << MFD_HUGE_SHIFT;
    }
    int fd = memfd_create("tenon-guest", flags);
    if (fd < 0) {
        return fail_memory(vmm, -errno);
    }
    void *ram = MAP_FAILED;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        /* Pages are taken as they are touched; huge ones are set aside here, or refused. */
        ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | (page ? 0 : MAP_NORESERVE), fd,
                   0);
    }
    int error = ram == MAP_FAILED ? -errno : 0;
    close(fd);
    if (error < 0) {
        return fail_memory(vmm, error);
    }
    vmm->ram = ram;
    madvise(ram, bytes, MADV_DONTDUMP); /* a core file is for our own faults, not for the guest */
    return 0;
}

static int add_part(struct vmm *vmm, uint64_t gpa, uint64_t bytes, uint8_t *host)
{
    struct kvm_userspace_memory_region slot = { .slot = vmm->part_count,
                                                .guest_phys_addr = gpa,
                                                .memory_size = bytes,
                                                .userspace_addr = (uintptr_t)host };
    struct tenon_region region = {
        .size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = host, .fd = -1
    };
    long error = vmm_ioctl(vmm->fd, KVM_SET_USER_MEMORY_REGION, &slot);

    if (error < 0) {
        return vmm_fail((int)error,
                        "KVM does not take %llu MiB of guest memory: %s; use less, with --memory",
                        (unsigned long long)(bytes >> 20), strerror((int)-error));
    }
    error = tenon_mem_add(vmm->mem, &region);
    if (error < 0) {
        return vmm_fail((int)error, "%s", tenon_error());
    }
    vmm->parts[vmm->part_count++] = (struct vmm_ram){ gpa, bytes, host };
    return 0;
}

int memory_create(struct vmm *vmm)
{
    uint64_t bytes = vmm->options.memory_bytes;
    uint64_t below = arch_map.hole_base - arch_map.ram_base;
    uint64_t low = bytes < below ? bytes : below;
    int error = tenon_mem_new(&vmm->mem);

    if (error < 0) {
        return vmm_fail(error, "%s", tenon_error());
    }
    error = map_memfd(vmm);
    if (error == 0) {
        error = add_part(vmm, arch_map.ram_base, low, vmm->ram);
    }
    if (error == 0 && bytes > low) {
        error = add_part(vmm, arch_map.hole_end, bytes - low, vmm->ram + low);
    }
    return error;
}

void memory_destroy(struct vmm *vmm)
{
    tenon_mem_free(vmm->mem);
    if (vmm->ram) {
        munmap(vmm->ram, vmm->options.memory_bytes);
    }
}

void *memory_at(const struct vmm *vmm, uint64_t gpa, uint64_t bytes)
{
    for (unsigned i = 0; i < vmm->part_count; i++) {
        const struct vmm_ram *part = &vmm->parts[i];
        uint64_t offset = gpa - part->gpa;
        if (gpa >= part->gpa && offset <= part->bytes && bytes <= part->bytes - offset) {
            return part->host + offset;
        }
    }
    return NULL;
}
