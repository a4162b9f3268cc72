/*
 * net_words.h: values of a network device's keys that are more than a number or a word.
 */
#ifndef TENON_NET_WORDS_H
#define TENON_NET_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/* Each false when the value is not possible, which was reported. */

/* "52:54:00:12:34:56" */
bool net_words_mac(const char *text, uint8_t mac[6]);
/* "auto", "off", or a list such as "csum:tso": as in struct tenon_net_opts. */
bool net_words_offload(const char *text, unsigned *to);
/* "off", "64" or "64:50": frames and microseconds. */
bool net_words_coalesce(const char *text, uint32_t *frames, uint32_t *us);

#endif
