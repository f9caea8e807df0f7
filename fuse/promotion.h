/* SPDX-License-Identifier: Apache-2.0 */
/* What a promotion looks at: whether all of a tree may be moved to where nobody holds the
 * means to change it any more. */
#pragma once

#include <stdint.h>

#define PROMOTION_REASON_MAX 640

struct handle_table;

struct promotion {
	uint64_t size;			   /* bytes of all files */
	unsigned n_files;		   /* regular ones */
	int error;			   /* positive: why it is refused, with ... */
	char reason[PROMOTION_REASON_MAX]; /* ... a sentence without its full stop, ASCII
					    */
};

/* Looks at the tree below an O_PATH descriptor. Refused (EPERM, EBUSY, E2BIG in
 * ret->error): what is neither file, directory nor a symbolic link within the tree; a
 * file with further names, which would stay writable; a file that somebody holds open for
 * writing, also by a mapping alone. 0, or -errno if that could not be told. */
int promotion_look(struct handle_table *handles, int fd, struct promotion *ret);
