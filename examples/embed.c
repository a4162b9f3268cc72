/*
 * embed.c: the smallest embedding: guest memory, a disk, a block device, and its register window,
 * all in one thread.
 *
 * Here the registers are driven by hand, as the code that handles a guest's exits would: it reads
 * what a guest's driver reads first. A VMM calls tenon_mmio_read and tenon_mmio_write with the
 * offsets and bytes of the guest's accesses, and turns the worker in its own loop, when
 * tenon_worker_fd is readable.
 *
 *   ./embed
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/blk.h>
#include <tenon/disk.h>
#include <tenon/mem.h>
#include <tenon/mmio.h>
#include <tenon/worker.h>

/* Offsets of the standard (VIRTIO 1.4, table 4.1). */
enum { MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, STATUS = 0x070, CONFIG = 0x100 };

enum { RAM_BYTES = 1 << 20, ACKNOWLEDGE = 1, DRIVER = 2 };

static void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "embed: %s: %s\n", what, tenon_error());
        exit(1);
    }
}

static void on_irq(void *opaque, int level)
{
    (void)opaque;
    printf("interrupt line: %d\n", level);
}

/* Registers are little-endian, whatever this machine is. */
static uint32_t read32(struct tenon_mmio *mmio, uint64_t offset)
{
    uint8_t b[4];

    tenon_mmio_read(mmio, offset, b, sizeof(b));
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void write32(struct tenon_mmio *mmio, uint64_t offset, uint32_t value)
{
    uint8_t b[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                     (uint8_t)(value >> 24) };

    tenon_mmio_write(mmio, offset, b, sizeof(b));
}

int main(void)
{
    static uint8_t ram[RAM_BYTES]; /* what a VMM has mapped for its guest */
    struct tenon_mem *mem;
    struct tenon_disk *disk;
    struct tenon_worker *worker;
    struct tenon_device *device;
    struct tenon_mmio *mmio;

    must(tenon_mem_new(&mem), "memory");
    struct tenon_region region = {
        .size = sizeof(region), .gpa = 0x80000000, .bytes = RAM_BYTES, .host = ram, .fd = -1
    };
    must(tenon_mem_add(mem, &region), "region");

    /* The same text as in `tenon blk --disk`; "file=disk.img" would serve a file. */
    must(tenon_disk_open("memory=64M", &disk), "disk");

    /* A worker that is never started has no thread: we turn it ourselves. */
    must(tenon_worker_new(NULL, &worker), "worker");
    struct tenon_blk_opts blk = {
        .size = sizeof(blk), .disk = disk, .workers = &worker, .worker_count = 1
    };
    must(tenon_blk_new(&blk, &device), "device");
    tenon_disk_close(disk); /* the device keeps it alive */

    struct tenon_mmio_opts window = {
        .size = sizeof(window), .device = device, .mem = mem, .irq = on_irq
    };
    must(tenon_mmio_new(&window, &mmio), "register window");

    /* The guest's driver looks around. */
    uint32_t magic = read32(mmio, MAGIC);
    printf("magic     0x%08x \"%c%c%c%c\"\n", magic, magic & 0xff, magic >> 8 & 0xff,
           magic >> 16 & 0xff, magic >> 24);
    printf("version   %u\n", read32(mmio, VERSION));
    printf("device    %u (2 is a block device)\n", read32(mmio, DEVICE_ID));
    printf("capacity  %llu sectors of 512 bytes\n",
           (unsigned long long)read32(mmio, CONFIG + 4) << 32 | read32(mmio, CONFIG));
    write32(mmio, STATUS, ACKNOWLEDGE);
    write32(mmio, STATUS, ACKNOWLEDGE | DRIVER);
    printf("status    %u\n", read32(mmio, STATUS));

    /* One turn without waiting: a VMM does this whenever tenon_worker_fd is readable. */
    must(tenon_worker_run(worker, 0), "turn");

    tenon_mmio_free(mmio);
    tenon_device_free(device);
    tenon_worker_free(worker);
    tenon_mem_free(mem);
    return 0;
}
