/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: the shares that are looked at. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "fuse/mountinfo.h"

struct share {
	char *source;
	char *mountpoint; /* NULL: it is not mounted */
	int fd;		  /* the source's directory; or -errno */
	bool over_source; /* the guard lies over the source */
	/* The mount that holds the source, and the source's path in its file system;
	 * NULL: not found. Borrowed from the mounts. */
	const struct mount_entry *on;
	char *inner;
	json_t *status; /* of the guard, if it has answered */
	char *fault;	/* else why not; NULL: it was not asked, or no memory */
};

struct shares {
	struct mounts mounts; /* of our namespace */
	int mounts_error;     /* 0 or -errno */
	struct share *items;
	size_t n_items;
};

struct doctor;

/* Finds the guards that are mounted, or the one that is mounted at `path` or guards it;
 * a path that no guard has is a source that is not mounted. NULL: all. 0 or -ENOMEM; with
 * -errno a path that cannot be looked at. */
int shares_find(const struct doctor *doctor, const char *path, struct shares *ret);
void shares_fini(struct shares *shares);
