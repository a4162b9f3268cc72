/*
 * stat_client.c: asking a serving process over its control socket. A process that is there answers
 * at once, so nobody waits longer than some seconds.
 */
#include "stat_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "report.h"
#include "sockets.h"

enum { WAIT_SECONDS = 10, ANSWER_MAX = 16 * 1024 * 1024, PIECE = 64 * 1024 };

int stat_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct timeval patience = { .tv_sec = WAIT_SECONDS };
    size_t bytes = strlen(path);
    if (bytes == 0 || bytes > SOCKET_PATH_MAX) {
        report_error("the socket path '%s' has %zu bytes; a UNIX socket takes 1 to %d", path, bytes,
                     SOCKET_PATH_MAX);
        return -1;
    }
    memcpy(address.sun_path, path, bytes);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    }
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        report_error("cannot connect to '%s': %s; give the path of --control of a running tenon",
                     path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static bool send_line(int fd, const char *command)
{
    struct json_object *question = json_object_new_object();
    json_object_object_add(question, "command", json_object_new_string(command));
    const char *text = json_object_to_json_string_ext(question, JSON_C_TO_STRING_PLAIN);
    bool sent = send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) &&
                send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
    json_object_put(question);
    return sent;
}

/* One line, without its end; freed by the caller. NULL: none came. */
static char *receive_line(int fd)
{
    char *line = NULL;
    size_t bytes = 0;
    while (bytes < ANSWER_MAX) {
        char *grown = realloc(line, bytes + PIECE + 1);
        ssize_t n = grown ? recv(fd, grown + bytes, PIECE, 0) : -1;
        line = grown ? grown : line;
        if (n < 0 && grown && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        bytes += (size_t)n;
        line[bytes] = 0;
        if (line[bytes - 1] == '\n') {
            line[bytes - 1] = 0;
            return line;
        }
    }
    free(line);
    return NULL;
}

struct json_object *stat_ask(int fd, const char *command)
{
    struct json_object *found = NULL, *trouble;
    char *line = send_line(fd, command) ? receive_line(fd) : NULL;
    struct json_object *answer = line ? json_tokener_parse(line) : NULL;
    free(line);
    if (json_object_object_get_ex(answer, "ok", &found)) {
        json_object_get(found);
    } else if (json_object_object_get_ex(answer, "error", &trouble)) {
        report_error("it answers: %s", json_object_get_string(trouble));
    } else {
        report_error("no answer to '%s' came; the process has ended, or this is no control socket",
                     command);
    }
    json_object_put(answer);
    return found;
}

struct json_object *stat_member(struct json_object *object, const char *key)
{
    struct json_object *found = NULL;
    json_object_object_get_ex(object, key, &found);
    return found;
}
