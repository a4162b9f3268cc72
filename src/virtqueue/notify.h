/*
 * notify.h: the event rule, for both directions: an index moved from `before` to `now`; does it
 * pass the entry that the other side waits for? All three count freely modulo 65536 (SPLIT-34,
 * SPLIT-35).
 */
#ifndef TN_VIRTQUEUE_NOTIFY_H
#define TN_VIRTQUEUE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* True when `event` is one of before, before + 1, ..., now - 1. */
static inline bool tn_event_passed(uint16_t event, uint16_t now, uint16_t before)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

#endif
