/*
 * emulator_loop.c: a disk in an emulator: no KVM, no thread. One loop turns the CPU, the device and
 * the emulator's own clock.
 *
 *   the CPU runs until it sleeps ──> poll ──> device's descriptor: tenon_worker_run(worker, 0)
 *        └──────── interrupt line <── on_irq ──────┘       └─ clock: a tick
 *
 * The CPU is a toy that knows loads and stores of 32 bits and how to sleep until its interrupt line
 * is up. Its program is a virtio driver (VIRTIO 1.4 section 3.1): it sets the device up, asks for
 * sector 1, sleeps, and looks at what came.
 *
 *   ./emulator_loop
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <tenon/blk.h>
#include <tenon/mmio.h>

/* ---- the machine: an address map, a CPU, a line ---- */

enum { WINDOW = 0x10000000, WINDOW_BYTES = 0x1000, RAM = 0x40000000, RAM_BYTES = 1 << 20 };
enum { SLICE = 1000, TICK_NS = 1000000, PATIENCE_TICKS = 20000, DISK_BYTES = 64 << 10 };

struct machine {
    _Alignas(4096) uint8_t ram[RAM_BYTES];
    struct tenon_mmio *window;
    int line;    /* the interrupt line */
    unsigned pc; /* index of the CPU's next instruction */
    bool halted;
};

/* An access of the CPU: RAM is memory, the window is Tenon's, elsewhere is nothing. */
static void bus(struct machine *m, uint32_t address, uint8_t b[4], bool is_store)
{
    if (address - RAM <= RAM_BYTES - 4) {
        uint8_t *at = m->ram + (address - RAM);
        memcpy(is_store ? at : b, is_store ? b : at, 4);
    } else if (address - WINDOW < WINDOW_BYTES && is_store) {
        tenon_mmio_write(m->window, address - WINDOW, b, 4);
    } else if (address - WINDOW < WINDOW_BYTES) {
        tenon_mmio_read(m->window, address - WINDOW, b, 4);
    }
}

static void on_irq(void *opaque, int level)
{
    ((struct machine *)opaque)->line = level;
}

/* ---- the guest: a driver with one ring of 4 entries and one request ---- */

enum { MAGIC = WINDOW, DEVICE_ID = WINDOW + 0x08, STATUS = WINDOW + 0x70 };
enum { DRIVER_FEATURES = WINDOW + 0x20, DRIVER_FEATURES_SEL = WINDOW + 0x24 };
enum { QUEUE_SIZE = WINDOW + 0x38, QUEUE_READY = WINDOW + 0x44, QUEUE_NOTIFY = WINDOW + 0x50 };
enum { DESC_LOW = WINDOW + 0x80, DRIVER_LOW = WINDOW + 0x90, DEVICE_LOW = WINDOW + 0xa0 };
enum { INTERRUPT_STATUS = WINDOW + 0x60, INTERRUPT_ACK = WINDOW + 0x64 };
enum { DESC = RAM, AVAIL = RAM + 0x100, USED = RAM + 0x200 };
enum { HEADER = RAM + 0x300, RESULT = RAM + 0x400, DATA = RAM + 0x1000 };
enum { NEXT = 1, WRITE = 2, TO_1 = 1 << 16, TO_2 = 2 << 16, ONE_ENTRY = 1 << 16 };

