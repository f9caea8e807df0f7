/* SPDX-License-Identifier: Apache-2.0 */
/* The name of the control socket: made, found stale, removed. */
#pragma once

#include <sys/types.h>

#include "fuse/control-protocol.h"

struct control_socket {
	int fd;	       /* listens; does not block */
	int directory; /* that it lies in */
	ino_t ino;     /* of the name */
	char name[CONTROL_NAME_MAX];
};

/* Makes the directory and, in it, the socket of a mount; sockets that nobody serves any
 * more are removed. 0; or -errno, and what is wrong has been logged as a warning. */
int control_socket_open(dev_t device, struct control_socket *ret);

/* Removes it; not the socket of another guard whose mount got the device number when ours
 * was unmounted. */
void control_socket_close(struct control_socket *made);
