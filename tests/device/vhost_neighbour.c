/*
 * vhost_neighbour.c: another front-end on the rig's server, and another device with a server and a
 * front-end of its own, on the same workers (vhost_tools.h).
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost_tools.h"

struct tenon_driver *new_front_end(struct rig *rig, struct tnd_ram *ram)
{
    struct tenon_driver *driver = NULL;

    assert_int_equal(tnd_vhost_new(ram, rig_connect(rig), &driver), 0);
    if (rig->inline_) {
        driver->crank = rig_crank;
        driver->crank_opaque = rig;
    }
    return driver;
}

static socklen_t address_of(const struct neighbour *n, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(address->sun_path + 1, n->socket_name, strlen(n->socket_name));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(n->socket_name));
}

int neighbour_connect(struct neighbour *n)
{
    struct sockaddr_un address;
    socklen_t bytes = address_of(n, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, bytes), 0);
    return fd;
}

static void on_session(void *opaque, struct tenon_vhost_user *server,
                       enum tenon_vhost_user_event event, const char *detail)
{
    struct neighbour *n = opaque;
    (void)server;
    (void)detail;
    __atomic_fetch_add(event == TENON_VHOST_USER_CONNECTED ? &n->connected : &n->disconnected, 1,
                       __ATOMIC_SEQ_CST);
}

static void start_server(void *opaque)
{
    struct neighbour *n = opaque;
    struct sockaddr_un address;
    socklen_t bytes = address_of(n, &address);
    struct tenon_vhost_user_opts opts = { .size = sizeof(opts),
                                          .device = n->device,
                                          .worker = n->rig->workers[n->rig->worker_count - 1],
                                          .listen_fd = -1,
                                          .connected_fd = n->socket,
                                          .event = on_session,
                                          .opaque = n };

    if (n->socket < 0) {
        opts.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (bind(opts.listen_fd, (struct sockaddr *)&address, bytes) < 0 ||
            listen(opts.listen_fd, 8) < 0) {
            return;
        }
    }
    if (tenon_vhost_user_new(&opts, &n->server) < 0) {
        n->server = NULL;
    }
}

struct neighbour *neighbour_new(struct rig *rig, bool listening)
{
    static const struct tnd_place place = { 0x100000, 0x200000 };
    static unsigned number;
    struct neighbour *n = calloc(1, sizeof(*n));

    assert_non_null(n);
    n->rig = rig;
    snprintf(n->socket_name, sizeof(n->socket_name), "tenon-next-%d-%u", getpid(), number++);
    assert_int_equal(tenon_disk_open_memory(n->image, sizeof(n->image), false, &n->disk), 0);
    struct tenon_blk_opts opts = { .size = sizeof(opts),
                                   .name = "neighbour",
                                   .disk = n->disk,
                                   .workers = rig->workers,
                                   .worker_count = rig->queue_workers };
    assert_int_equal(tenon_blk_new(&opts, &n->device), 0);
    int ends[2] = { -1, -1 };
    if (!listening) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    }
    n->socket = ends[1];
    rig_on_worker(rig, start_server, n);
    assert_non_null(n->server);
    assert_int_equal(tnd_ram_new(&place, 1, &n->ram), 0);
    assert_int_equal(tnd_vhost_new(n->ram, listening ? neighbour_connect(n) : ends[0], &n->driver),
                     0);
    if (rig->inline_) {
        n->driver->crank = rig_crank;
        n->driver->crank_opaque = rig;
    }
    assert_int_equal(tnd_start(n->driver, NULL), 0);
    return n;
}

void neighbour_check(struct neighbour *n)
{
    static unsigned seed;
    uint8_t out[1024], in[1024];

    rig_pattern(out, sizeof(out), ++seed);
    assert_int_equal(tnd_blk_write(n->driver, 0, 8, out, sizeof(out)), TN_BLK_S_OK);
    assert_memory_equal(n->image + 8 * 512, out, sizeof(out));
    assert_int_equal(tnd_blk_read(n->driver, 0, 8, in, sizeof(in)), TN_BLK_S_OK);
    assert_memory_equal(in, out, sizeof(in));
}

struct closing {
    struct neighbour *n;
    bool done;
};

static void flag(void *opaque)
{
    __atomic_store_n((bool *)opaque, true, __ATOMIC_RELEASE);
}

static void close_server(void *opaque)
{
    struct closing *c = opaque;
    tenon_vhost_user_close(c->n->server, flag, &c->done);
}

void neighbour_close_server(struct neighbour *n)
{
    struct closing c = { .n = n };

    rig_on_worker(n->rig, close_server, &c);
    while (!__atomic_load_n(&c.done, __ATOMIC_ACQUIRE)) {
        tnd_pass(n->driver);
    }
    n->server = NULL;
}

void neighbour_free(struct neighbour *n)
{
    neighbour_close_server(n);
    tenon_device_free(n->device);
    tenon_disk_close(n->disk);
    tnd_free(n->driver);
    tnd_ram_free(n->ram);
    free(n);
}
