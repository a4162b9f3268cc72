/*
 * net_load.c: a load generator for network devices over vhost-user: one measurement, printed as
 * JSON.
 *
 *   net_load --socket A --socket B --kind one-way --bytes 1514 --pid 1234      back to back
 *   net_load --socket A --peer stream:/run/link --kind out --bytes 64          and its link
 *   net_load --bare stream --peer stream:/run/link --kind out --bytes 64       no device
 *
 * scripts/bench runs it again and again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <tenon/opts.h>

#include "net_load.h"

static const char *const kinds[] = { "one-way", "both-ways", "in", "out", "lone", NULL };

static int usage(const char *about)
{
    fprintf(
        stderr,
        "net_load: %s\n"
        "Usage: net_load --socket PATH [--socket PATH]... [--peer dgram:OURS:THEIRS|stream:PATH|"
        "tap:NAME]\n"
        "       [--bare on|memcpy] [--kind one-way|both-ways|in|out|lone] [--bytes N]\n"
        "       [--ring N] [--warm-ms N] [--run-ms N] [--tso on] [--poll on] [--pid N]\n"
        "       [--cpu N] [--bare-cpu N]\n",
        about);
    return 2;
}

static int take_kind(const char *word, enum net_kind *to)
{
    for (int i = 0; kinds[i]; i++) {
        if (strcmp(word, kinds[i]) == 0) {
            *to = (enum net_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int take_word(struct net_options *options, const char *name, const char *value)
{
    if (strcmp(name, "--socket") == 0) {
        if (options->socket_count == NET_ENDS) {
            return -EINVAL;
        }
        options->sockets[options->socket_count++] = value;
    } else if (strcmp(name, "--peer") == 0) {
        options->peer = value;
    } else if (strcmp(name, "--bare") == 0) {
        options->bare = value;
    } else if (strcmp(name, "--kind") == 0) {
        return take_kind(value, &options->kind);
    } else if (strcmp(name, "--tso") == 0) {
        return tenon_parse_bool(value, &options->tso);
    } else if (strcmp(name, "--poll") == 0) {
        return tenon_parse_bool(value, &options->poll);
    } else {
        return -ENOENT;
    }
    return 0;
}

static int take_option(struct net_options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        void *to;
    } numbers[] = {
        { "--bytes", &options->bytes },     { "--ring", &options->ring },
        { "--warm-ms", &options->warm_ms }, { "--run-ms", &options->run_ms },
        { "--pid", &options->pid },         { "--cpu", &options->cpu },
        { "--bare-cpu", &options->cpu_of },
    };
    uint64_t number = 0;
    int r = take_word(options, name, value);

    if (r != -ENOENT) {
        return r;
    }
    if (tenon_parse_size(value, &number) != 0 || number > INT32_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            uint32_t narrow = (uint32_t)number;
            memcpy(numbers[i].to, &narrow, sizeof(narrow));
            return 0;
        }
    }
    return -EINVAL;
}

static void print(const struct net_options *options, const struct net_result *result)
{
    double seconds = (double)result->ns / 1e9, n = result->frames > 0 ? (double)result->frames : 1;
    double rate = (double)result->frames / seconds;

    printf("{\"requests\":%llu,\"errors\":%llu,\"sent\":%llu,\"lost\":%llu,\"per_second\":%.1f,"
           "\"gbit\":%.3f,\"cpu_us_per_request\":%.4f,\"kicks_per_1000\":%.3f,"
           "\"interrupts_per_1000\":%.3f",
           (unsigned long long)result->frames, (unsigned long long)result->errors,
           (unsigned long long)result->sent, (unsigned long long)result->lost, rate,
           rate * options->bytes * 8 / 1e9, (double)result->cpu_ns / 1e3 / n,
           (double)result->kicks * 1e3 / n, (double)result->interrupts * 1e3 / n);
    if (options->kind == NET_LONE) {
        printf(",\"p50_us\":%.3f,\"p99_us\":%.3f", (double)result->p50_ns / 1e3,
               (double)result->p99_ns / 1e3);
    }
    printf("}\n");
}

static int run(struct net_options *options, struct net_result *result)
{
    pid_t bare = 0;
    int r;

    if (options->bare && strcmp(options->bare, "memcpy") == 0) {
        return net_bare_memcpy(options, result);
    }
    if (options->bare) {
        bare = net_bare_start(options);
        if (bare < 0) {
            return bare;
        }
        options->pid = bare;
    }
    r = net_run(options, result);
    if (bare > 0) {
        kill(bare, SIGKILL);
        waitpid(bare, NULL, 0);
    }
    return r;
}

int main(int argc, char **argv)
{
    struct net_options options = {
        .bytes = 1514, .ring = 256, .warm_ms = 200, .run_ms = 1000, .cpu = -1, .cpu_of = -1
    };
    struct net_result result = { 0 };
    int r;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (take_option(&options, argv[i], argv[i + 1]) != 0) {
            return usage(argv[i]);
        }
    }
    if (argc % 2 == 0 || (options.socket_count == 0 && !options.bare)) {
        return usage(argc % 2 == 0 ? "an option without a value" : "no --socket");
    }
    if (options.bytes < 60 || options.bytes > 65550 || options.ring < NET_BATCH ||
        options.ring > 32768 || (options.ring & (options.ring - 1)) != 0) {
        return usage("these numbers do not fit each other");
    }
    r = run(&options, &result);
    if (r < 0) {
        fprintf(stderr, "net_load: %s\n", strerror(-r));
        return 1;
    }
    print(&options, &result);
    return 0;
}
