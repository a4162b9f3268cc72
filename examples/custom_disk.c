/*
 * custom_disk.c: a disk of your own, served to a virtual machine over vhost-user.
 *
 *   guest --virtio-blk--> QEMU --vhost-user socket--> libtenon --> the four functions below
 *
 * The disk is a file in which every byte is XORed with a key: what the guest sees is not what lies
 * on the host. (A lesson in plumbing, not in cryptography.) The functions may block: libtenon calls
 * them from a small pool of threads.
 *
 *   truncate -s 1G secret.img
 *   ./custom_disk secret.img /tmp/custom.sock
 *   qemu-system-x86_64 -m 1G -object memory-backend-memfd,id=m,size=1G,share=on \
 *       -machine q35,memory-backend=m -chardev socket,id=c,path=/tmp/custom.sock \
 *       -device vhost-user-blk-pci,chardev=c ...
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <tenon/blk.h>
#include <tenon/disk.h>
#include <tenon/vhost_user.h>
#include <tenon/worker.h>

enum { KEY = 0x5a, PIECE = 64 * 1024 };

struct xor_disk {
    int fd;
};

/*
 * Both directions go through a buffer of ours. For writing it has to be so: what the guest asks to
 * write is its own memory.
 */
static void transform(uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        data[i] ^= KEY;
    }
}

/*
 * Moving less than asked is fine: libtenon asks again for the rest. So is 0, which means the end of
 * the file.
 */
static ssize_t xor_preadv(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct xor_disk *disk = opaque;
    uint8_t piece[PIECE];
    size_t want = iov[0].iov_len < PIECE ? iov[0].iov_len : PIECE;
    ssize_t n = pread(disk->fd, piece, want, (off_t)offset);

    (void)count;
    if (n < 0) {
        return -errno;
    }
    transform(piece, (size_t)n);
    memcpy(iov[0].iov_base, piece, (size_t)n);
    return n;
}

static ssize_t xor_pwritev(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct xor_disk *disk = opaque;
    uint8_t piece[PIECE];
    size_t want = iov[0].iov_len < PIECE ? iov[0].iov_len : PIECE;
    ssize_t n;

    (void)count;
    memcpy(piece, iov[0].iov_base, want);
    transform(piece, want);
    n = pwrite(disk->fd, piece, want, (off_t)offset);
    return n < 0 ? -errno : n;
}

static int xor_flush(void *opaque)
{
    struct xor_disk *disk = opaque;

    return fdatasync(disk->fd) == 0 ? 0 : -errno;
}

/*
 * What is not set stays zero: 512-byte blocks, writable. That it can flush follows from xor_flush.
 */
static int xor_info(void *opaque, struct tenon_disk_info *info)
{
    struct xor_disk *disk = opaque;
    struct stat st;

    if (fstat(disk->fd, &st) != 0) {
        return -errno;
    }
    info->bytes = (uint64_t)st.st_size;
    return 0;
}

static const struct tenon_disk_simple_ops xor_ops = {
    .size = sizeof(xor_ops),
    .preadv = xor_preadv,
    .pwritev = xor_pwritev,
    .flush = xor_flush,
    .info = xor_info,
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "custom_disk: %s: %s\n", what, why);
    exit(1);
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
        die(path, fd < 0 ? strerror(errno) : "the path is too long for a socket");
    }
    strcpy(address.sun_path, path);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0) {
        die(path, strerror(errno));
    }
    return fd;
}

static void on_event(void *opaque, struct tenon_vhost_user *server,
                     enum tenon_vhost_user_event event, const char *detail)
{
    (void)opaque;
    (void)server;
    printf("front-end %s%s%s\n", event == TENON_VHOST_USER_CONNECTED ? "connected" : "gone",
           detail ? ": " : "", detail ? detail : "");
}

static void on_log(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    if (level <= TENON_LOG_WARNING) {
        fprintf(stderr, "%s\n", line);
    }
}

int main(int argc, char **argv)
{
    struct xor_disk mine = { .fd = -1 };
    struct tenon_disk *disk;
    struct tenon_device *device;
    struct tenon_worker *worker;
    struct tenon_vhost_user *server;

    if (argc != 3) {
        die("usage", "custom_disk IMAGE SOCKET");
    }
    tenon_set_log(on_log, NULL);
    mine.fd = open(argv[1], O_RDWR | O_CLOEXEC);
    if (mine.fd < 0) {
        die(argv[1], strerror(errno));
    }

    /* The disk, run by a pool of 4 threads. */
    if (tenon_disk_open_simple(&xor_ops, &mine, 4, &disk) != 0) {
        die("disk", tenon_error());
    }

    /* The device over it: any number of queues; they run on a worker of the device's own. */
    struct tenon_blk_opts blk = {
        .size = sizeof(blk), .name = "xor", .disk = disk, .queues = 4, .serial = "xor-0001"
    };
    if (tenon_blk_new(&blk, &device) != 0) {
        die("device", tenon_error());
    }
    tenon_disk_close(disk); /* the device keeps it alive */

    /* The way in: messages of the front-end are handled by this thread, below. */
    struct tenon_worker_opts loop = { .size = sizeof(loop), .name = "control" };
    if (tenon_worker_new(&loop, &worker) != 0) {
        die("worker", tenon_error());
    }
    struct tenon_vhost_user_opts vhost = { .size = sizeof(vhost),
                                           .device = device,
                                           .worker = worker,
                                           .listen_fd = listen_on(argv[2]),
                                           .connected_fd = -1,
                                           .event = on_event };
    if (tenon_vhost_user_new(&vhost, &server) != 0) {
        die("vhost-user", tenon_error());
    }
    printf("serving %s on %s\n", argv[1], argv[2]);
    fflush(stdout);
    while (tenon_worker_run(worker, -1) >= 0) {
    }
    return 1;
}
