/*
 * test_capture.c: a link with a capture in front of it: what passes is in the file, in order and
 * whole, and what did not pass is not; what the link does is seen through it. The file is read by a
 * parser of this test's own, and by tcpdump where there is one.
 */
#include "capture_reader.h"

#include "link_ends.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "link/pcapng.h"

enum { IN = 1, OUT = 2 };

static char path[64];
static struct tenon_worker *worker;
static struct tenon_link *links[2];
static struct end a, b;
static unsigned log_lines;

static void on_log(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    log_lines += level == TENON_LOG_ERROR && strstr(line, path);
}

static void begin(void)
{
    struct tenon_link *pair[2];
    int fd;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    strcpy(path, "/tmp/tenon-capture-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "what was there before", 21), 21);
    close(fd);
    assert_int_equal(tenon_worker_new(NULL, &worker), 0);
    assert_int_equal(tenon_link_open_pair(2, pair), 0);
    assert_int_equal(tenon_link_open_capture(pair[0], path, &links[0]), 0);
    links[1] = pair[1];
    a.link = links[0];
    b.link = links[1];
}

static void run(void)
{
    while (tenon_worker_run(worker, 0) > 0) {
    }
}

static void finish(void)
{
    end_drop(&a);
    end_drop(&b);
    tenon_link_close(links[0]);
    tenon_link_close(links[1]);
    tenon_worker_free(worker);
    unlink(path);
}

static uint64_t real_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void test_what_passes_is_in_the_file(void **state)
{
    struct packet packets[300];
    uint64_t before = real_time();

    (void)state;
    begin();
    assert_int_equal(read_capture(path, tenon_link_name(links[0]), packets, 0), 0);
    end_open(&a, 0, worker);
    end_send(&a, 5); /* dropped: nobody is there, so they do not pass */
    end_open(&b, 0, worker);
    run();
    end_send(&a, 3);
    assert_int_equal(read_capture(path, tenon_link_name(links[0]), packets, 300),
                     3); /* it can be read while it is written */
    end_send(&b, 200);
    assert_int_equal(read_capture(path, tenon_link_name(links[0]), packets, 300),
                     3); /* they have not come yet */
    assert_int_equal(end_read(&a, 150), 150);
    assert_int_equal(end_read(&b, 3), 3);
    run();
    assert_int_equal(read_capture(path, tenon_link_name(links[0]), packets, 300), 153);
    for (unsigned i = 0; i < 153; i++) {
        assert_int_equal(packets[i].direction, i < 3 ? OUT : IN);
        assert_int_equal(packets[i].number, i < 3 ? 6 + i : 1 + i - 3);
        assert_int_equal(packets[i].bytes, END_BYTES);
        assert_int_equal(packets[i].original, END_BYTES);
        assert_true(packets[i].time >= before && packets[i].time <= real_time());
    }
    assert_int_equal(end_read(&a, 100), 50);
    run();
    finish();
}

/* What is not shown is not seen: the capture's end is not given frames without asking. */
static void test_nothing_goes_past_it(void **state)
{
    struct packet packets[300];

    (void)state;
    begin();
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    a.at_once = b.at_once = 64;
    end_send(&a, 3);
    assert_int_equal(a.given, 3);
    end_send(&b, 4);
    assert_int_equal(b.given, 0);
    assert_int_equal(end_read(&a, 4), 4);
    assert_int_equal(read_capture(path, tenon_link_name(links[0]), packets, 300), 7);
    run();
    finish();
}

static void test_only_what_was_taken(void **state)
{
    static struct packet packets[2000];

    (void)state;
    begin();
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    assert_int_equal(end_send(&a, END_FRAMES), 1024);
    assert_int_equal(read_capture(path, tenon_link_name(links[0]), packets, 2000), 1024);
    assert_int_equal(end_read(&b, 2000), 1024);
    run();
    finish();
}

static void test_the_link_is_seen_through_it(void **state)
{
    struct tenon_link_info info = { .size = sizeof(info) };

    (void)state;
    begin();
    assert_string_equal(tenon_link_name(links[0]), "pair, one end");
    assert_int_equal(tenon_link_info(links[0], &info), 0);
    assert_int_equal(info.pairs, 2);
    assert_int_equal(info.send_can, TENON_CAN_ALL);
    assert_false(tenon_link_up(links[0]));
    end_open(&a, 1, worker);
    end_open(&b, 0, worker);
    assert_true(tenon_link_up(links[0]));
    run();
    assert_int_equal(a.changes, 1);
    b.ops->recv_set(b.port, TENON_CAN_CSUM);
    assert_int_equal(a.ops->send_can(a.port), TENON_CAN_CSUM);
    a.ops->recv_set(a.port, TENON_CAN_CSUM | TENON_CAN_USO4);
    assert_int_equal(b.ops->send_can(b.port), TENON_CAN_CSUM | TENON_CAN_USO4);
    assert_int_equal(tn_link_use_pairs(links[0], 1), 0);
    assert_false(tenon_link_up(links[1]));
    assert_int_equal(tn_link_use_pairs(links[0], 2), 0);
    end_send(&a, 4);
    assert_int_equal(end_cancel(&a, 9), 4);
    end_watch(&a, TENON_READABLE);
    a.reads = true;
    end_send(&b, 1);
    run();
    assert_int_equal(a.received, 1);
    finish();
}

static void test_a_full_disk_ends_the_capture_only(void **state)
{
    struct rlimit before, small;
    struct packet packets[100];
    unsigned count;

    (void)state;
    begin();
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    log_lines = 0;
    tenon_set_log(on_log, NULL);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 2000; /* within a block */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(end_send(&a, 50), 50);
    assert_int_equal(end_send(&a, 50), 50);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    tenon_set_log(NULL, NULL);
    assert_int_equal(end_read(&b, 200), 100);
    run();
    assert_int_equal(log_lines, 1);
    count = read_capture(path, tenon_link_name(links[0]), packets, 100); /* whole blocks */
    assert_true(count > 5 && count < 20);
    finish();
}

/* ---- several threads ---- */

enum { WRITERS = 3, WRITES = 400 };

struct writer {
    pthread_t thread;
    struct tn_pcapng *to;
    uint32_t number;
};

static void *write_many(void *opaque)
{
    struct writer *writer = opaque;

    for (uint32_t i = 0; i < WRITES; i++) {
        struct end_frame frame;
        struct tenon_frame *one = &frame.frame;
        end_fill(&frame, writer->number + i);
        tn_pcapng_write(writer->to, &one, 1, 0, TN_PCAPNG_OUT, 1);
    }
    return NULL;
}

static void test_several_ports_write(void **state)
{
    static struct packet packets[WRITERS * WRITES];
    struct writer writers[WRITERS];
    uint32_t next[WRITERS] = { 0 };
    struct tn_pcapng *to;

    (void)state;
    begin();
    assert_int_equal(tn_pcapng_open(path, "pair, one end", &to), 0);
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i].to = to;
        writers[i].number = i * WRITES;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
    }
    assert_int_equal(tn_pcapng_frames(to), WRITERS * WRITES);
    tn_pcapng_close(to);
    assert_int_equal(read_capture(path, tenon_link_name(links[0]), packets, WRITERS * WRITES),
                     WRITERS * WRITES);
    for (uint32_t i = 0; i < WRITERS * WRITES; i++) {
        uint32_t who = packets[i].number / WRITES;
        assert_true(who < WRITERS && packets[i].number % WRITES == next[who]++);
    }
    finish();
}

