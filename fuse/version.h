/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept in the source with what was promoted and what is held: extended attributes
 * trusted.modelguard.*, which the mount shows and lets change to nobody. */
#pragma once

#include "fuse/fs.h"

/* The root of a tree, an O_PATH descriptor, is about to be promoted; or was not after
 * all. 0 or -errno. */
int version_begin(int fd);
void version_undo(int fd);

/* Finds out what a write-once zone asks of a name, whether it exists or not; in other
 * zones nothing. Without a name: of what would come into the directory. */
void version_look(struct filesystem *fs, const struct use *dir, const char *name,
		  struct target *target);

/* A hold on an object; reason NULL ends it. 0 or -errno (ENODATA: there is none). */
int version_hold(int fd, const char *reason);

/* Its reason: the length, or -errno (ENODATA: there is none). */
ssize_t version_held(int fd, char reason[static HOLD_REASON_MAX]);
