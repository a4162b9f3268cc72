/*
 * rig.c: what rigs of all devices have: guest memory and workers, and the transport with its
 * driver, around a device and what it stands on, which blk_rig.c and net_rig.c make between the
 * two. And how all of it is taken down.
 */
#include "rig_parts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct tnd_place places[] = { { 0, 0x10000 },
                                           { RIG_NEIGHBOURS_GPA, 0x400000 },
                                           { RIG_NEIGHBOURS_EDGE, 0x400000 },
                                           { RIG_HIGH_GPA, 0x100000 } };

/* ---- small tools ---- */

void rig_must(int result, const char *what)
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

void rig_on_event(void *opaque, struct tenon_device *device, enum tenon_event event,
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

static void make_workers(struct rig *rig, unsigned queue_workers)
{
    struct tenon_worker_opts opts = { .size = sizeof(opts),
                                      .name = "rig",
                                      .loop = rig->poll_loop ? TENON_LOOP_POLL : TENON_LOOP_EPOLL };
    rig->queue_workers = rig->inline_ ? 1 : queue_workers;
    rig->worker_count = rig->queue_workers + (rig->mmio || rig->inline_ ? 0 : 1);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        rig_must(tenon_worker_new(&opts, &rig->workers[i]), "tenon_worker_new");
        if (!rig->inline_) {
            rig_must(tenon_worker_start(rig->workers[i]), "tenon_worker_start");
        }
    }
}

static void make_window(struct rig *rig, void (*irq)(void *rig, int level))
{
    struct tenon_mmio_opts opts = { .size = sizeof(opts), .device = rig->device };

    rig_must(tenon_mem_new(&rig->mem), "tenon_mem_new");
    rig_must(tnd_ram_share(rig->ram, rig->mem), "tnd_ram_share");
    rig_must(tnd_mmio_new(rig->ram, &rig->driver), "tnd_mmio_new");
    opts.mem = rig->mem;
    opts.irq = irq ? irq : tnd_mmio_irq;
    opts.opaque = irq ? (void *)rig : (void *)rig->driver;
    rig_must(tenon_mmio_new(&opts, &rig->window), "tenon_mmio_new");
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
    rig_must(connect(fd, (struct sockaddr *)&address, bytes) < 0 ? -errno : 0, "connect");
    return fd;
}

static int make_listener(struct rig *rig)
{
    static unsigned number;
    struct sockaddr_un address;

    snprintf(rig->socket_name, sizeof(rig->socket_name), "tenon-rig-%d-%u", getpid(), number++);
    socklen_t bytes = socket_address(rig, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rig_must(bind(fd, (struct sockaddr *)&address, bytes) < 0 ? -errno : 0, "bind");
    rig_must(listen(fd, 8) < 0 ? -errno : 0, "listen");
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
    rig_must(start.result, "tenon_vhost_user_new");
    rig_must(tnd_vhost_new(rig->ram, rig_connect(rig), &rig->driver), "tnd_vhost_new");
}

void rig_begin(struct rig *rig, struct rig_combination *combination, unsigned queue_workers)
{
    combination->rig = rig;
    rig->combination = combination->name;
    rig->mmio = combination->bits & RIG_MMIO;
    rig->inline_ = combination->bits & (RIG_INLINE | RIG_MAPPED);
    rig->poll_loop = combination->bits & RIG_POLL;
    rig->image_fd = -1;
    rig_must(tnd_ram_new(places, sizeof(places) / sizeof(places[0]), &rig->ram), "tnd_ram_new");
    make_workers(rig, queue_workers);
}

void rig_attach(struct rig *rig, void (*irq)(void *rig, int level))
{
    if (rig->mmio) {
        make_window(rig, irq);
    } else {
        make_server(rig);
    }
    if (rig->inline_) {
        rig->driver->crank = rig_crank;
        rig->driver->crank_opaque = rig;
    }
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
    if (rig->release) {
        rig->release(rig);
    }
    end_transport(rig);
    tenon_device_free(rig->device);
    tnd_free(rig->driver);
    if (rig->close) {
        rig->close(rig);
    }
    tenon_mem_free(rig->mem);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        tenon_worker_free(rig->workers[i]);
    }
    tnd_ram_free(rig->ram);
    if (rig->dispose) {
        rig->dispose(rig);
    }
    free(rig);
}
