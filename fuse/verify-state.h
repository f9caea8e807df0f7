/* SPDX-License-Identifier: Apache-2.0 */
/* Which files an interrupted verification has found right already. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "fuse/digest.h"

struct verify_state;

/* Reads the file, if it is there, and goes on writing it. 0; -EPERM: it is not root's
 * alone; or another -errno. */
int verify_state_open(const char *path, struct verify_state **ret);

/* A file is the same if inode, size, mtime and ctime are. */
bool verify_state_has(const struct verify_state *state, const struct digest *digest,
		      const struct stat *st);
void verify_state_add(struct verify_state *state, const struct digest *digest,
		      const struct stat *st);

/* Removes the file if all is done. NULL is fine; returns NULL. */
struct verify_state *verify_state_close(struct verify_state *state, bool done);
