/*
 * le.h: little-endian integers as they lie in guest memory and on the wire.
 *
 * Each width is a struct of one field, so that a value which was not converted does not compile.
 * Nothing here is atomic: memory that the guest may write meanwhile is read and written through
 * shared.h.
 */
#ifndef TN_BASE_LE_H
#define TN_BASE_LE_H

#include <stdint.h>

typedef struct {
    uint16_t raw;
} le16;
typedef struct {
    uint32_t raw;
} le32;
typedef struct {
    uint64_t raw;
} le64;

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define TN_LE16(v) __builtin_bswap16(v)
#define TN_LE32(v) __builtin_bswap32(v)
#define TN_LE64(v) __builtin_bswap64(v)
#else
#define TN_LE16(v) (v)
#define TN_LE32(v) (v)
#define TN_LE64(v) (v)
#endif

static inline uint16_t tn_from_le16(le16 v)
{
    return TN_LE16(v.raw);
}
static inline uint32_t tn_from_le32(le32 v)
{
    return TN_LE32(v.raw);
}
static inline uint64_t tn_from_le64(le64 v)
{
    return TN_LE64(v.raw);
}
static inline le16 tn_to_le16(uint16_t v)
{
    return (le16){ TN_LE16(v) };
}
static inline le32 tn_to_le32(uint32_t v)
{
    return (le32){ TN_LE32(v) };
}
static inline le64 tn_to_le64(uint64_t v)
{
    return (le64){ TN_LE64(v) };
}

#endif
