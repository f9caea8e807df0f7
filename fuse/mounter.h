/* SPDX-License-Identifier: Apache-2.0 */
/* A process that mounts where the users are, while the daemon lives in a mount namespace
 * of its own: see systemd.exec(5), "MountFlags=". It does nothing but that, so the daemon
 * itself needs no right to enter other namespaces. */
#pragma once

#include <stdbool.h>

#include "fuse/mount.h"
#include "fuse/source.h"

struct mounter;

struct mounter_request {
	struct mount_request mount;
	const char *mount_namespace; /* a file like /proc/1/ns/mnt */
	const struct source *source; /* already open */
	bool is_sealed;		     /* here; else it is not asked again */
	bool unsealed;		     /* it may be reached around the guard there */
	bool foreground;	     /* messages to stderr */
};

/* Starts the process, with what it needs and nothing more; before any thread is started.
 * It looks, in that namespace, whether both paths are the same directories as here,
 * nothing is guarded there, and the source is sealed: where the users are, it may not be.
 * 0: it is. 1: it is not, but may be so. -errno, logged. What is pointed to is not used
 * later. */
int mounter_start(const struct mounter_request *request, struct mounter **ret);

/* As mount_guard(). */
int mounter_mount(struct mounter *mounter);

/* Detaches the mount if it is still a guard's. */
void mounter_unmount(struct mounter *mounter);

/* Ends the process; the mount stays. It ends as well when the daemon dies. Returns NULL.
 */
struct mounter *mounter_free(struct mounter *mounter);
