/*
 * mapping.h: a file mapped, for engines that copy from and to it. A file that was truncated answers
 * a touch with SIGBUS: tenon_sigbus (mem/sigbus.c) then puts a page of zeroes there and marks the
 * mapping. What is gone but lies in the file's last page is no fault: hence the look at the file's
 * size. So what was copied is true only after tn_mapping_sound has said so.
 *
 * A mapping belongs to one channel, and only its worker touches it.
 */
#ifndef TN_DISK_MAPPING_H
#define TN_DISK_MAPPING_H

#include "disk/body.h"
#include "mem/mem.h"

/* What all the channels of a disk map. */
struct tn_mapped {
    const struct tn_body_ops *ops;
    void *body;
    struct tn_mapped_file file;
    bool block; /* a block device */
};

void tn_mapped_init(struct tn_mapped *mapped, const struct tn_body_ops *ops, void *body,
                    const struct tn_mapped_file *file);

struct tn_mapping {
    const struct tn_mapped *mapped;
    bool writable;
    uint8_t *base; /* where the file begins; NULL: it could not be mapped */
    uint64_t bytes;
    struct tn_guard *guard;
    uint64_t end; /* of what was touched since it was last found sound */
};

/* Maps the file as long as it is now, in the place of what was mapped. 0 or a negative errno. */
int tn_mapping_renew(struct tn_mapping *mapping);
void tn_mapping_end(struct tn_mapping *mapping);

/* Whether everything that was touched is the file's; it is as new then. */
bool tn_mapping_sound(struct tn_mapping *mapping);

/*
 * Moves the data of a READ or a WRITE that lies within the mapping. False: its iovecs are not good
 * memory, and nothing was done. They and the file may change meanwhile.
 */
bool tn_mapping_copy(struct tn_mapping *mapping, const struct tenon_io *io);

#endif
