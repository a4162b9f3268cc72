/*
 * pcapng.h: a capture file that several threads write frames into, and others may read meanwhile.
 * Only link/ includes it; pcapng.c has the format.
 */
#ifndef TN_LINK_PCAPNG_H
#define TN_LINK_PCAPNG_H

#include "tenon/link.h"

struct tn_pcapng;

enum tn_pcapng_direction { TN_PCAPNG_IN = 1, TN_PCAPNG_OUT = 2 }; /* the format's numbers */

/* Makes the file, or empties it; `interface` is its name in there. Errors: open's own, -EINVAL. */
int tn_pcapng_open(const char *path, const char *interface, struct tn_pcapng **out);
void tn_pcapng_close(struct tn_pcapng *file);

/*
 * A copy of these frames, of those before `kept` only where result is 0. Does nothing when the file
 * could not be written once.
 */
void tn_pcapng_write(struct tn_pcapng *file, struct tenon_frame *const *frames, unsigned count,
                     unsigned kept, enum tn_pcapng_direction direction, uint64_t real_time_ns);
/* How many were written. */
uint64_t tn_pcapng_frames(const struct tn_pcapng *file);

#endif
