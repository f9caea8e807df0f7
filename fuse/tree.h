/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over a file or a directory of the source and all that is in it. */
#pragma once

#include <sys/stat.h>

/* What can be promoted at once: a walk keeps two descriptors a level, and is made while
 * the kernel holds the directories. */
#define TREE_ENTRIES_MAX 20000
#define TREE_DEPTH_MAX	 64

/* One thing of the tree; borrowed for the call. */
struct tree_entry {
	int fd;		  /* O_PATH */
	const char *path; /* from the root of the tree: "a/b"; "" is the root itself */
	unsigned
		depth; /* of the directory it lies in: 0 for the root and what is in it */
	struct stat st;
};

/* 0: go on; what else it returns ends the walk. */
typedef int tree_visitor(void *data, const struct tree_entry *entry);

/* Visits the root, an O_PATH descriptor, and everything in it, directories before what is
 * in them, in no particular order; no link is followed and no mount point entered. 0,
 * what the visitor returned, -E2BIG (more than TREE_ENTRIES_MAX), -ELOOP (deeper than
 * TREE_DEPTH_MAX), -ENAMETOOLONG, or another -errno. */
int tree_walk(int fd, tree_visitor *visit, void *data);
