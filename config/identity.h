/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups from NSS. The only file that asks it; a call may block. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "config/policy-load.h"

/* group and user names, or decimal ids, through getgrnam_r(3) and getpwnam_r(3). */
extern const struct name_lookup identity_names;

/* The user's name for a uid, or its decimal form if NSS has none. Always NUL-terminated
 * in buffer. Returns 0, or -ENOENT if the number was used. */
int identity_user_name(uid_t uid, char *buffer, size_t size);
int identity_group_name(gid_t gid, char *buffer, size_t size);

/* Everything NSS knows of one user, by name or decimal uid: uid, primary group and all
 * groups (getgrouplist(3)). *ret_groups is the caller's to free(). Returns 0, -ENOENT,
 * -EIO (NSS could not tell) or -ENOMEM. */
int identity_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, gid_t **ret_groups,
		  size_t *ret_n_groups);
int identity_groups(uid_t uid, gid_t *ret_gid, gid_t **ret_groups, size_t *ret_n_groups);

/* The members that a group lists; those who have it as their primary group need not be
 * among them. The names are the caller's, with identity_names_free(). Returns 0, -ENOENT,
 * -EIO (NSS could not tell, or the group is larger than 16 MiB) or -ENOMEM. */
int identity_group_members(gid_t gid, char ***ret_names, size_t *ret_n);
void identity_names_free(char **names, size_t n);

/* Calls for each user that getpwent(3) lists, until it returns a negative number. A
 * directory need not list its users. Not for threads. Returns 0, -EIO, or that number. */
int identity_each_user(int (*each)(void *data, const char *name, gid_t gid), void *data);
