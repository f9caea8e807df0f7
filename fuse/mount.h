/* SPDX-License-Identifier: Apache-2.0 */
/* The mount itself: mount(2) and umount2(2), and what is wrong with a mount point. */
#pragma once

#include <stdbool.h>

struct mount_request {
	const char *source;	/* as mount(8) will show it */
	const char *mountpoint; /* absolute */
	unsigned long
		flags; /* MS_* beside MS_NOSUID and MS_NODEV, which are always set */
};

/* Opens /dev/fuse and mounts it. Returns the device's descriptor, the caller's, or
 * -errno, already logged. The mount point is opened once, so that what was checked is
 * mounted over. */
int mount_guard(const struct mount_request *request);

/* Detaches the mount: open files in it end with the device's descriptor. */
void mount_detach(const char *mountpoint);

/* Whether something is a mount point of a guard. 1, 0, or -errno. */
int mount_is_guard(const char *mountpoint);
