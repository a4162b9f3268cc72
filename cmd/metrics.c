/*
 * metrics.c: counters by HTTP: one request a connection, answered and closed.
 */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "args.h"
#include "devices.h"
#include "peers.h"
#include "report.h"
#include "sockets.h"

enum { SOCKET_MODE = 0660, BACKLOG = 16, PORT_MAX = 65535 };

struct metrics {
    struct serving_socket socket;
    struct peers peers;
    const struct opened **devices;
    unsigned device_count;
};

/* ---- the text: all values of one name stand together, as the format wants it ---- */

struct sample {
    const char *of;   /* "device" or "link" */
    const char *name; /* the library's, for ever */
    unsigned device;
    int queue; /* -1: the whole device */
    uint64_t value;
};

struct samples {
    struct sample *all;
    size_t count, room;
    unsigned device;
    bool failed;
};

static void collect(struct samples *samples, const struct sample *sample)
{
    if (samples->count == samples->room) {
        size_t room = samples->room ? 2 * samples->room : 256;
        struct sample *grown = realloc(samples->all, room * sizeof(*grown));
        if (!grown) {
            samples->failed = true;
            return;
        }
        samples->all = grown;
        samples->room = room;
    }
    samples->all[samples->count++] = *sample;
}

static void collect_device(void *opaque, const char *name, int queue, uint64_t value)
{
    struct samples *samples = opaque;
    collect(samples, &(struct sample){ "device", name, samples->device, queue, value });
}

static void collect_link(void *opaque, const char *name, uint64_t value)
{
    struct samples *samples = opaque;
    collect(samples, &(struct sample){ "link", name, samples->device, -1, value });
}

static void put_label(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
        } else {
            fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
        }
    }
}

/* Those that go down, too, are called so (<tenon/device.h>). */
static bool is_gauge(const char *name)
{
    size_t bytes = strlen(name);
    return bytes > 4 && strcmp(name + bytes - 4, "_now") == 0;
}

static void put_sample(FILE *out, const struct metrics *metrics, const struct sample *sample)
{
    fprintf(out, "tenon_%s_%s%s{device=\"", sample->of, sample->name,
            is_gauge(sample->name) ? "" : "_total");
    put_label(out, metrics->devices[sample->device]->options->name);
    if (sample->queue >= 0) {
        fprintf(out, "\",queue=\"%d", sample->queue);
    }
    fprintf(out, "\"} %" PRIu64 "\n", sample->value);
}

/* Each name once, with all that has it; the order is that of the first device's counters. */
static void put_samples(FILE *out, const struct metrics *metrics, struct samples *samples)
{
    for (size_t i = 0; i < samples->count; i++) {
        const char *name = samples->all[i].name, *of = samples->all[i].of;
        if (!name) {
            continue;
        }
        fprintf(out, "# TYPE tenon_%s_%s%s\n", of, name,
                is_gauge(name) ? " gauge" : "_total counter");
        for (size_t j = i; j < samples->count; j++) {
            struct sample *sample = &samples->all[j];
            if (sample->name && sample->of == of && strcmp(sample->name, name) == 0) {
                put_sample(out, metrics, sample);
                sample->name = j > i ? NULL : sample->name;
            }
        }
    }
}

/*
 * Histograms in seconds, from a microsecond to some seconds. There is no sum of all values: keeping
 * one would cost each request a store.
 */
struct latency_pen {
    FILE *out;
    const char *device;
};

static void put_latency(void *opaque, const char *span, unsigned queue, const uint64_t *counts,
                        unsigned buckets)
{
    enum { FIRST = 10, LAST = 34 };
    const struct latency_pen *pen = opaque;
    uint64_t sum = 0, all = 0;
    for (unsigned i = 0; i < buckets; i++) {
        all += counts[i];
    }
    for (unsigned i = 0; i <= LAST + 1 && i < buckets; i++) {
        sum += i <= LAST ? counts[i] : all - sum;
        if (i < FIRST) {
            continue;
        }
        fputs("tenon_device_latency_seconds_bucket{device=\"", pen->out);
        put_label(pen->out, pen->device);
        fprintf(pen->out, "\",queue=\"%u\",span=\"%s\",le=\"", queue, span);
        if (i <= LAST) {
            fprintf(pen->out, "%.9g\"} %" PRIu64 "\n", (double)((uint64_t)1 << i) / 1e9, sum);
        } else {
            fprintf(pen->out, "+Inf\"} %" PRIu64 "\n", sum);
        }
    }
    fputs("tenon_device_latency_seconds_count{device=\"", pen->out);
    put_label(pen->out, pen->device);
    fprintf(pen->out, "\",queue=\"%u\",span=\"%s\"} %" PRIu64 "\n", queue, span, all);
}

static void put_latencies(FILE *out, const struct metrics *metrics)
{
    fputs("# TYPE tenon_device_latency_seconds histogram\n", out);
    for (unsigned i = 0; i < metrics->device_count; i++) {
        struct latency_pen pen = { out, metrics->devices[i]->options->name };
        tenon_device_latencies(metrics->devices[i]->device, put_latency, &pen);
    }
}

