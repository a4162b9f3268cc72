/*
 * net_options.c: the text of one --link or --net. Its first word says what the frames go through:
 *
 *   "tap,name=tap0,mtu=1400"  ──>  mtu: 1400   spec: "tap,name=tap0"
 *   "tap=tap0,mtu=1400"            the same, shorter
 *   "pair=NAME"                    with the other device of this process that says so; no spec
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "device_keys.h"
#include "limit_options.h"
#include "net_words.h"
#include "report.h"

enum { KIND_BYTES = 32 };

static const char *const kinds[] = { "tap", "dgram", "stream", "pair", NULL };
static const char kinds_said[] = "tap, dgram, stream and pair";

/* ---- what frames go through ---- */

static bool take_kind(struct device_reading *reading, const char *kind)
{
    struct net_part *net = &reading->device->net;
    if (net->link) {
        report_error("%s has two kinds of link, %s and %s; keep one", reading->option, net->link,
                     kind);
        return false;
    }
    net->is_pair = strcmp(kind, "pair") == 0;
    return device_keep_text(&net->link, kind);
}

static bool take_at(struct device_reading *reading, const char *key, const char *value)
{
    struct net_part *net = &reading->device->net;
    if (net->at) {
        report_error("%s=%s: '%s' was said before; keep one", key, value, net->at);
        return false;
    }
    device_put_spec(reading, key, value);
    return device_keep_text(&net->at, value);
}

static bool take_name(struct device_reading *reading, const char *value)
{
    return take_at(reading, "name", value);
}

static bool take_path(struct device_reading *reading, const char *value)
{
    return take_at(reading, "path", value);
}

static bool take_tap(struct device_reading *reading, const char *value)
{
    return take_kind(reading, "tap") && take_at(reading, "name", value);
}

static bool take_dgram(struct device_reading *reading, const char *value)
{
    return take_kind(reading, "dgram") && take_at(reading, "path", value);
}

static bool take_stream(struct device_reading *reading, const char *value)
{
    return take_kind(reading, "stream") && take_at(reading, "path", value);
}

static bool take_pair(struct device_reading *reading, const char *value)
{
    return take_kind(reading, "pair") && take_at(reading, "name", value);
}

/* A tap has a descriptor for each pair of queues. */
static bool take_fd(struct device_reading *reading, const char *value)
{
    unsigned count = 1;
    for (const char *at = value; *at; at++) {
        count += *at == ':';
    }
    reading->device->net.fds = count;
    device_put_spec(reading, "fd", value);
    return true;
}

static bool take_capture(struct device_reading *reading, const char *value)
{
    device_put_spec(reading, "capture", value);
    return device_keep_text(&reading->device->net.capture, value);
}

/* ---- what the device is ---- */

static bool take_id(struct device_reading *reading, const char *value)
{
    return device_take_name(reading->device, "id", value);
}

static bool take_pairs(struct device_reading *reading, const char *value)
{
    if (reading->device->queues != 0) {
        report_error("pairs= and queues= say the same; keep one");
        return false;
    }
    return device_take_number("pairs", value, 1, TENON_NET_PAIRS_MAX, &reading->device->queues);
}

static bool take_mac(struct device_reading *reading, const char *value)
{
    return net_words_mac(value, reading->device->net.mac);
}

static bool take_mtu(struct device_reading *reading, const char *value)
{
    unsigned mtu;
    if (!device_take_number("mtu", value, 68, 65535, &mtu)) {
        return false;
    }
    reading->device->net.mtu = (uint16_t)mtu;
    return true;
}

static bool take_speed(struct device_reading *reading, const char *value)
{
    return device_take_number("speed", value, 1, INT32_MAX, &reading->device->net.speed);
}

static bool take_offload(struct device_reading *reading, const char *value)
{
    return net_words_offload(value, &reading->device->net.offload);
}

static bool take_coalesce(struct device_reading *reading, const char *value)
{
    struct net_part *net = &reading->device->net;
    return net_words_coalesce(value, &net->coalesce_frames, &net->coalesce_us);
}

static bool take_full(struct device_reading *reading, const char *value)
{
    static const char *const words[] = { "hold", "drop", NULL };
    int found = device_take_word("full", value, words, "hold and drop");
    reading->device->net.drop_when_full = found == 1;
    return found >= 0;
}

static bool take_rss(struct device_reading *reading, const char *value)
{
    return device_take_switch("rss", value, &reading->device->net.rss);
}

static bool take_mrg_rxbuf(struct device_reading *reading, const char *value)
{
    bool on = true;
    bool good = device_take_switch("mrg-rxbuf", value, &on);
    reading->device->net.no_mrg_rxbuf = !on;
    return good;
}

static bool take_ctrl(struct device_reading *reading, const char *value)
{
    bool on = true;
    bool good = device_take_switch("ctrl-vq", value, &on);
    reading->device->net.no_ctrl = !on;
    return good;
}

static const struct device_key keys[] = {
    { "tap", take_tap },
    { "dgram", take_dgram },
    { "stream", take_stream },
    { "pair", take_pair },
    { "name", take_name },
    { "path", take_path },
    { "fd", take_fd },
    { "capture", take_capture },
    { "id", take_id },
    { "pairs", take_pairs },
    { "queues", take_pairs }, /* as QEMU calls them */
    { "mac", take_mac },
    { "mtu", take_mtu },
    { "speed", take_speed },
    { "offload", take_offload },
    { "coalesce", take_coalesce },
    { "full", take_full },
    { "rss", take_rss },
    { "mrg-rxbuf", take_mrg_rxbuf },
    { "ctrl-vq", take_ctrl },
    DEVICE_KEYS,
    { "peer", NULL },
    { "listen", NULL },
    { NULL, NULL },
};

