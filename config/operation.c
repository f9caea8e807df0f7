/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations: what each takes, and how its denial looks. */
#include <errno.h>
#include <string.h>

#include "config/operation.h"

#define LIST	   VERB_SET(VERB_LIST)
#define READ	   VERB_SET(VERB_READ)
#define CREATE	   VERB_SET(VERB_CREATE)
#define WRITE	   VERB_SET(VERB_WRITE)
#define DELETE	   VERB_SET(VERB_DELETE)
#define DELETE_OWN VERB_SET(VERB_DELETE_OWN)
#define PROMOTE	   VERB_SET(VERB_PROMOTE)
#define APPROVE	   VERB_SET(VERB_APPROVE)
#define ADMIN	   VERB_SET(VERB_ADMIN)

/* The values of AUDIT_PERM_* in linux/audit.h. */
#define X 1
#define W 2
#define R 4
#define A 8

/* Where POSIX gives the owner a right that nobody else has, the denial is EPERM. */
#define ROW(name, verbs, perm, meaning)                      \
	{                                                    \
		name, verbs, 0, false, EACCES, perm, meaning \
	}
#define ROW_EPERM(name, verbs, perm, meaning)               \
	{                                                   \
		name, verbs, 0, false, EPERM, perm, meaning \
	}
#define ROW_OWNER(name, verbs, owner, perm, meaning)            \
	{                                                       \
		name, verbs, owner, false, EPERM, perm, meaning \
	}

/* clang-format off */
static const struct operation_rule rules[N_OPERATIONS] = {
	[OPERATION_NONE] = ROW("none", 0, 0, "no operation"),
	[OPERATION_LOOKUP] = ROW("lookup", LIST, X, "find a name and see its attributes"),
	[OPERATION_READDIR] = ROW("readdir", LIST, R, "list a directory"),
	[OPERATION_READLINK] = ROW("readlink", LIST, R, "read where a symbolic link points"),
	[OPERATION_GETXATTR] = ROW("getxattr", LIST, R, "read or list extended attributes"),
	[OPERATION_CHDIR] = ROW("chdir", LIST, X, "enter a directory"),
	[OPERATION_ACCESS_READ] = ROW("access-read", READ, R, "ask whether a file may be read"),
	[OPERATION_ACCESS_WRITE] = ROW("access-write", WRITE, W,
				       "ask whether a file may be changed"),
	[OPERATION_ACCESS_CHANGE_DIR] = { "access-change-dir", CREATE | DELETE | DELETE_OWN, 0,
					  true, EACCES, W,
					  "ask whether names in a directory may be changed" },
	[OPERATION_OPEN_READ] = ROW("open-read", READ, R, "open a file for reading"),
	[OPERATION_OPEN_WRITE] = ROW("open-write", WRITE, W, "open a file for writing"),
	[OPERATION_OPEN_READ_WRITE] = ROW("open-read-write", READ | WRITE, R | W,
					  "open a file for reading and writing"),
	[OPERATION_WRITE] = ROW("write", WRITE, W, "write to an open file"),
	[OPERATION_READ] = ROW("read", READ, R, "read from an open file"),
	[OPERATION_TRUNCATE] = ROW("truncate", WRITE, W, "change the size of a file"),
	[OPERATION_FALLOCATE] = ROW("fallocate", WRITE, W,
				    "reserve, punch or shift the space of a file"),
	[OPERATION_CREATE] = ROW("create", CREATE, W, "create a file"),
	[OPERATION_MKDIR] = ROW("mkdir", CREATE, W, "create a directory"),
	[OPERATION_MKNOD] = ROW("mknod", CREATE, W, "create a FIFO or a socket"),
	[OPERATION_SYMLINK] = ROW("symlink", CREATE, W, "create a symbolic link"),
	[OPERATION_LINK] = ROW("link", CREATE, W, "give a file a second name in its zone"),
	[OPERATION_UNLINK] = ROW("unlink", DELETE, W, "remove a name of a file"),
	[OPERATION_RMDIR] = ROW("rmdir", DELETE, W, "remove an empty directory"),
	[OPERATION_RENAME_FROM] = ROW("rename-from", DELETE, W,
				      "rename: give up the old name"),
	[OPERATION_RENAME_TO] = ROW("rename-to", CREATE, W, "rename: take a new name"),
	[OPERATION_RENAME_OVER] = ROW("rename-over", WRITE, W, "rename: replace a file"),
	[OPERATION_RENAME_OVER_DIR] = ROW("rename-over-dir", DELETE | CREATE, W,
					  "rename: replace an empty directory"),
	[OPERATION_RENAME_EXCHANGE] = ROW("rename-exchange", WRITE | DELETE, W,
					  "exchange two names"),
	[OPERATION_MOVE_OUT] = ROW("move-out", READ | DELETE, R | W,
				   "move a file to another zone: give it up here"),
	[OPERATION_CHMOD] = ROW_OWNER("chmod", ADMIN, WRITE, A, "change the mode"),
	[OPERATION_CHOWN] = ROW_EPERM("chown", ADMIN, A, "change the owner or the group"),
	[OPERATION_CHGRP_OWN] = ROW_OWNER("chgrp-own", ADMIN, WRITE, A,
					  "give an own file to a group of one's own"),
	[OPERATION_UTIMES] = ROW_OWNER("utimes", ADMIN, WRITE, A,
				       "set the times to given values"),
	[OPERATION_TOUCH] = ROW("touch", WRITE, A, "set the times to now"),
	[OPERATION_SETXATTR] = ROW("setxattr", ADMIN, A, "set an extended attribute"),
	[OPERATION_REMOVEXATTR] = ROW("removexattr", ADMIN, A,
				      "remove an extended attribute"),
	[OPERATION_SET_ACL] = ROW_EPERM("set-acl", ADMIN, A, "change an access control list"),
	[OPERATION_SET_FLAGS] = ROW_EPERM("set-flags", ADMIN, A, "change inode flags"),
	[OPERATION_HOLD] = ROW_EPERM("hold", ADMIN, A, "keep what is sealed from being removed"),
	[OPERATION_RELEASE] = ROW_EPERM("release", ADMIN, A, "end a hold"),
	[OPERATION_PROMOTE] = ROW("promote", PROMOTE, W,
				  "bring a model in from the zone it is promoted from"),
	[OPERATION_APPROVE] = ROW("approve", APPROVE, A, "approve a model for promotion"),
	[OPERATION_UNAPPROVE] = ROW("unapprove", APPROVE, A, "take an approval back"),
};
/* clang-format on */

const struct operation_rule *operation_rule(enum operation operation)
{
	if ((unsigned)operation >= N_OPERATIONS)
		operation = OPERATION_NONE;
	return &rules[operation];
}

int operation_from_name(const char *name, enum operation *ret)
{
	for (unsigned i = OPERATION_NONE + 1; i < N_OPERATIONS; i++) {
		if (strcmp(name, rules[i].name) == 0) {
			*ret = (enum operation)i;
			return 0;
		}
	}
	return -ENOENT;
}

bool operation_walks(enum operation operation)
{
	return operation == OPERATION_LOOKUP || operation == OPERATION_READDIR ||
	       operation == OPERATION_CHDIR || operation == OPERATION_GETXATTR;
}
