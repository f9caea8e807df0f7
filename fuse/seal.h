/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the source can be reached around the guard (DESIGN, I5). */
#pragma once

#include <stdbool.h>

/* 0: sealed; the source is the mount point itself, or no user but root can search it, by
 * the modes and ACLs (acl(5), read with libacl) of it and of each directory above it.
 * -EPERM: it can be reached; who can, and how to close it, is logged as an error, or with
 * `allowed` as a warning. -EINVAL: source and mount point contain each other. Other
 * -errno: it could not be told, and that is logged; treat it as not sealed. Both paths
 * are absolute and resolved. */
int seal_check(const char *source, const char *mountpoint, bool allowed);

/* Whether a file of the guard's own lies outside of what it guards: inside, the roles
 * that may change the share could change it. `what` names it in the message. 0; -EPERM,
 * logged; or another -errno of realpath(3) of its directory, logged. */
int seal_check_outside(const char *what, const char *path, const char *source,
		       const char *mountpoint);
