/*
 * link.h: the door of link/: the library's view of a link.
 *
 *   tap.c dgram.c stream.c back_to_back.c custom_link.c    what a link is
 *   pair_send.c pair_wires.c frame_ring.c                  the parts of back_to_back.c
 *   port.c unix_socket.c flat.h                            what those over descriptors share
 *   framing.c                                              frames in a stream of bytes
 *   *_open.c *_peer.c *_port.c tap_host.c                  how they are opened, and kept
 *   capture.c pcapng.c                                     one in front of another, and its file
 *   link_grammar.c                                         from the words of --link
 *
 * Knows no virtio. A device calls the functions below; each is a thin step to the link's ops.
 */
#ifndef TN_LINK_LINK_H
#define TN_LINK_LINK_H

#include "tenon/link.h"

/* Frames that are cut into others: longer ones than any MTU. */
enum { TN_CAN_SEGMENTS = TENON_CAN_TSO4 | TENON_CAN_TSO6 | TENON_CAN_USO4 | TENON_CAN_USO6 };

/* The ops of a link, for whoever calls them on every turn; as long as it lives. */
const struct tenon_link_ops *tn_link_ops(const struct tenon_link *link);

/* On the worker. 0 or a negative errno, with its sentence. */
int tn_port_open(struct tenon_link *link, unsigned pair, struct tenon_worker *worker,
                 const struct tenon_port_events *events, void *opaque, struct tenon_port **out);

/*
 * Makes a handle: for the files of this room. `name` is copied. Reads its info once and refuses
 * what makes no sense. On failure nothing was taken over: ops->free is not called.
 */
int tn_link_make(const struct tenon_link_ops *ops, void *opaque, const char *name,
                 struct tenon_link **out);

/* See tenon_link_ops.use_pairs. */
int tn_link_use_pairs(struct tenon_link *link, unsigned count);

#endif
