/*
 * rig.c: makes the rig of harness.h and takes it down: guest memory, workers, disk, device, and the
 * transport with its driver, in this order and back.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DISK_BYTES = 8 << 20 };

static const struct tnd_place places[] = { { 0, 0x10000 },
                                           { RIG_NEIGHBOURS_GPA, 0x400000 },
                                           { RIG_NEIGHBOURS_EDGE, 0x400000 },
                                           { RIG_HIGH_GPA, 0x100000 } };

/* ---- small tools ---- */

static void must(int result, const char *what)
{
    if (result < 0) {
        print_error("%s: %s (%s)\n", what, strerror(-result), tenon_error());
        fail();
    }
}

unsigned rig_event(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void on_event(void *opaque, struct tenon_device *device, enum tenon_event event,
                     const char *detail)
{
    struct rig *rig = opaque;
    (void)device;
    if ((event == TENON_EVENT_BROKEN || event == TENON_EVENT_PARKED) &&
        !__atomic_exchange_n(&rig->has_why, true, __ATOMIC_SEQ_CST)) {
        snprintf(rig->why, sizeof(rig->why), "%s", detail);
    }
    unsigned *counter = event == TENON_EVENT_BROKEN    ? &rig->broken
                        : event == TENON_EVENT_STARTED ? &rig->started
                        : event == TENON_EVENT_PARKED  ? &rig->parked
                                                       : &rig->stopped;
    __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
}

unsigned rig_crank(void *rig)
{
    struct rig *r = rig;
    unsigned done = 0;
    for (unsigned i = 0; i < r->worker_count; i++) {
        int n = tenon_worker_run(r->workers[i], 0);
        done += n > 0 ? (unsigned)n : 0;
    }
    return done;
}

struct call {
    struct tenon_post post;
    void (*fn)(void *opaque);
    void *opaque;
    bool done;
};

static void run_call(struct tenon_post *post)
{
    struct call *call = (struct call *)(void *)((char *)post - offsetof(struct call, post));
    call->fn(call->opaque);
    __atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
}

static void wait_flag(struct rig *rig, const bool *flag)
{
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
        if (!rig->inline_ || rig_crank(rig) == 0) {
            usleep(100);
        }
    }
}

void rig_on_worker(struct rig *rig, void (*fn)(void *opaque), void *opaque)
{
    struct call call = { .post = { .fn = run_call }, .fn = fn, .opaque = opaque };
    tenon_worker_post(rig->workers[rig->worker_count - 1], &call.post);
    wait_flag(rig, &call.done);
}

/* ---- making ---- */

static void make_workers(struct rig *rig, unsigned queues)
{
    struct tenon_worker_opts opts = { .size = sizeof(opts),
                                      .name = "rig",
                                      .loop = rig->poll_loop ? TENON_LOOP_POLL : TENON_LOOP_EPOLL };
    rig->queue_workers = rig->inline_ || queues == 1 ? 1 : 2;
    rig->worker_count = rig->queue_workers + (rig->mmio || rig->inline_ ? 0 : 1);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        must(tenon_worker_new(&opts, &rig->workers[i]), "tenon_worker_new");
        if (!rig->inline_) {
            must(tenon_worker_start(rig->workers[i]), "tenon_worker_start");
        }
    }
}

/* io_uring works quite differently on files of real file systems; else memory will do. */
static int make_file(const struct rig *rig)
{
    const char *where = getenv("TMPDIR");
    bool real = rig->uring || rig->cached;
    int fd = real ? open(where ? where : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;

    return fd >= 0 ? fd : memfd_create("disk", MFD_CLOEXEC);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!tenon_sigbus(info)) {
        signal(number, SIG_DFL);
    }
}

/* In each test: cmocka has handlers of its own. */
void rig_survive_sigbus(void)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

    sigemptyset(&action.sa_mask);
    must(sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0, "sigaction");
    tenon_sigbus_installed();
}

