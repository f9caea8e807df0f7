/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: root asks, and is answered by threads that serve no request. */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "fuse/control-request.h"

#define CONTROL_TICK_S 5

struct control;

struct control_actions {
	/* What is answered: a new object as control-protocol.h has it; NULL: no memory.
	 * *ret_fd, -1 before, may be set to a descriptor that goes with it; it stays the
	 * guard's. Several threads at a time. */
	json_t *(*answer)(void *data, enum control_verb verb, int *ret_fd);
	/* Every CONTROL_TICK_S seconds, in one thread. */
	void (*tick)(void *data);
	void *data;
};

/* Listens for the mount with this device number. 0; or -errno, logged as a warning: a
 * guard can be served without. */
int control_start(dev_t device, const struct control_actions *actions,
		  struct control **ret);

/* Ends its threads and removes the socket. A request that is being answered is waited
 * for. NULL is fine; returns NULL. */
struct control *control_stop(struct control *control);
