/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a tree is what it was when it was promoted. */
#pragma once

#include "fuse/manifest.h"
#include "fuse/promoted.h"

enum difference {
	DIFFERENCE_CHANGED, /* other bytes, or another type */
	DIFFERENCE_MISSING,
	DIFFERENCE_EXTRA,
	DIFFERENCE_UNREADABLE, /* so it is not known: `error` says why */
	N_DIFFERENCES,
};

struct finding {
	enum difference difference;
	char *path; /* below the top; "" is the top itself */
	int error;  /* positive, of what could not be read */
};

/* Zeroed is empty. */
struct findings {
	struct finding *items;
	size_t n_items, room;
	size_t n[N_DIFFERENCES];
	/* The list of what it was is lost, or was forged: only whether all of it is the
	 * same could be told, and it is not. */
	bool unlisted;
	struct manifest
		now; /* with the digests that were found; wrong where unverified */
};

struct verify_plan {
	struct manifest_plan hashing;
	/* What was found to be right by an earlier run and is skipped; what is right is
	 * told. Either may be NULL. */
	bool (*is_known)(void *context, const struct manifest_entry *as_promoted,
			 const struct stat *now);
	void (*is_right)(void *context, const struct manifest_entry *as_promoted,
			 const struct stat *now);
	void *context;
};

/* Compares `name` in the directory `dir_fd` with what promoted_read() says of it. 0 with
 * what was found, or a negative error as of manifest_list(), promoted_manifest() or of
 * the plan's progress(). Unlike those it says of a FIFO, a socket, a device or a mount
 * that it is extra. findings_fini() in any case. */
int verify_tree(int dir_fd, const char *name, const struct promoted *promoted,
		const struct verify_plan *plan, struct findings *ret);

bool findings_any(const struct findings *findings);
void findings_fini(struct findings *findings);

/* "changed", "missing", "extra", "unreadable". */
const char *difference_name(enum difference difference);
