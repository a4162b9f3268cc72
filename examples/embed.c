/*
 * embed.c: a disk in a VMM, all of it: guest memory, a disk, a device on a worker, an interrupt
 * line, a register window, the exit handler, the way to KVM. In the place of vCPUs a played guest
 * writes a sector and reads it back through the exit handler and the line.
 *
 * docs/embedding.md builds this program step by step; a test holds the two together.
 *
 *   ./embed
 */
#define _DEFAULT_SOURCE
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tenon/base.h>
#include <tenon/blk.h>
#include <tenon/disk.h>
#include <tenon/mem.h>
#include <tenon/mmio.h>
#include <tenon/worker.h>
#include <tenon_driver.h>

enum { RAM_BASE = 0x40000000, RAM_BYTES = 64 << 20 };

static void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "vmm: %s: %s\n", what, tenon_error());
        exit(1);
    }
}

static int system_call(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static void on_irq(void *opaque, int level)
{
    const uint64_t one = 1;

    if (level == 1 && write(*(const int *)opaque, &one, sizeof(one)) < 0) {
        perror("vmm: irqfd");
    }
}

enum { WINDOW_BASE = 0x0a000000, WINDOW_BYTES = 0x1000 };

/* False: the address belongs to somebody else. */
static bool handle_mmio(struct tenon_mmio *window, uint64_t address, void *data, unsigned bytes,
                        bool is_write)
{
    if (address < WINDOW_BASE || address - WINDOW_BASE >= WINDOW_BYTES) {
        return false;
    }
    if (is_write) {
        tenon_mmio_write(window, address - WINDOW_BASE, data, bytes);
    } else {
        tenon_mmio_read(window, address - WINDOW_BASE, data, bytes);
    }
    return true;
}

enum { QUEUE_NOTIFY = 0x50 };

static void bind_to_kvm(int vm, uint32_t gsi, int irqfd, struct tenon_mmio *window, unsigned queues)
{
    for (unsigned queue = 0; queue < queues; queue++) {
        struct kvm_ioeventfd kick = { .datamatch = queue,
                                      .addr = WINDOW_BASE + QUEUE_NOTIFY,
                                      .len = 4,
                                      .fd = tenon_mmio_notify_fd(window, queue),
                                      .flags = KVM_IOEVENTFD_FLAG_DATAMATCH };
        must(kick.fd, "notify descriptor");
        system_call(ioctl(vm, KVM_IOEVENTFD, &kick), "vmm: KVM_IOEVENTFD");
    }
    struct kvm_irqfd line = { .fd = (uint32_t)irqfd, .gsi = gsi };
    system_call(ioctl(vm, KVM_IRQFD, &line), "vmm: KVM_IRQFD");
}

struct guest {
    struct tenon_driver *driver;
    int irqfd;
};

static void guest_access(void *window, uint64_t offset, void *data, unsigned bytes, bool is_write)
{
    handle_mmio((struct tenon_mmio *)window, WINDOW_BASE + offset, data, bytes, is_write);
}

/* The guest's interrupt controller; the driver looks here while it waits. */
static unsigned guest_interrupt(void *opaque)
{
    struct guest *guest = (struct guest *)opaque;
    uint64_t edges;

    if (read(guest->irqfd, &edges, sizeof(edges)) != sizeof(edges)) {
        return 0;
    }
    tnd_mmio_irq(guest->driver, 1);
    return 1;
}

static void play_guest(struct tenon_mmio *window, struct tenon_mem *mem, int irqfd)
{
    const struct tnd_place place = { 0x80000000, 1 << 20 };
    struct guest guest = { NULL, irqfd };
    char out[512] = "written and read by a guest", in[512] = "nothing";
    struct tnd_ram *ram;

    must(tnd_ram_new(&place, 1, &ram), "the guest's memory");
    must(tnd_ram_share(ram, mem), "the guest's memory");
    must(tnd_mmio_new(ram, &guest.driver), "the guest");
    tnd_mmio_connect_through(guest.driver, guest_access, window);
    guest.driver->crank = guest_interrupt;
    guest.driver->crank_opaque = &guest;
    must(tnd_start(guest.driver, NULL), "the driver's start");
    if (tnd_blk_write(guest.driver, 0, 7, out, sizeof(out)) != 0 ||
        tnd_blk_read(guest.driver, 0, 7, in, sizeof(in)) != 0) {
        fprintf(stderr, "vmm: a request of the guest failed\n");
        exit(1);
    }
    printf("%s\n", in);
    must(tnd_reset(guest.driver), "the driver's reset");
    tnd_free(guest.driver);
    must(tenon_mem_remove(mem, place.gpa, place.bytes), "the guest's memory");
    tnd_ram_free(ram);
}

int main(void)
{
    printf("Tenon %s\n", tenon_version());

    void *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED) {
        perror("vmm: guest memory");
        return 1;
    }
    struct tenon_region region = {
        .size = sizeof(region), .gpa = RAM_BASE, .bytes = RAM_BYTES, .host = ram
    };
    struct tenon_mem *mem;
    must(tenon_mem_new(&mem), "guest memory");
    must(tenon_mem_add(mem, &region), "guest memory");

    struct tenon_disk *disk;
    struct tenon_disk_info info = { .size = sizeof(info) };
    must(tenon_disk_open("memory=8M", &disk), "disk");
    must(tenon_disk_info(disk, &info), "disk");
    printf("a disk of %llu bytes\n", (unsigned long long)info.bytes);

    struct tenon_worker_opts loop = { .size = sizeof(loop), .name = "vda" };
    struct tenon_worker *worker;
    must(tenon_worker_new(&loop, &worker), "worker");
    must(tenon_worker_start(worker), "worker");

    struct tenon_blk_opts blk = {
        .size = sizeof(blk), .name = "vda", .disk = disk, .workers = &worker, .worker_count = 1
    };
    struct tenon_device *device;
    must(tenon_blk_new(&blk, &device), "device");
    tenon_disk_close(disk); /* the device keeps it */

    int irqfd = system_call(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "vmm: irqfd");
    struct tenon_mmio_opts registers = {
        .size = sizeof(registers), .device = device, .mem = mem, .irq = on_irq, .opaque = &irqfd
    };
    struct tenon_mmio *window;
    must(tenon_mmio_new(&registers, &window), "register window");

    char magic[5] = "";
    handle_mmio(window, WINDOW_BASE, magic, 4, false);
    printf("the guest finds \"%s\"\n", magic);

    int vm = -1; /* what KVM_CREATE_VM gave you */
    if (vm >= 0) {
        bind_to_kvm(vm, 5, irqfd, window, 1);
    }

    play_guest(window, mem, irqfd);

    tenon_mmio_free(window);
    tenon_device_free(device);
    tenon_worker_free(worker);
    tenon_mem_free(mem);
    munmap(ram, RAM_BYTES);
    close(irqfd);
    return 0;
}