/* Freed by the caller; NULL: no memory. */
static char *make_text(const struct metrics *metrics, size_t *bytes)
{
    struct samples samples = { 0 };
    char *text = NULL;
    FILE *out = open_memstream(&text, bytes);
    if (!out) {
        return NULL;
    }
    for (samples.device = 0; samples.device < metrics->device_count; samples.device++) {
        const struct opened *opened = metrics->devices[samples.device];
        tenon_device_stats(opened->device, collect_device, &samples);
        if (opened->link) {
            tenon_link_stats(opened->link, collect_link, &samples);
        }
    }
    fprintf(out, "# TYPE tenon_info gauge\ntenon_info{version=\"%s\"} 1\n", tenon_version());
    put_samples(out, metrics, &samples);
    put_latencies(out, metrics);
    free(samples.all);
    if (fclose(out) != 0 || samples.failed) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- HTTP, as much of it as a scraper needs ---- */

static void answer(struct peer *peer, const char *status, const char *text, size_t bytes)
{
    char head[256];
    int length = snprintf(head, sizeof(head),
                          "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                          status, bytes);
    unsigned long generation = peer->generation;
    peer->owed = 1; /* until the body is there, too */
    peer->closing = true;
    peer_put(peer, head, (size_t)length);
    if (peer->fd >= 0 && peer->generation == generation) {
        peer->owed = 0;
        peer_put(peer, text, bytes);
    }
}

static void answer_metrics(const struct metrics *metrics, struct peer *peer)
{
    size_t bytes = 0;
    char *text = make_text(metrics, &bytes);
    if (text) {
        answer(peer, "200 OK", text, bytes);
        free(text);
    } else {
        static const char sorry[] = "out of memory\n";
        answer(peer, "500 Internal Server Error", sorry, sizeof(sorry) - 1);
    }
}

static void take_request(void *opaque, struct peer *peer)
{
    static const char where[] = "GET /metrics ", root[] = "GET / ";
    static const char other[] = "there is only GET /metrics\n";
    if (!memmem(peer->in, peer->in_bytes, "\r\n\r\n", 4)) {
        return; /* the rest of the head comes later */
    }
    if ((peer->in_bytes > sizeof(where) && memcmp(peer->in, where, sizeof(where) - 1) == 0) ||
        (peer->in_bytes > sizeof(root) && memcmp(peer->in, root, sizeof(root) - 1) == 0)) {
        answer_metrics(opaque, peer);
    } else {
        answer(peer, "404 Not Found", other, sizeof(other) - 1);
    }
}

/* ---- where it listens ---- */

/* ADDRESS:PORT? Then it is none of a path. */
static bool parse_address(const char *where, struct sockaddr_in *out)
{
    char address[INET_ADDRSTRLEN];
    unsigned long port;
    const char *colon = strrchr(where, ':');
    if (!colon || (size_t)(colon - where) >= sizeof(address) ||
        !args_number(colon + 1, 10, 0, PORT_MAX, &port)) {
        return false;
    }
    memcpy(address, where, (size_t)(colon - where));
    address[colon - where] = 0;
    *out = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return inet_pton(AF_INET, address, &out->sin_addr) == 1;
}

static bool listen_loopback(struct serving_socket *socket_out, const char *where,
                            const struct sockaddr_in *address)
{
    const int on = 1;
    if (ntohl(address->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) {
        report_error("--metrics %s is no address of this machine's loopback, and counters are for "
                     "nobody else: use 127.0.0.1:PORT, or a path",
                     where);
        return false;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socket_out->fd = fd;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        report_error("cannot listen at --metrics %s: %s; choose another port", where,
                     strerror(errno));
        return false;
    }
    return true;
}

static bool listen_somewhere(struct serving_socket *socket_out, const char *where)
{
    struct sockaddr_in address;
    return parse_address(where, &address) ? listen_loopback(socket_out, where, &address)
                                          : socket_listen(socket_out, where, SOCKET_MODE);
}

struct metrics *metrics_open(const char *where, struct tenon_worker *worker)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (!metrics) {
        report_error("out of memory");
        return NULL;
    }
    metrics->socket.fd = metrics->socket.lock_fd = -1;
    if (!listen_somewhere(&metrics->socket, where) ||
        !peers_open(&metrics->peers, metrics->socket.fd, worker, take_request, metrics)) {
        metrics_close(metrics);
        return NULL;
    }
    return metrics;
}

bool metrics_add(struct metrics *metrics, const struct opened *opened)
{
    const struct opened **grown =
        realloc(metrics->devices, (metrics->device_count + 1) * sizeof(struct opened *));
    if (!grown) {
        report_error("out of memory");
        return false;
    }
    metrics->devices = grown;
    grown[metrics->device_count++] = opened;
    return true;
}

void metrics_close(struct metrics *metrics)
{
    if (!metrics) {
        return;
    }
    peers_close(&metrics->peers);
    socket_remove(&metrics->socket);
    free(metrics->devices);
    free(metrics);
}
