/*
 * tap_host.h: what tap.c asks of the kernel about one descriptor of a tap. Not a door. Any thread.
 */
#ifndef TN_LINK_TAP_HOST_H
#define TN_LINK_TAP_HOST_H

#include <stdbool.h>
#include <stdint.h>

enum { TN_TAP_NAME_BYTES = 16, TN_TAP_HEADER_BYTES = 12 };

enum tn_tap_state {
    TN_TAP_UP,
    TN_TAP_DOWN,
    TN_TAP_AWAY /* the interface is gone: the descriptor is nobody's */
};

/*
 * A new descriptor of the interface, which is made if it is not there; `name` becomes its real one.
 * `multi`: there will be more. A negative errno, with its sentence.
 */
int tn_tap_open(char name[TN_TAP_NAME_BYTES], bool multi);
/* A copy of a descriptor that was given, if its flags fit. */
int tn_tap_dup(int fd, bool multi, char name[TN_TAP_NAME_BYTES]);
/* Connects a descriptor again to an interface that was away; 0 or a negative errno, no sentence. */
int tn_tap_attach(int fd, const char *name, bool multi);
/* Headers as tap.c reads and writes them, frames finished. 0 or a negative errno, no sentence. */
int tn_tap_set_up(int fd);

/* TENON_CAN_* that this kernel knows. Finished frames are what it leaves. */
unsigned tn_tap_can(int fd);
/* What may be received unfinished. */
int tn_tap_offload(int fd, unsigned can);
/* Whether a pair of many receives. */
int tn_tap_use(int fd, bool on);
enum tn_tap_state tn_tap_state(int fd);
/* 0: not known, which it is not of an interface in another network namespace. */
uint16_t tn_tap_mtu(int fd, const char *name);
/* A descriptor that is readable when some interface has changed; drained by reading. Or -errno. */
int tn_tap_news(void);

#endif
