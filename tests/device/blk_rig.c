/*
 * blk_rig.c: the rig of a block device: the disk of the combination under it, rig.c around it.
 */
#include "rig_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DISK_BYTES = 8 << 20 };

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
    rig_must(sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0, "sigaction");
    tenon_sigbus_installed();
}

static void open_image(struct rig *rig, const struct tenon_file_opts *opts)
{
    int result = tenon_disk_open_fd(rig->image_fd, opts, &rig->disk);

    if (rig->uring && result < 0 && strstr(tenon_error(), "engine=io_uring is not possible")) {
        print_message("skipped: %s\n", tenon_error());
        skip();
    }
    rig_must(result, "tenon_disk_open_fd");
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
    rig_must(rig->image_fd < 0 ? -errno : 0, "a file for the image");
    rig_must(ftruncate(rig->image_fd, (off_t)rig->image_bytes) < 0 ? -errno : 0, "ftruncate");
    rig->image = mmap(NULL, rig->image_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, rig->image_fd, 0);
    assert_ptr_not_equal(rig->image, MAP_FAILED);
    open_image(rig, &opts);
}

static void open_disk(struct rig *rig, const struct rig_options *options)
{
    rig->image_bytes = options->disk_bytes ? options->disk_bytes : DISK_BYTES;
    if (options->other) {
        rig->disk = options->other;
    } else if (options->disk == RIG_DISK_FILE) {
        open_file(rig, options);
    } else if (options->disk == RIG_DISK_MEMORY) {
        rig->image = mmap(NULL, rig->image_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(rig->image, MAP_FAILED);
        rig_must(tenon_disk_open_memory(rig->image, rig->image_bytes, options->disk_read_only,
                                        &rig->disk),
                 "tenon_disk_open_memory");
    } else {
        rig->fake = fake_new(rig->image_bytes);
        rig->fake->info.read_only = options->disk_read_only;
        rig->image = rig->fake->bytes;
        rig_must(fake_open(rig->fake, &rig->disk), "tenon_disk_open_custom");
    }
}

/* ---- the end ---- */

static void let_go(struct rig *rig)
{
    if (rig->fake) {
        fake_release_all(rig->fake);
    }
}

static void close_disk(struct rig *rig)
{
    tenon_disk_close(rig->disk);
}

static void dispose(struct rig *rig)
{
    if (rig->fake) {
        fake_free(rig->fake);
    } else if (rig->image) {
        munmap(rig->image, rig->image_bytes);
    }
    if (rig->image_fd >= 0) {
        close(rig->image_fd);
    }
}

struct rig *rig_new(void **state, const struct rig_options *options)
{
    static const struct rig_options defaults;
    const struct rig_options *o = options ? options : &defaults;
    struct rig_combination *combination = *state;
    struct rig *rig = calloc(1, sizeof(*rig));
    struct tenon_blk_opts blk = o->blk;

    assert_non_null(rig);
    rig->mapped = combination->bits & RIG_MAPPED;
    rig->uring = combination->bits & RIG_URING;
    rig->cached = combination->bits & RIG_CACHED;
    rig->release = let_go;
    rig->close = close_disk;
    rig->dispose = dispose;
    rig_begin(rig, combination, blk.queues > 1 ? 2 : 1);
    open_disk(rig, o);
    blk.size = sizeof(blk);
    blk.disk = rig->disk;
    blk.workers = rig->workers;
    blk.worker_count = rig->queue_workers;
    blk.event = rig_on_event;
    blk.opaque = rig;
    rig_must(tenon_blk_new(&blk, &rig->device), "tenon_blk_new");
    rig_attach(rig, o->irq);
    if (!o->no_start) {
        struct tnd_setup setup = o->setup;
        if (!setup.queue_size && blk.queue_size) {
            setup.queue_size = blk.queue_size;
        }
        rig_must(tnd_start(rig->driver, &setup), "tnd_start");
    }
    return rig;
}
