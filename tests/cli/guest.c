/*
 * guest.c: a guest that does what it is told, for cases of test_cli.py that need requests on the
 * disk of a daemon.
 *
 *   guest SOCKET     connects, and then for each line on standard input one line on standard output
 *
 *   write SECTOR | read SECTOR | flush      submits; "submitted"
 *   wait MS      the status of the last one ("0", "1"); "pending" when it has none by then
 *   capacity     in sectors, when the device said that it changed (or at once, for the first)
 *   stop         stops the queue; then `wait 0` tells how the last one ended
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "spec/virtio_blk.h"
#include "tenon_driver.h"

enum { SECTOR = 512, CHANGE_MS = 20000 };

static int dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

static void submit(struct tenon_driver *driver, struct tnd_blk_request *request, uint32_t type,
                   uint64_t sector)
{
    static uint8_t data[SECTOR];

    *request = (struct tnd_blk_request){ .type = type, .sector = sector };
    if (type == TN_BLK_T_OUT) {
        memset(data, 'w', sizeof(data));
        request->out = data;
        request->out_bytes = sizeof(data);
    } else if (type == TN_BLK_T_IN) {
        request->in = data;
        request->in_bytes = sizeof(data);
    }
    puts(tnd_blk_submit(driver, 0, request) == 0 ? "submitted" : "refused");
}

static void wait_done(struct tenon_driver *driver, struct tnd_blk_request *request, uint64_t ms)
{
    uint64_t end = tnd_now_ms() + ms;

    do {
        tnd_blk_reap(driver, 0);
    } while (!request->done && tnd_now_ms() < end && usleep(1000) == 0);
    if (request->done) {
        printf("%u\n", request->status);
    } else {
        puts("pending");
    }
}

static void tell_capacity(struct tenon_driver *driver)
{
    static uint64_t told;
    uint64_t end = tnd_now_ms() + CHANGE_MS;

    while (told != 0 && tnd_config_irqs(driver) < told && tnd_now_ms() < end) {
        usleep(1000);
    }
    told = tnd_config_irqs(driver) + 1;
    printf("%" PRIu64 "\n", tnd_blk_capacity(driver));
}

static void obey(struct tenon_driver *driver, const char *line)
{
    static struct tnd_blk_request request;
    uint64_t number = strchr(line, ' ') ? strtoull(strchr(line, ' '), NULL, 10) : 0;
    uint16_t base;

    if (strncmp(line, "write ", 6) == 0) {
        submit(driver, &request, TN_BLK_T_OUT, number);
    } else if (strncmp(line, "read ", 5) == 0) {
        submit(driver, &request, TN_BLK_T_IN, number);
    } else if (strncmp(line, "flush", 5) == 0) {
        submit(driver, &request, TN_BLK_T_FLUSH, 0);
    } else if (strncmp(line, "wait ", 5) == 0) {
        wait_done(driver, &request, number);
    } else if (strncmp(line, "capacity", 8) == 0) {
        tell_capacity(driver);
    } else if (strncmp(line, "stop", 4) == 0) {
        puts(driver->ops->queue_stop(driver, 0, &base) == 0 ? "stopped" : "still runs");
    } else {
        puts("what?");
    }
}

int main(int argc, char **argv)
{
    static const struct tnd_place place = { 0x100000, 16 << 20 };
    struct tenon_driver *driver = NULL;
    struct tnd_ram *ram = NULL;
    char line[128];

    if (argc != 2 || tnd_ram_new(&place, 1, &ram) != 0 ||
        tnd_vhost_new(ram, dial(argv[1]), &driver) != 0 || tnd_start(driver, NULL) != 0) {
        fprintf(stderr, "guest: the device does not start\n");
        return 1;
    }
    setlinebuf(stdout);
    puts("runs");
    while (fgets(line, sizeof(line), stdin)) {
        obey(driver, line);
    }
    tnd_free(driver);
    tnd_ram_free(ram);
    return 0;
}
