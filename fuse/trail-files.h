/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a trail: which, in what order, and what has become of them since. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct trail_file {
	int fd;
	dev_t dev;
	ino_t ino;
	off_t size; /* when it was opened */
};

struct trail_files {
	char *directory; /* where it is waited for changes; NULL: stdin */
	char *name;	 /* the newest file, in it */
	bool rotated;	 /* name.1, name.2 ... are older ones of the same trail */
	struct trail_file *items; /* oldest first */
	size_t n_items;
};

/* Opens what `input` names; see trail_open(). stdin is copied to a file without a name,
 * so that it can be read twice, unless `follow`. */
int trail_files_open(const char *input, bool follow, struct trail_files *ret,
		     char **ret_why);
void trail_files_fini(struct trail_files *files);

/* After a rotation: adds the files that are newer than the last one. Returns how many,
 * or -errno. */
int trail_files_refresh(struct trail_files *files);
