/*
 * ram.c: guest memory: regions of memfd memory at chosen guest addresses, each mapped twice between
 * guard pages.
 *
 *   gpa ──> region ──> guest view   [guard|........|guard]   the driver reads and writes here
 *                 └──> device view  [guard|........|guard]   the device is given this; rights can
 *                 be taken from it
 *
 * An access one byte past a region kills the test instead of passing unseen. The small allocator
 * hands out blocks of powers of 2 and never fails in the middle of a test that gives back what it
 * took.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tenon_driver.h"

enum { PAGE = 4096, SMALLEST_CLASS = 4 };

static uint8_t *map_guarded(int fd, uint64_t bytes)
{
    uint8_t *whole = mmap(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (whole == MAP_FAILED) {
        return NULL;
    }
    void *inner = mmap(whole + PAGE, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    if (inner == MAP_FAILED) {
        munmap(whole, bytes + 2 * PAGE);
        return NULL;
    }
    return inner;
}

static void unmap_guarded(uint8_t *inner, uint64_t bytes)
{
    if (inner) {
        munmap(inner - PAGE, bytes + 2 * PAGE);
    }
}

static int region_open(struct tnd_region *region, uint64_t gpa, uint64_t bytes)
{
    struct tnd_region r = { .gpa = gpa, .bytes = bytes };

    r.fd = memfd_create("guest", MFD_CLOEXEC);
    if (r.fd < 0) {
        return -errno;
    }
    if (ftruncate(r.fd, (off_t)bytes) == 0) {
        r.guest = map_guarded(r.fd, bytes);
        r.device = map_guarded(r.fd, bytes);
    }
    if (!r.guest || !r.device) {
        unmap_guarded(r.guest, bytes);
        unmap_guarded(r.device, bytes);
        close(r.fd);
        return -ENOMEM;
    }
    *region = r;
    return 0;
}

int tnd_ram_add(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes)
{
    unsigned at = 0;
    while (at < ram->count && ram->regions[at].guest) {
        at++;
    }
    if (at == TND_MAX_REGIONS) {
        return -ENOSPC;
    }
    int error = region_open(&ram->regions[at], gpa, bytes);
    if (error) {
        return error;
    }
    if (at == ram->count) {
        ram->count++;
    }
    return (int)at;
}

void tnd_ram_drop(struct tnd_ram *ram, unsigned region)
{
    struct tnd_region *r = &ram->regions[region];
    if (!r->guest) {
        return;
    }
    unmap_guarded(r->guest, r->bytes);
    unmap_guarded(r->device, r->bytes);
    close(r->fd);
    *r = (struct tnd_region){ .fd = -1 };
}

int tnd_ram_new(const struct tnd_place *places, unsigned count, struct tnd_ram **out)
{
    struct tnd_ram *ram = calloc(1, sizeof(*ram));
    if (!ram) {
        return -ENOMEM;
    }
    pthread_mutex_init(&ram->lock, NULL);
    for (unsigned i = 0; i < count; i++) {
        int index = tnd_ram_add(ram, places[i].gpa, places[i].bytes);
        if (index < 0) {
            tnd_ram_free(ram);
            return index;
        }
    }
    *out = ram;
    return 0;
}

void tnd_ram_free(struct tnd_ram *ram)
{
    if (!ram) {
        return;
    }
    for (unsigned i = 0; i < ram->count; i++) {
        tnd_ram_drop(ram, i);
    }
    for (unsigned i = 0; i < TND_SIZE_CLASSES; i++) {
        while (ram->free_blocks[i]) {
            struct tnd_free_block *block = ram->free_blocks[i];
            ram->free_blocks[i] = block->next;
            free(block);
        }
    }
    pthread_mutex_destroy(&ram->lock);
    free(ram);
}

int tnd_ram_share(struct tnd_ram *ram, struct tenon_mem *mem)
{
    for (unsigned i = 0; i < ram->count; i++) {
        const struct tnd_region *r = &ram->regions[i];
        if (!r->guest) {
            continue;
        }
        struct tenon_region region = {
            .size = sizeof(region), .gpa = r->gpa, .bytes = r->bytes, .host = r->device, .fd = -1
        };
        int error = tenon_mem_add(mem, &region);
        if (error) {
            return error;
        }
    }
    return 0;
}

static unsigned size_class(uint64_t bytes)
{
    unsigned class = SMALLEST_CLASS;
    while (class < TND_SIZE_CLASSES - 1 && ((uint64_t)1 << class) < bytes) {
        class ++;
    }
    return class;
}

static uint64_t bump(struct tnd_region *r, uint64_t bytes, uint64_t align)
{
    uint64_t at = (r->gpa + r->bump + align - 1) & ~(align - 1);
    if (at - r->gpa > r->bytes || bytes > r->bytes - (at - r->gpa)) {
        return (uint64_t)TND_NO_GPA;
    }
    r->bump = at - r->gpa + bytes;
    return at;
}

static uint64_t take_block(struct tnd_ram *ram, unsigned class)
{
    struct tnd_free_block *block = ram->free_blocks[class];
    if (block) {
        uint64_t gpa = block->gpa;
        ram->free_blocks[class] = block->next;
        free(block);
        return gpa;
    }
    uint64_t bytes = (uint64_t)1 << class;
    for (unsigned i = 0; i < ram->count; i++) {
        uint64_t gpa = ram->regions[i].guest
                           ? bump(&ram->regions[i], bytes, bytes < PAGE ? bytes : PAGE)
                           : (uint64_t)TND_NO_GPA;
        if (gpa != (uint64_t)TND_NO_GPA) {
            return gpa;
        }
    }
    return (uint64_t)TND_NO_GPA;
}

uint64_t tnd_ram_alloc(struct tnd_ram *ram, uint64_t bytes)
{
    pthread_mutex_lock(&ram->lock);
    uint64_t gpa = take_block(ram, size_class(bytes));
    pthread_mutex_unlock(&ram->lock);
    if (gpa != (uint64_t)TND_NO_GPA) {
        tnd_ram_fill(ram, gpa, 0xa5, bytes);
    }
    return gpa;
}

uint64_t tnd_ram_alloc_in(struct tnd_ram *ram, unsigned region, uint64_t bytes, uint64_t align)
{
    pthread_mutex_lock(&ram->lock);
    uint64_t gpa = bump(&ram->regions[region], bytes, align);
    pthread_mutex_unlock(&ram->lock);
    return gpa;
}

void tnd_ram_release(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes)
{
    unsigned class = size_class(bytes);
    struct tnd_free_block *block = malloc(sizeof(*block));
    if (!block) {
        return;
    }
    pthread_mutex_lock(&ram->lock);
    block->gpa = gpa;
    block->next = ram->free_blocks[class];
    ram->free_blocks[class] = block;
    pthread_mutex_unlock(&ram->lock);
}

/* The region that holds `gpa`, and how many bytes of it follow. */
static struct tnd_region *region_of(struct tnd_ram *ram, uint64_t gpa, uint64_t *left)
{
    for (unsigned i = 0; i < ram->count; i++) {
        struct tnd_region *r = &ram->regions[i];
        if (r->guest && gpa >= r->gpa && gpa - r->gpa < r->bytes) {
            *left = r->bytes - (gpa - r->gpa);
            return r;
        }
    }
    return NULL;
}

