/* SPDX-License-Identifier: Apache-2.0 */
/* How roles look to stat(1) and getfacl(1): mode bits and an ACL made from a zone's
 * grants. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "config/policy.h"

/* The mode to show for an inode whose source mode is given: type, suid, sgid and sticky
 * bits and a file's execute bits are the source's, everything else the zone's (NULL: no
 * access), or all the source's if the zone says so. The owner's and the group's bits are
 * the most that anyone has, as the mask of acl(5). */
mode_t view_mode(const struct policy *policy, const struct zone *zone, mode_t mode);

/* The same as the value of system.posix_acl_access (xattr(7), acl(5)): an entry for each
 * group and user that holds a role here. malloc'ed: the caller frees. 0 or -ENOMEM. */
int view_acl(const struct policy *policy, const struct zone *zone, const struct stat *st,
	     void **ret, size_t *ret_size);

/* Whether an ACL that somebody wants to set is one that view_acl() makes for an object of
 * this kind in some zone: then a tool only copies what it was shown (cp -p, mv across
 * zones), and means nothing by it. The owner's, the owning group's and a file's execute
 * bits are not compared: they follow the object. */
bool view_made_acl(const struct policy *policy, const struct stat *st, const void *acl,
		   size_t size);
