/* SPDX-License-Identifier: Apache-2.0 */
/* The gates of a promotion: what a zone asks beside the verb. */
#pragma once

#include "config/policy.h"

#include "fuse/manifest.h"
#include "fuse/promotion.h"

/* A file may take the checkers a second; what a rename may take in all, while the kernel
 * holds both directories: */
#define GATES_SECONDS 10

struct gate_question {
	const struct gates *gates;
	int dir_fd;	  /* the directory of the tree, and ... */
	const char *name; /* ... its name there */
	int fd;		  /* itself, O_PATH */
	const char *zone; /* that it would go into */
	uid_t promoter;
	const struct manifest *manifest; /* of the tree */
	const char *digest; /* hex; NULL: it takes too long, nor are those of the files
			       known */
};

/* Asks one gate after the other: the first that refuses sets ret->error and ret->reason,
 * which begins with its name. 0, or -errno if it could not be told. */
int gates_check(const struct gate_question *question, struct promotion *ret);
