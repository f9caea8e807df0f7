/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that lose their name while somebody has them open, or works in them. */
#pragma once

#include "fuse/fs.h"

/* One that is about to, if the kernel knows it: an inode without a name is not found by
 * its handle. Zeroed with an fd of -1 it is none. */
struct leaving {
	struct node *node; /* a reference; NULL: none */
	int fd;		   /* lent by node_fd_get() */
};

/* Before the name goes. A target that is no directory is none. */
void leaving_init(struct filesystem *fs, const struct use *dir,
		  const struct target *target, struct leaving *ret);

/* Afterwards: what is gone is kept for those who have it (node_fd_keep_removed()). */
void leaving_fini(struct filesystem *fs, struct leaving *leaving, bool is_gone);
