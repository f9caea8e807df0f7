/* SPDX-License-Identifier: Apache-2.0 */
/* What a promotion looks at: whether all of a tree may be moved to where nobody holds the
 * means to change it any more. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "fuse/manifest.h"

#define PROMOTION_REASON_MAX 640

#define PROMOTION_APPROVALS_MAX 640

struct handle_table;

struct promotion {
	uint64_t size;				 /* bytes of all files */
	unsigned n_files;			 /* regular ones */
	char approvals[PROMOTION_APPROVALS_MAX]; /* names of those that count */
	time_t deadline;			 /* CLOCK_MONOTONIC, s: of the gates */
	int error;			   /* positive: why it is refused, with ... */
	char reason[PROMOTION_REASON_MAX]; /* ... a sentence without its full stop, ASCII
					    */
};

/* Sets error and reason; returns 1. */
int promotion_refuse(struct promotion *promotion, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Looks at the tree below an O_PATH descriptor. Refused (EPERM, EBUSY, E2BIG in
 * ret->error): what is neither file, directory nor a symbolic link within the tree; a
 * file with further names, which would stay writable; a file that somebody holds open for
 * writing, also by a mapping alone; and what is not as the manifest has it, if it is not
 * NULL. 0, or -errno if that could not be told. */
int promotion_look(struct handle_table *handles, int fd, const struct manifest *manifest,
		   struct promotion *ret);
