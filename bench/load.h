/*
 * load.h: what the parts of the load generator share.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOAD_SEGMENTS = 3 };

/* How requests follow each other. */
enum load_kind { LOAD_READ, LOAD_WRITE, LOAD_SEQ_READ, LOAD_SEQ_WRITE, LOAD_WRITE_FLUSH };

struct load_options {
    const char *socket;
    enum load_kind kind;
    unsigned depth;   /* requests in flight in each queue */
    uint32_t block;   /* bytes of one */
    uint64_t area;    /* bytes of the disk that are used */
    unsigned warm_ms; /* not measured */
    unsigned run_ms;
    unsigned idle_ms; /* after that: connected, and nothing is asked for */
    unsigned queues;
    unsigned ring; /* entries of each queue */
    bool poll;     /* look at the ring instead of sleeping for interrupts */
    pid_t pid;     /* whose processor time is counted; 0: nobody's */
    int cpu;       /* that this program is bound to; -1: none */
};

struct load_result {
    uint64_t requests, ns;      /* of the measured time */
    uint64_t cpu_ns;            /* of the back-end in that time */
    uint64_t instructions;      /* the same; 0: not known */
    double idle_cpu_percent;    /* of a processor, for the back-end, in the idle time */
    uint64_t kicks, interrupts; /* of the driver, in that time */
    uint64_t p50_ns, p99_ns;    /* from adding a request to taking its answer */
    uint64_t errors;
};

/* latency.c: a histogram in steps of 1/16 of a power of two. */
enum { LATENCY_STEPS = 16, LATENCY_BUCKETS = 48 * LATENCY_STEPS };

struct latencies {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total;
};

void latency_add(struct latencies *latencies, uint64_t ns);
/* The value that `percent` of 100 are not above. */
uint64_t latency_at(const struct latencies *latencies, unsigned percent);

/* instructions.c: of another process; counts nothing where that cannot be had. */
enum { INSTRUCTIONS_THREADS = 256 };

struct instructions {
    int fds[INSTRUCTIONS_THREADS];
    unsigned count;
};

void instructions_open(struct instructions *counters, pid_t pid);
uint64_t instructions_read(const struct instructions *counters);
void instructions_close(struct instructions *counters);

/* run.c: one measurement. 0, or a negative errno and a line on stderr. */
int load_run(const struct load_options *options, struct load_result *result);

#endif