static void open_image(struct rig *rig, const struct tenon_file_opts *opts)
{
    int result = tenon_disk_open_fd(rig->image_fd, opts, &rig->disk);

    if (rig->uring && result < 0 && strstr(tenon_error(), "engine=io_uring is not possible")) {
        print_message("skipped: %s\n", tenon_error());
        skip();
    }
    must(result, "tenon_disk_open_fd");
}

static void open_file(struct rig *rig, const struct rig_options *options)
{
    struct tenon_file_opts opts = { .size = sizeof(opts),
                                    .read_only = options->disk_read_only,
                                    .engine = rig->mapped    ? TENON_ENGINE_MAPPED
                                              : rig->inline_ ? TENON_ENGINE_INLINE
                                              : rig->uring   ? TENON_ENGINE_URING
                                              : rig->cached  ? TENON_ENGINE_AUTO
                                                             : TENON_ENGINE_THREADS,
                                    .threads = rig->inline_ ? 0 : 2,
                                    .no_discard = options->blk.no_discard,
                                    .block_bytes = options->blk.block_bytes };
    if (rig->mapped || rig->cached) {
        rig_survive_sigbus();
    }
    rig->image_fd = make_file(rig);
    must(rig->image_fd < 0 ? -errno : 0, "a file for the image");
    must(ftruncate(rig->image_fd, (off_t)rig->image_bytes) < 0 ? -errno : 0, "ftruncate");
    rig->image = mmap(NULL, rig->image_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, rig->image_fd, 0);
    assert_ptr_not_equal(rig->image, MAP_FAILED);
    open_image(rig, &opts);
}

static void open_disk(struct rig *rig, const struct rig_options *options)
{
    rig->image_bytes = options->disk_bytes ? options->disk_bytes : DISK_BYTES;
    rig->image_fd = -1;
    if (options->other) {
        rig->disk = options->other;
    } else if (options->disk == RIG_DISK_FILE) {
        open_file(rig, options);
    } else if (options->disk == RIG_DISK_MEMORY) {
        rig->image = mmap(NULL, rig->image_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(rig->image, MAP_FAILED);
        must(tenon_disk_open_memory(rig->image, rig->image_bytes, options->disk_read_only,
                                    &rig->disk),
             "tenon_disk_open_memory");
    } else {
        rig->fake = fake_new(rig->image_bytes);
        rig->fake->info.read_only = options->disk_read_only;
        rig->image = rig->fake->bytes;
        must(fake_open(rig->fake, &rig->disk), "tenon_disk_open_custom");
    }
}

static void make_window(struct rig *rig, const struct rig_options *options)
{
    struct tenon_mmio_opts opts = { .size = sizeof(opts), .device = rig->device };

    must(tenon_mem_new(&rig->mem), "tenon_mem_new");
    must(tnd_ram_share(rig->ram, rig->mem), "tnd_ram_share");
    must(tnd_mmio_new(rig->ram, &rig->driver), "tnd_mmio_new");
    opts.mem = rig->mem;
    opts.irq = options->irq ? options->irq : tnd_mmio_irq;
    opts.opaque = options->irq ? (void *)rig : (void *)rig->driver;
    must(tenon_mmio_new(&opts, &rig->window), "tenon_mmio_new");
    tnd_mmio_connect(rig->driver, rig->window);
}

static socklen_t socket_address(const struct rig *rig, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    /* An abstract name: nothing to unlink. */
    memcpy(address->sun_path + 1, rig->socket_name, strlen(rig->socket_name));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(rig->socket_name));
}