static void test_tcpdump_reads_it(void **state)
{
    char command[200], line[400];
    unsigned lines = 0;
    FILE *out;

    (void)state;
    if (system("command -v tcpdump >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no tcpdump\n");
        skip();
    }
    begin();
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    end_send(&a, 7);
    assert_int_equal(end_read(&b, 200), 7);
    run();
    snprintf(command, sizeof(command), "tcpdump -e -n -tt -r %s 2>/dev/null", path);
    out = popen(command, "r");
    assert_non_null(out);
    while (fgets(line, sizeof(line), out)) {
        lines += line[0] >= '0' && line[0] <= '9'; /* the others are hex dumps */
    }
    assert_int_equal(pclose(out), 0);
    assert_int_equal(lines, 7);
    finish();
}

static void test_files_that_cannot_be(void **state)
{
    struct tenon_link *link = NULL;
    char fifo[80];

    (void)state;
    begin();
    assert_int_equal(tenon_link_open_capture(links[1], "/nowhere/capture", &link), -ENOENT);
    assert_non_null(strstr(tenon_error(), "/nowhere/capture"));
    assert_int_equal(tenon_link_open_capture(links[1], "/dev/null", &link), -EINVAL);
    assert_non_null(strstr(tenon_error(), "plain file"));
    snprintf(fifo, sizeof(fifo), "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_true(tenon_link_open_capture(links[1], fifo, &link) < 0); /* and does not wait */
    unlink(fifo);
    finish(); /* the link is still ours */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_passes_is_in_the_file),
        cmocka_unit_test(test_nothing_goes_past_it),
        cmocka_unit_test(test_only_what_was_taken),
        cmocka_unit_test(test_the_link_is_seen_through_it),
        cmocka_unit_test(test_a_full_disk_ends_the_capture_only),
        cmocka_unit_test(test_several_ports_write),
        cmocka_unit_test(test_tcpdump_reads_it),
        cmocka_unit_test(test_files_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