/* ---- all of it ---- */

/* A first word without '=' is the kind of link; `*text` goes behind it. */
static bool take_first_word(struct device_reading *reading, const char **text)
{
    char word[KIND_BYTES];
    size_t bytes = strcspn(*text, "=,");
    if ((*text)[bytes] == '=' || bytes == 0) {
        return true;
    }
    snprintf(word, sizeof(word), "%.*s", (int)bytes, *text);
    if (device_take_word("link", word, kinds, kinds_said) < 0 || !take_kind(reading, word)) {
        return false;
    }
    *text += bytes + ((*text)[bytes] == ',');
    return true;
}

/* "offload=csum,tso,mtu=1400": words behind offload= that are no keys belong to it. */
static void join_offloads(char *text)
{
    bool within = strncmp(text, "offload=", 8) == 0;
    for (char *at = strchr(text, ','); at; at = strchr(at + 1, ',')) {
        if (within && at[1 + strcspn(at + 1, "=,")] != '=' && at[1] != 0) {
            *at = ':';
        } else {
            within = strncmp(at + 1, "offload=", 8) == 0;
        }
    }
}

/* What was collected belongs behind the kind: "tap" and "name=tap0", in two steps. */
static bool finish_spec(struct device_options *device)
{
    char *spec;
    const struct net_part *net = &device->net;
    bool by_name = strcmp(net->link, "tap") == 0 && net->fds == 0;
    char queues[32] = "";
    if (by_name && device->queues > 1) {
        snprintf(queues, sizeof(queues), ",queues=%u", device->queues);
    }
    if (asprintf(&spec, "%s%s%s%s", net->link, device->spec[0] ? "," : "", device->spec, queues) <
        0) {
        report_error("out of memory");
        return false;
    }
    free(device->spec);
    device->spec = spec;
    return true;
}

static bool was_given(const struct device_reading *reading, const char *key)
{
    for (unsigned i = 0; keys[i].name; i++) {
        if (strcmp(keys[i].name, key) == 0) {
            return (reading->seen & 1UL << i) != 0;
        }
    }
    return false;
}

/* The library never sees a pair's text. */
static bool check_pair(const struct device_reading *reading)
{
    static const char *const others[] = { "path", "fd", "peer", "listen", NULL };
    if (!reading->device->net.at) {
        report_error("%s pair: the pair has no name; use pair=NAME, the same for both devices",
                     reading->option);
        return false;
    }
    for (unsigned i = 0; others[i]; i++) {
        if (was_given(reading, others[i])) {
            report_error("%s pair: %s= has no place, since nothing outside is reached; remove it",
                         reading->option, others[i]);
            return false;
        }
    }
    return true;
}

static bool finish(struct device_reading *reading)
{
    struct device_options *device = reading->device;
    const struct net_part *net = &device->net;
    if (!net->link) {
        report_error("%s '%s' does not say what frames go through; begin it with one of %s: "
                     "tap,name=tap0, for instance",
                     reading->option, device->text, kinds_said);
        return false;
    }
    if (net->is_pair && !check_pair(reading)) {
        return false;
    }
    bool tap_fds = strcmp(net->link, "tap") == 0 && net->fds > 0;
    device->queues = device->queues ? device->queues : tap_fds ? net->fds : 1;
    device->workers = device->workers ? device->workers : device->cpus.count;
    device_choose_name(device, net->at ? net->at : net->link);
    return finish_spec(device) && limit_check(&device->limits, limit_net_keys, device->name);
}

bool net_options_read(struct device_options *device, const char *option)
{
    struct device_reading reading = {
        .device = device, .option = option, .keys = keys, .limit_keys = limit_net_keys
    };
    if (!device_reading_begin(&reading)) {
        return false;
    }
    char *text = device->text;
    const char *rest = text;
    join_offloads(text);
    bool done = take_first_word(&reading, &rest) && device_reading_take(&reading, rest);
    return device_reading_end(&reading) && done && finish(&reading);
}

/* The others that name the same pair, and how many pairs of queues the two have. */
static bool match(struct device_list *list, struct device_options *device)
{
    struct device_options *other = NULL;
    for (unsigned i = 0; i < list->count; i++) {
        struct device_options *found = &list->devices[i];
        if (found == device || found->kind != DEVICE_NET || !found->net.is_pair ||
            strcmp(found->net.at, device->net.at) != 0) {
            continue;
        }
        if (other) {
            report_error("more than two devices name the pair '%s'; two are back to back",
                         device->net.at);
            return false;
        }
        other = found;
    }
    if (!other) {
        report_error("net '%s': no other device of this process names the pair '%s'; give a "
                     "second one pair=%s, too",
                     device->name, device->net.at, device->net.at);
        return false;
    }
    device->queues = other->queues > device->queues ? other->queues : device->queues;
    return true;
}

bool net_options_match(struct device_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct device_options *device = &list->devices[i];
        if (device->kind == DEVICE_NET && device->net.is_pair && !match(list, device)) {
            return false;
        }
    }
    return true;
}

void net_options_free(struct device_options *device)
{
    free(device->net.link);
    free(device->net.at);
    free(device->net.capture);
}
