/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that are decided: one row each says which verbs it takes. */
#pragma once

#include <stddef.h>

#include "config/verb.h"

enum operation {
	OPERATION_NONE,		     /* zero: no operation, always denied */
	OPERATION_LOOKUP,	     /* resolve a name; stat */
	OPERATION_READDIR,	     /* open a directory for listing */
	OPERATION_READLINK,	     /* read a symbolic link's target */
	OPERATION_GETXATTR,	     /* getxattr and listxattr */
	OPERATION_CHDIR,	     /* access(2) with X_OK on a directory; chdir */
	OPERATION_ACCESS_READ,	     /* access(2) with R_OK on a file */
	OPERATION_ACCESS_WRITE,	     /* access(2) with W_OK on a file */
	OPERATION_ACCESS_CHANGE_DIR, /* access(2) with W_OK on a directory */
	OPERATION_OPEN_READ,
	OPERATION_OPEN_WRITE, /* O_WRONLY, also with O_TRUNC */
	OPERATION_OPEN_READ_WRITE,
	OPERATION_WRITE, /* write(2) on an open handle, decided again after a reload */
	OPERATION_READ,	 /* read(2) on an open handle, decided again after a reload */
	OPERATION_TRUNCATE,
	OPERATION_FALLOCATE,
	OPERATION_CREATE, /* a new regular file, open; also O_TMPFILE */
	OPERATION_MKDIR,
	OPERATION_MKNOD, /* FIFO, socket, or a regular file by mknod(2) */
	OPERATION_SYMLINK,
	OPERATION_LINK, /* a second name in the same zone */
	OPERATION_UNLINK,
	OPERATION_RMDIR,
	OPERATION_RENAME_FROM,	   /* the old name of a rename within a zone */
	OPERATION_RENAME_TO,	   /* a new name that did not exist */
	OPERATION_RENAME_OVER,	   /* a file that the rename replaces */
	OPERATION_RENAME_OVER_DIR, /* an empty directory that the rename replaces */
	OPERATION_RENAME_EXCHANGE, /* either side of RENAME_EXCHANGE within a zone */
	OPERATION_MOVE_OUT,	   /* the old name of a rename into another zone */
	OPERATION_CHMOD,
	OPERATION_CHOWN,     /* another owner, or a group that the owner is not in */
	OPERATION_CHGRP_OWN, /* the owner, to a group of their own; or no change */
	OPERATION_UTIMES,    /* explicit times */
	OPERATION_TOUCH,     /* both times to now */
	OPERATION_SETXATTR,
	OPERATION_REMOVEXATTR,
	OPERATION_SET_ACL,   /* setxattr or removexattr of system.posix_acl_* */
	OPERATION_SET_FLAGS, /* ioctl FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR */
	OPERATION_HOLD,	     /* put under legal hold, in a write-once zone */
	OPERATION_RELEASE,   /* end that */
	OPERATION_PROMOTE,
	OPERATION_APPROVE,
	OPERATION_UNAPPROVE, /* take one's own approval back */
	N_OPERATIONS,
};

/* What an operation takes. It is allowed when every verb in `verbs` is held, or when the
 * caller owns the object, `owner_verbs` is not empty and every verb in it is held. A verb
 * with an -own form counts as held by the owner who holds that form. `any` turns "every"
 * into "at least one" in both sets. */
struct operation_rule {
	const char *name; /* as in records and for `explain`: "open-write" */
	verb_set verbs;
	verb_set owner_verbs;
	bool any;
	int denial_errno; /* EACCES, or EPERM where POSIX says so; positive */
	unsigned perm; /* the record's perm=: AUDIT_PERM_EXEC|WRITE|READ|ATTR 1 2 4 8 */
	const char *meaning; /* one phrase for manual pages and `explain` */
};

/* The row of an operation; never NULL (an unknown one gets OPERATION_NONE's row). */
const struct operation_rule *operation_rule(enum operation operation);

/* Looks a name up. Returns 0 and sets *ret, or -ENOENT. */
int operation_from_name(const char *name, enum operation *ret);

/* Whether a directory that only leads to a zone which the caller may list grants it
 * (policy.ini(5)): looking, on the way. */
bool operation_walks(enum operation operation);
