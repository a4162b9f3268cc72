/*
 * image.h: files that go into guest memory: kernels and initrds.
 */
#ifndef VMM_IMAGE_H
#define VMM_IMAGE_H

#include <stdint.h>

struct vmm;

struct image {
    const char *what; /* "kernel", "initrd": for messages */
    const char *path;
    int fd;
    uint64_t bytes;
};

/* Opens a regular file that is not empty. 0 or vmm_fail. */
int image_open(struct image *image, const char *what, const char *path);
void image_close(struct image *image);

/* Exactly these bytes of the file, into our memory; a file that ends before is an error. */
int image_read(const struct image *image, uint64_t offset, void *to, uint64_t bytes);
/* The same into guest memory; a guest that has no memory there is an error. */
int image_load(const struct image *image, const struct vmm *vmm, uint64_t offset, uint64_t bytes,
               uint64_t gpa);

#endif
