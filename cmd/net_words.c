/*
 * net_words.c: hardware addresses, lists of offloads, and how interrupts are held back.
 */
#include "net_words.h"

#include <stdio.h>
#include <string.h>

#include <tenon/net.h>
#include <tenon/opts.h>

#include "args.h"
#include "report.h"

enum { MAC_TEXT = 17, WORD_BYTES = 16 };

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit | 0x20) : NULL;
    return found ? (int)(found - digits) : -1;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    if (strlen(text) != MAC_TEXT) {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) {
            return false;
        }
        mac[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

bool net_words_mac(const char *text, uint8_t mac[6])
{
    static const uint8_t none[6];
    if (!parse_mac(text, mac)) {
        report_error("mac=%s is no hardware address; 52:54:00:12:34:56 is one", text);
        return false;
    }
    if ((mac[0] & 1) != 0 || memcmp(mac, none, sizeof(none)) == 0) {
        report_error("mac=%s is no address of one card (%s); take one that begins with 52:54:00",
                     text, mac[0] & 1 ? "it is one of a group" : "it is all zeroes");
        return false;
    }
    return true;
}

/* TSO and USO are about segments whose checksums are left open, so they bring CSUM. */
static const struct offload {
    const char *name;
    unsigned can;
} offloads[] = {
    { "csum", TENON_CAN_CSUM },
    { "tso", TENON_CAN_CSUM | TENON_CAN_TSO4 | TENON_CAN_TSO6 },
    { "tso4", TENON_CAN_CSUM | TENON_CAN_TSO4 },
    { "tso6", TENON_CAN_CSUM | TENON_CAN_TSO6 },
    { "ecn", TENON_CAN_ECN },
    { "uso", TENON_CAN_CSUM | TENON_CAN_USO4 | TENON_CAN_USO6 },
    { "uso4", TENON_CAN_CSUM | TENON_CAN_USO4 },
    { "uso6", TENON_CAN_CSUM | TENON_CAN_USO6 },
};

enum { OFFLOAD_COUNT = sizeof(offloads) / sizeof(offloads[0]) };

static unsigned find_offload(const char *word)
{
    const char *names[OFFLOAD_COUNT + 3] = { "auto", "off" };
    for (unsigned i = 0; i < OFFLOAD_COUNT; i++) {
        if (strcmp(offloads[i].name, word) == 0) {
            return offloads[i].can;
        }
        names[i + 2] = offloads[i].name;
    }
    const char *nearest = tenon_nearest(word, names);
    report_error("offload=%s is not possible; %s%s%sthere are auto, off, and lists of csum, tso, "
                 "tso4, tso6, ecn, uso, uso4 and uso6",
                 word, nearest ? "did you mean " : "", nearest ? nearest : "", nearest ? "? " : "");
    return 0;
}

bool net_words_offload(const char *text, unsigned *to)
{
    if (strcmp(text, "auto") == 0) {
        *to = TENON_NET_OFFLOAD_AUTO;
        return true;
    }
    if (strcmp(text, "off") == 0) {
        *to = TENON_NET_OFFLOAD_OFF;
        return true;
    }
    *to = 0;
    for (const char *at = text;; at++) {
        char word[WORD_BYTES];
        size_t bytes = strcspn(at, ":,");
        snprintf(word, sizeof(word), "%.*s", (int)bytes, at);
        unsigned can = find_offload(word);
        if (can == 0) {
            return false;
        }
        *to |= can;
        at += bytes;
        if (*at == 0) {
            break;
        }
    }
    if (*to == TENON_CAN_ECN) {
        report_error("offload=ecn is about segments of TCP; add tso");
        return false;
    }
    return true;
}

bool net_words_coalesce(const char *text, uint32_t *frames, uint32_t *us)
{
    char first[WORD_BYTES];
    unsigned long number;
    size_t bytes = strcspn(text, ":");
    const char *second = text[bytes] == ':' ? text + bytes + 1 : NULL;
    if (strcmp(text, "off") == 0) {
        *frames = *us = TENON_NET_COALESCE_OFF;
        return true;
    }
    snprintf(first, sizeof(first), "%.*s", (int)bytes, text);
    bool good = bytes < sizeof(first) && args_number(first, 10, 1, 65535, &number);
    *frames = good ? (uint32_t)number : 0;
    if (good && second) {
        good = args_number(second, 10, 1, 1000000, &number);
        *us = good ? (uint32_t)number : 0;
    }
    if (!good) {
        report_error("coalesce=%s is neither off nor frames and microseconds; 64:50 is the default",
                     text);
    }
    return good;
}
