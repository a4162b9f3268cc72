/*
 * be.h: big-endian numbers in private memory, at any alignment: what network protocols are made of.
 */
#ifndef TN_BASE_BE_H
#define TN_BASE_BE_H

#include <stdint.h>

static inline uint16_t tn_get_be16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static inline uint32_t tn_get_be32(const uint8_t *at)
{
    return (uint32_t)tn_get_be16(at) << 16 | tn_get_be16(at + 2);
}
static inline void tn_put_be16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}
static inline void tn_put_be32(uint8_t *at, uint32_t v)
{
    tn_put_be16(at, (uint16_t)(v >> 16));
    tn_put_be16(at + 2, (uint16_t)v);
}

#endif