void *tnd_ram_at(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes)
{
    uint64_t left = 0;
    struct tnd_region *r = region_of(ram, gpa, &left);
    return r && bytes <= left ? r->guest + (gpa - r->gpa) : NULL;
}

/* Calls fn for each piece that lies in one region. */
static bool each_piece(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes, void *other,
                       bool (*fn)(uint8_t *guest, void *other, uint64_t done, uint64_t n))
{
    uint64_t done = 0;
    while (done < bytes) {
        uint64_t left = 0;
        struct tnd_region *r = region_of(ram, gpa + done, &left);
        if (!r) {
            return false;
        }
        uint64_t n = bytes - done < left ? bytes - done : left;
        if (!fn(r->guest + (gpa + done - r->gpa), other, done, n)) {
            return false;
        }
        done += n;
    }
    return true;
}

static bool put_piece(uint8_t *guest, void *from, uint64_t done, uint64_t n)
{
    memcpy(guest, (const uint8_t *)from + done, n);
    return true;
}

static bool get_piece(uint8_t *guest, void *to, uint64_t done, uint64_t n)
{
    memcpy((uint8_t *)to + done, guest, n);
    return true;
}

static bool fill_piece(uint8_t *guest, void *byte, uint64_t done, uint64_t n)
{
    (void)done;
    memset(guest, *(const uint8_t *)byte, n);
    return true;
}

static bool same_piece(uint8_t *guest, void *byte, uint64_t done, uint64_t n)
{
    (void)done;
    for (uint64_t i = 0; i < n; i++) {
        if (guest[i] != *(const uint8_t *)byte) {
            return false;
        }
    }
    return true;
}

bool tnd_ram_put(struct tnd_ram *ram, uint64_t gpa, const void *from, uint64_t bytes)
{
    return each_piece(ram, gpa, bytes, (void *)(uintptr_t)from, put_piece);
}

bool tnd_ram_get(struct tnd_ram *ram, uint64_t gpa, void *to, uint64_t bytes)
{
    return each_piece(ram, gpa, bytes, to, get_piece);
}

bool tnd_ram_fill(struct tnd_ram *ram, uint64_t gpa, uint8_t byte, uint64_t bytes)
{
    return each_piece(ram, gpa, bytes, &byte, fill_piece);
}

bool tnd_ram_is(struct tnd_ram *ram, uint64_t gpa, uint8_t byte, uint64_t bytes)
{
    return each_piece(ram, gpa, bytes, &byte, same_piece);
}

int tnd_ram_protect(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes, int rights)
{
    uint64_t left = 0;
    struct tnd_region *r = region_of(ram, gpa, &left);
    if (!r || bytes > left || (gpa | bytes) % PAGE != 0) {
        return -EINVAL;
    }
    return mprotect(r->device + (gpa - r->gpa), bytes, rights) == 0 ? 0 : -errno;
}
