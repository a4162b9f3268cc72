/*
 * stat_client.h: the other end of a control socket: asks, and waits for the answer.
 */
#ifndef TENON_STAT_CLIENT_H
#define TENON_STAT_CLIENT_H

#include <json-c/json.h>

/* A connection to the control socket at `path`; -1: reported. */
int stat_connect(const char *path);

/* What stands under "ok" in the answer to a command; the caller puts it. NULL: reported. */
struct json_object *stat_ask(int fd, const char *command);

/* A member of an object; NULL: it has none of this name, or is none. It stays the object's. */
struct json_object *stat_member(struct json_object *object, const char *key);

#endif
