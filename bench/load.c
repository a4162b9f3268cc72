/*
 * load.c: a load generator for vhost-user block back-ends: one measurement, printed as JSON.
 *
 *   load --socket PATH --kind read --depth 32 --block 4096 --area 256M --run-ms 1000 --pid 1234
 *
 * scripts/bench runs it again and again, against one back-end after the other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "load.h"
#include "tenon_driver.h"

static const char *const kinds[] = {
    "read", "write", "seq-read", "seq-write", "write-flush", NULL
};

static int usage(const char *about)
{
    fprintf(stderr,
            "load: %s\nUsage: load --socket PATH [--kind read|write|seq-read|seq-write|"
            "write-flush] [--depth N] [--block BYTES] [--area SIZE]\n"
            "            [--queues N] [--ring ENTRIES] [--warm-ms N] [--run-ms N]\n"
            "            [--idle-ms N] [--pid N] [--cpu N] [--poll on]\n",
            about);
    return 2;
}

static int take_kind(const char *word, enum load_kind *to)
{
    for (int i = 0; kinds[i]; i++) {
        if (strcmp(word, kinds[i]) == 0) {
            *to = (enum load_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int take_option(struct load_options *options, const char *name, const char *value)
{
    uint64_t number = 0;

    if (strcmp(name, "--socket") == 0) {
        options->socket = value;
        return 0;
    }
    if (strcmp(name, "--kind") == 0) {
        return take_kind(value, &options->kind);
    }
    if (strcmp(name, "--poll") == 0) {
        return tenon_parse_bool(value, &options->poll);
    }
    if (tenon_parse_size(value, &number) != 0) {
        return -EINVAL;
    }
    if (strcmp(name, "--area") == 0) {
        options->area = number;
        return 0;
    }
    const struct {
        const char *name;
        void *to;
    } numbers[] = {
        { "--depth", &options->depth },     { "--block", &options->block },
        { "--queues", &options->queues },   { "--warm-ms", &options->warm_ms },
        { "--run-ms", &options->run_ms },   { "--pid", &options->pid },
        { "--idle-ms", &options->idle_ms }, { "--cpu", &options->cpu },
        { "--ring", &options->ring },
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0 && number <= INT32_MAX) {
            uint32_t narrow = (uint32_t)number;
            memcpy(numbers[i].to, &narrow, sizeof(narrow));
            return 0;
        }
    }
    return -EINVAL;
}

static void print(const struct load_result *result)
{
    double seconds = (double)result->ns / 1e9;
    double n = result->requests > 0 ? (double)result->requests : 1;
    printf("{");
    if (result->idle_cpu_percent >= 0) {
        printf("\"idle_cpu_percent\":%.3f,", result->idle_cpu_percent);
    }
    if (result->instructions > 0) {
        printf("\"instructions_per_request\":%.1f,", (double)result->instructions / n);
    }
    printf(
        "\"requests\":%llu,\"errors\":%llu,\"per_second\":%.1f,\"cpu_us_per_request\":%.4f,"
        "\"p50_us\":%.3f,\"p99_us\":%.3f,\"kicks_per_1000\":%.2f,\"interrupts_per_1000\":%.2f}\n",
        (unsigned long long)result->requests, (unsigned long long)result->errors,
        (double)result->requests / seconds, (double)result->cpu_ns / 1e3 / n,
        (double)result->p50_ns / 1e3, (double)result->p99_ns / 1e3, (double)result->kicks * 1e3 / n,
        (double)result->interrupts * 1e3 / n);
}

int main(int argc, char **argv)
{
    struct load_options options = { .depth = 32,
                                    .block = 4096,
                                    .area = 256 << 20,
                                    .warm_ms = 200,
                                    .run_ms = 1000,
                                    .queues = 1,
                                    .ring = 512,
                                    .cpu = -1 };
    struct load_result result;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (take_option(&options, argv[i], argv[i + 1]) != 0) {
            return usage(argv[i]);
        }
    }
    if (argc % 2 == 0 || !options.socket) {
        return usage(argc % 2 == 0 ? "an option without a value" : "no --socket");
    }
    if (options.depth == 0 || options.depth > options.ring / LOAD_SEGMENTS || options.queues == 0 ||
        options.queues > TND_MAX_QUEUES || options.block == 0 || options.block % 512 != 0 ||
        options.area < options.block) {
        return usage("these numbers do not fit each other");
    }
    if (load_run(&options, &result) < 0) {
        return 1;
    }
    print(&result);
    return 0;
}
