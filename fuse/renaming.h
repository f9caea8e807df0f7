/* SPDX-License-Identifier: Apache-2.0 */
/* A rename under way: what op-rename.c and op-promote.c share. */
#pragma once

#include "fuse/fs.h"

/* Both ends of a rename. */
struct renaming {
	struct use dir, new_dir;
	const char *name, *new_name;
	unsigned int flags;
	struct stat st, new_st;
	struct action action;
};

struct rename_facts rename_facts_of(const struct renaming *renaming);

/* The effect, and what the nodes are called after it. 0 or -errno. */
int rename_in_source(fuse_req_t req, const struct renaming *renaming);

/* Of a rename that guard_is_promotion(). 0 or -errno. */
int promote(fuse_req_t req, struct renaming *renaming);