int rig_connect(struct rig *rig)
{
    struct sockaddr_un address;
    socklen_t bytes = socket_address(rig, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(connect(fd, (struct sockaddr *)&address, bytes) < 0 ? -errno : 0, "connect");
    return fd;
}

static int make_listener(struct rig *rig)
{
    static unsigned number;
    struct sockaddr_un address;

    snprintf(rig->socket_name, sizeof(rig->socket_name), "tenon-rig-%d-%u", getpid(), number++);
    socklen_t bytes = socket_address(rig, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(bind(fd, (struct sockaddr *)&address, bytes) < 0 ? -errno : 0, "bind");
    must(listen(fd, 8) < 0 ? -errno : 0, "listen");
    return fd;
}

struct server_start {
    struct tenon_vhost_user_opts opts;
    struct tenon_vhost_user **out;
    int result;
};

static void start_server(void *opaque)
{
    struct server_start *start = opaque;
    start->result = tenon_vhost_user_new(&start->opts, start->out);
}

static void make_server(struct rig *rig)
{
    struct server_start start = { .opts = { .size = sizeof(start.opts),
                                            .device = rig->device,
                                            .worker = rig->workers[rig->worker_count - 1],
                                            .connected_fd = -1 },
                                  .out = &rig->server };
    start.opts.listen_fd = make_listener(rig);
    rig_on_worker(rig, start_server, &start);
    must(start.result, "tenon_vhost_user_new");
    must(tnd_vhost_new(rig->ram, rig_connect(rig), &rig->driver), "tnd_vhost_new");
}

struct rig *rig_new(void **state, const struct rig_options *options)
{
    static const struct rig_options defaults;
    const struct rig_options *o = options ? options : &defaults;
    struct rig_combination *combination = *state;
    struct rig *rig = calloc(1, sizeof(*rig));
    struct tenon_blk_opts blk = o->blk;

    assert_non_null(rig);
    combination->rig = rig;
    rig->combination = combination->name;
    rig->mmio = combination->bits & RIG_MMIO;
    rig->mapped = combination->bits & RIG_MAPPED;
    rig->inline_ = combination->bits & (RIG_INLINE | RIG_MAPPED);
    rig->uring = combination->bits & RIG_URING;
    rig->cached = combination->bits & RIG_CACHED;
    rig->poll_loop = combination->bits & RIG_POLL;
    must(tnd_ram_new(places, sizeof(places) / sizeof(places[0]), &rig->ram), "tnd_ram_new");
    make_workers(rig, blk.queues ? blk.queues : 1);
    open_disk(rig, o);
    blk.size = sizeof(blk);
    blk.disk = rig->disk;
    blk.workers = rig->workers;
    blk.worker_count = rig->queue_workers;
    blk.event = on_event;
    blk.opaque = rig;
    must(tenon_blk_new(&blk, &rig->device), "tenon_blk_new");
    if (rig->mmio) {
        make_window(rig, o);
    } else {
        make_server(rig);
    }
    if (rig->inline_) {
        rig->driver->crank = rig_crank;
        rig->driver->crank_opaque = rig;
    }
    if (!o->no_start) {
        struct tnd_setup setup = o->setup;
        if (!setup.queue_size && blk.queue_size) {
            setup.queue_size = blk.queue_size;
        }
        must(tnd_start(rig->driver, &setup), "tnd_start");
    }
    return rig;
}

/* ---- taking down ---- */

static void flag_done(void *opaque)
{
    __atomic_store_n((bool *)opaque, true, __ATOMIC_RELEASE);
}

struct server_close {
    struct rig *rig;
    bool done;
};

static void close_server(void *opaque)
{
    struct server_close *c = opaque;
    tenon_vhost_user_close(c->rig->server, flag_done, &c->done);
}

static void end_transport(struct rig *rig)
{
    if (rig->server) {
        struct server_close c = { .rig = rig };
        rig_on_worker(rig, close_server, &c);
        wait_flag(rig, &c.done);
    }
    tenon_mmio_free(rig->window);
}

void rig_end(void **state)
{
    struct rig_combination *combination = *state;
    struct rig *rig = combination->rig;
    if (!rig) {
        return;
    }
    combination->rig = NULL;
    if (rig->fake) {
        fake_release_all(rig->fake);
    }
    end_transport(rig);
    tenon_device_free(rig->device);
    tnd_free(rig->driver);
    tenon_disk_close(rig->disk);
    tenon_mem_free(rig->mem);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        tenon_worker_free(rig->workers[i]);
    }
    tnd_ram_free(rig->ram);
    if (rig->fake) {
        fake_free(rig->fake);
    } else if (rig->image) {
        munmap(rig->image, rig->image_bytes);
    }
    if (rig->image_fd >= 0) {
        close(rig->image_fd);
    }
    free(rig);
}
