/*
 * iov.h: walking a list of iovecs as if it were one run of bytes. An iovec whose base is NULL is a
 * *hole*: bytes that the guest named but that lie outside its memory. Copies refuse to cross a
 * hole.
 */
#ifndef TN_BASE_IOV_H
#define TN_BASE_IOV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

uint64_t tn_iov_bytes(const struct iovec *iov, unsigned count);

/* Whether any byte of [offset, offset + bytes) is in a hole. Bytes past the end count as a hole. */
bool tn_iov_has_hole(const struct iovec *iov, unsigned count, uint64_t offset, uint64_t bytes);

/*
 * Copies between private memory and [offset, offset + bytes) of a list in guest memory, each guest
 * byte read or written once. False, and nothing is copied, when the range is not wholly inside or
 * touches a hole.
 */
bool tn_iov_copy_from(void *to, const struct iovec *iov, unsigned count, uint64_t offset,
                      uint64_t bytes);
bool tn_iov_copy_to(const struct iovec *iov, unsigned count, uint64_t offset, const void *from,
                    uint64_t bytes);

/*
 * Cuts [offset, offset + bytes) out of the list in place: *iov and *count then describe just that
 * range. The first and last kept iovec are shortened in the array itself. The range must be wholly
 * inside; holes are kept as they are.
 */
void tn_iov_cut(struct iovec **iov, unsigned *count, uint64_t offset, uint64_t bytes);

#endif
