/*
 * image.c: files that go into guest memory. What a file says of itself is never trusted: each part
 * is held against the file's size and the guest's memory.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "machine.h"

int image_open(struct image *image, const char *what, const char *path)
{
    struct stat found;

    *image = (struct image){ .what = what, .path = path };
    image->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us here */
    if (image->fd < 0) {
        return vmm_fail(-errno, "cannot open the %s %s: %s", what, path, strerror(errno));
    }
    if (fstat(image->fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size <= 0) {
        int error = vmm_fail(-EINVAL, "the %s %s is %s; name a file", what, path,
                             S_ISDIR(found.st_mode)   ? "a directory"
                             : S_ISREG(found.st_mode) ? "empty"
                                                      : "no regular file");
        image_close(image);
        return error;
    }
    image->bytes = (uint64_t)found.st_size;
    return 0;
}

void image_close(struct image *image)
{
    if (image->fd >= 0) {
        close(image->fd);
    }
    image->fd = -1;
}

int image_read(const struct image *image, uint64_t offset, void *to, uint64_t bytes)
{
    uint64_t done = 0;

    if (offset > image->bytes || bytes > image->bytes - offset) {
        return vmm_fail(
            -EINVAL, "the %s %s is cut off: it ends at byte %llu, and %llu are needed", image->what,
            image->path, (unsigned long long)image->bytes,
            (unsigned long long)(offset + bytes < offset ? UINT64_MAX : offset + bytes));
    }
    while (done < bytes) {
        ssize_t n = pread(image->fd, (uint8_t *)to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return vmm_fail(n < 0 ? -errno : -EIO, "cannot read the %s %s: %s", image->what,
                            image->path, n < 0 ? strerror(errno) : "it has become shorter");
        }
        done += (uint64_t)n;
    }
    return 0;
}

int image_load(const struct image *image, const struct vmm *vmm, uint64_t offset, uint64_t bytes,
               uint64_t gpa)
{
    void *to = memory_at(vmm, gpa, bytes);

    if (!to) {
        return vmm_fail(
            -ENOMEM,
            "the %s %s needs %llu KiB at address 0x%llx, where the guest has no memory; "
            "give it more, with --memory",
            image->what, image->path, (unsigned long long)(bytes >> 10), (unsigned long long)gpa);
    }
    return image_read(image, offset, to, bytes);
}