static const struct instruction {
    enum { STORE, EXPECT, SLEEP, HALT } operation;
    uint32_t address, value;
} program[] = {
    { EXPECT, MAGIC, 0x74726976 }, /* "virt" */
    { EXPECT, DEVICE_ID, 2 },      /* a block device */
    { STORE, STATUS, 1 },          /* ACKNOWLEDGE */
    { STORE, STATUS, 3 },          /* DRIVER */
    { STORE, DRIVER_FEATURES_SEL, 1 },
    { STORE, DRIVER_FEATURES, 1 }, /* bit 32, VERSION_1, alone */
    { STORE, STATUS, 11 },         /* FEATURES_OK */
    { STORE, QUEUE_SIZE, 4 },
    { STORE, DESC_LOW, DESC },
    { STORE, DRIVER_LOW, AVAIL },
    { STORE, DEVICE_LOW, USED },
    { STORE, QUEUE_READY, 1 },
    { STORE, STATUS, 15 }, /* DRIVER_OK */
    /* a read of sector 1: header, data, status byte */
    { STORE, HEADER + 8, 1 },
    { STORE, DESC, HEADER },
    { STORE, DESC + 8, 16 },
    { STORE, DESC + 12, NEXT | TO_1 },
    { STORE, DESC + 16, DATA },
    { STORE, DESC + 24, 512 },
    { STORE, DESC + 28, NEXT | WRITE | TO_2 },
    { STORE, DESC + 32, RESULT },
    { STORE, DESC + 40, 1 },
    { STORE, DESC + 44, WRITE },
    { STORE, RESULT, 0xff },
    { STORE, AVAIL, ONE_ENTRY },
    { STORE, QUEUE_NOTIFY, 0 },
    { SLEEP, 0, 0 },
    { EXPECT, INTERRUPT_STATUS, 1 },
    { STORE, INTERRUPT_ACK, 1 },
    { EXPECT, USED, ONE_ENTRY },
    { EXPECT, USED + 8, 513 }, /* bytes written: the sector and the status */
    { EXPECT, RESULT, 0 },     /* OK */
    { HALT, 0, 0 },
};

/* One instruction. False: the CPU sleeps or has halted. */
static bool step(struct machine *m)
{
    const struct instruction *now = &program[m->pc];
    uint8_t b[4], value[4]; /* little-endian, as the device's registers are */

    m->halted = now->operation == HALT;
    if (m->halted || (now->operation == SLEEP && !m->line)) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        value[i] = (uint8_t)(now->value >> 8 * i);
        b[i] = now->operation == STORE ? value[i] : 0xff;
    }
    bus(m, now->address, b, now->operation == STORE);
    if (now->operation == EXPECT && memcmp(b, value, 4) != 0) {
        fprintf(stderr, "emulator_loop: instruction %u finds another value\n", m->pc);
        exit(1);
    }
    m->pc++;
    return true;
}

/* ---- the emulator ---- */

static void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "emulator_loop: %s: %s\n", what, tenon_error());
        exit(1);
    }
}

static void run(struct machine *m, struct tenon_worker *worker)
{
    const struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };
    struct pollfd fds[2] = { { tenon_worker_fd(worker), POLLIN, 0 },
                             { timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), POLLIN, 0 } };
    uint64_t ticks = 0, more;

    must(fds[0].fd, "worker");
    timerfd_settime(fds[1].fd, 0, &every, NULL);
    while (!m->halted && ticks < PATIENCE_TICKS) {
        int left = SLICE;
        for (; left > 0 && step(m); left--) {
        }
        poll(fds, 2, left > 0 ? -1 : 0); /* with the CPU asleep there is time to wait */
        if (fds[0].revents) {
            must(tenon_worker_run(worker, 0), "worker");
        }
        if (fds[1].revents && read(fds[1].fd, &more, sizeof(more)) == sizeof(more)) {
            ticks += more;
        }
    }
    close(fds[1].fd);
}

int main(void)
{
    static struct machine m;
    static char image[DISK_BYTES];
    struct tenon_mem *mem;
    struct tenon_disk *disk;
    struct tenon_worker *worker;
    struct tenon_device *device;
    struct tenon_region region = {
        .size = sizeof(region), .gpa = RAM, .bytes = RAM_BYTES, .host = m.ram
    };
    must(tenon_mem_new(&mem), "memory");
    must(tenon_mem_add(mem, &region), "memory");
    strcpy(image + 512, "the guest has read sector 1");
    must(tenon_disk_open_memory(image, sizeof(image), true, &disk), "disk");
    must(tenon_worker_new(NULL, &worker), "worker"); /* never started: run() turns it */
    struct tenon_blk_opts blk = {
        .size = sizeof(blk), .disk = disk, .workers = &worker, .worker_count = 1
    };
    must(tenon_blk_new(&blk, &device), "device");
    struct tenon_mmio_opts window = {
        .size = sizeof(window), .device = device, .mem = mem, .irq = on_irq, .opaque = &m
    };
    must(tenon_mmio_new(&window, &m.window), "window");

    run(&m, worker);
    printf("%s\n", m.halted ? (char *)m.ram + (DATA - RAM) : "the interrupt never came");

    tenon_mmio_free(m.window);
    tenon_device_free(device);
    tenon_disk_close(disk);
    tenon_worker_free(worker);
    tenon_mem_free(mem);
    return m.halted ? 0 : 1;
}
