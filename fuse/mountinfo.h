/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of a mount namespace: /proc/PID/mountinfo (proc(5)). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct mount_entry {
	unsigned major, minor;
	const char *root;  /* what of the file system is mounted */
	const char *point; /* where */
	const char *type, *source;
	const char *options; /* of the file system */
};

struct mounts {
	char *text;		   /* the entries point into it */
	struct mount_entry *items; /* a later one lies over an earlier one */
	size_t n_items;
};

/* Takes the text over. 0 or -ENOMEM; what is no line of mountinfo is left out. */
int mounts_parse(char *text, struct mounts *ret);
void mounts_fini(struct mounts *mounts);

/* The mount on which a path lies, as it is seen now; NULL: none. */
const struct mount_entry *mounts_find(const struct mounts *mounts, const char *path);
