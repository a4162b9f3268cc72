/*
 * fake_link_parts.h: between fake_link.c and fake_link_hand.c.
 */
#ifndef TENON_TEST_FAKE_LINK_PARTS_H
#define TENON_TEST_FAKE_LINK_PARTS_H

#include "fake_link.h"

/* An eventfd is readable from now on, or is not. */
void fake_link_set_fd(int fd, bool on);
/* The oldest frame that waits leaves the port; the caller frees it. Under the lock. */
struct fake_waiting *fake_link_take_waiting(struct fake_port *port);
/* Posts to a port's worker. */
void fake_link_tell_sent(struct tenon_post *post);
void fake_link_tell_changed(struct tenon_post *post);

#endif
