/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes. An inode of the source is named through /proc/self/fd: its
 * descriptor is O_PATH, which fgetxattr(2) does not take. */
#include <endian.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/refusal.h"
#include "fuse/util.h"
#include "fuse/word.h"

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define ACL_PREFIX  "system.posix_acl_"
#define TRUSTED	    "trusted."

static bool is_acl(const char *name)
{
	return strncmp(name, ACL_PREFIX, strlen(ACL_PREFIX)) == 0;
}

/* xattr(7): trusted.* is for CAP_SYS_ADMIN only; here that is never asked for by role. */
static bool is_trusted(const char *name)
{
	return strncmp(name, TRUSTED, strlen(TRUSTED)) == 0;
}

/* An ACL that follows from the roles, and not one of the source's. */
static bool is_acl_of_roles(fuse_req_t req, const struct use *use, const char *name)
{
	return is_acl(name) && !guard_modes_count(fs_of(req)->guard, use->node);
}

/* Getting: as getxattr(2) with room for `size` bytes; 0 asks for the length. */
static void reply_value(fuse_req_t req, const void *value, size_t length, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, length);
	else if (length > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, length);
}

/* The roles, as an ACL (DESIGN, 7). */
static int get_acl(fuse_req_t req, const struct use *use, const char *name, void **ret,
		   size_t *ret_length)
{
	struct filesystem *fs = fs_of(req);
	struct stat st;

	if (strcmp(name, ACL_ACCESS) != 0)
		return -ENODATA;
	if (fstat(use->fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -EOPNOTSUPP;
	return guard_acl(fs->guard, guard_place(fs->guard, use->node), &st, ret,
			 ret_length);
}

static int get_value(fuse_req_t req, const struct use *use, const char *name, void **ret,
		     size_t *ret_length)
{
	_cleanup_(freep) char *value = malloc(XATTR_SIZE_MAX);
	struct fd_path path;
	ssize_t n;

	if (!value)
		return -ENOMEM;
	n = fs_act(req, use->node, FS_CHANGES);
	if (n == 0)
		n = RET_ERRNO(
			getxattr(fd_path(use->fd, &path), name, value, XATTR_SIZE_MAX));
	creds_restore();
	if (n < 0)
		return (int)n;
	*ret = take_ptr(value);
	*ret_length = (size_t)n;
	return 0;
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	_cleanup_(fs_unuse) struct use use = { 0 };
	_cleanup_(freep) void *value = NULL;
	size_t length = 0;
	struct action action = { .operation = OPERATION_GETXATTR, .xattr = name };
	int r;

	r = fs_use(req, ino, &use);
	if (r == 0) {
		action.on.node = use.node;
		r = fs_allow(req, &action);
	}
	if (r == 0 && word_is(name)) {
		r = word_get(req, &use, name, &value, &length);
		if (r < 0)
			fuse_reply_err(req, -r);
		else
			reply_value(req, value, length, size);
		return;
	}
	if (r == 0 && !S_ISDIR(use.node->type))
		habit_looks(&fs_of(req)->habits, asker_of(req).pid);
	if (r == 0 && is_acl_of_roles(req, &use, name))
		r = get_acl(req, &use, name, &value, &length);
	else if (r == 0)
		r = is_trusted(name)
			    ? -ENODATA
			    : fs_settle(req, &action,
					get_value(req, &use, name, &value, &length));
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_value(req, value, length, size);
}

/* Drops the names that are not shown; returns what is left of the list. */
static size_t filter_names(fuse_req_t req, const struct use *use, char *names,
			   size_t length)
{
	size_t kept = 0;

	for (size_t at = 0; at < length;) {
		size_t n = strnlen(names + at, length - at) + 1;

		if (at + n > length)
			break;
		if (!is_trusted(names + at) && !word_is(names + at) &&
		    !is_acl_of_roles(req, use, names + at)) {
			memmove(names + kept, names + at, n);
			kept += n;
		}
		at += n;
	}
	return kept;
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	_cleanup_(fs_unuse) struct use use = { 0 };
	_cleanup_(freep) char *names = NULL;
	struct fd_path path;
	ssize_t length = 0;
	int r;

	r = fs_use(req, ino, &use);
	if (r == 0)
		r = fs_allow(req, &(struct action){ .operation = OPERATION_GETXATTR,
						    .on = { .node = use.node } });
	if (r == 0 && !(names = malloc(XATTR_LIST_MAX)))
		r = -ENOMEM;
	if (r == 0) {
		length = listxattr(fd_path(use.fd, &path), names, XATTR_LIST_MAX);
		if (length < 0)
			r = -errno;
	}
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_value(req, names, filter_names(req, &use, names, (size_t)length),
			    size);
}

/* An object that a change of attributes is about. */
static int about(const struct use *use, enum operation operation, const char *name,
		 struct action *ret)
{
	struct stat st;

	if (fstat(use->fd, &st) < 0)
		return -errno;
	*ret = (struct action){ .operation = operation,
				.on = { .node = use->node },
				.xattr = name };
	target_is(&ret->on, &st);
	return 0;
}

/* What is never shown is never changed either. */
static int may_change(fuse_req_t req, struct action *action)
{
	if (word_is(action->xattr))
		return fs_refuse(req, action, EPERM, "the guard has no such word");
	if (is_trusted(action->xattr))
		return fs_refuse(req, action, EPERM, REFUSAL_TRUSTED);
	return fs_allow(req, action);
}

/* value NULL: removes it. */
static int change_in_source(fuse_req_t req, const struct use *use, const char *name,
			    const void *value, size_t size, int flags)
{
	struct fd_path path;
	int r = fs_act(req, use->node, FS_CHANGES);

	if (r == 0)
		r = value ? RET_ERRNO(setxattr(fd_path(use->fd, &path), name, value, size,
					       flags))
			  : RET_ERRNO(removexattr(fd_path(use->fd, &path), name));
	creds_restore();
	return r;
}

static int change_value(fuse_req_t req, const struct use *use, const char *name,
			const void *value, size_t size, int flags)
{
	struct action action;
	int r = about(use,
		      is_acl(name) ? OPERATION_SET_ACL
		      : value	   ? OPERATION_SETXATTR
				   : OPERATION_REMOVEXATTR,
		      name, &action);

	if (r == 0)
		r = may_change(req, &action);
	if (r < 0)
		return r;
	return fs_settle(req, &action,
			 change_in_source(req, use, name, value, size, flags));
}

/* Copying tools give a copy the ACL that they were shown, and take away a default ACL
 * that is not there: neither means or changes anything. */
static bool changes_nothing(fuse_req_t req, const struct use *use, const char *name,
			    const void *value, size_t size)
{
	struct stat st;

	if (strcmp(name, ACL_DEFAULT) == 0)
		return !value;
	return strcmp(name, ACL_ACCESS) == 0 && value && fstat(use->fd, &st) == 0 &&
	       guard_made_acl(fs_of(req)->guard, &st, value, size);
}

/* An ACL of three entries is another way to write a mode (acl(5)): install(1) sets modes
 * so. */
static bool is_mode(const char *name, const void *value, size_t size, mode_t *ret)
{
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[3];
	} acl;
	static const struct {
		unsigned tag, shift;
	} classes[] = { { ACL_USER_OBJ, 6 }, { ACL_GROUP_OBJ, 3 }, { ACL_OTHER, 0 } };

	*ret = 0;
	if (strcmp(name, ACL_ACCESS) != 0 || !value || size != sizeof(acl))
		return false;
	memcpy(&acl, value, sizeof(acl)); /* it lies behind a name of any length */
	if (le32toh(acl.header.a_version) != POSIX_ACL_XATTR_VERSION)
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (le16toh(acl.entries[i].e_tag) != classes[i].tag)
			return false;
		*ret |= (mode_t)(le16toh(acl.entries[i].e_perm) & 7) << classes[i].shift;
	}
	return true;
}

/* ACLs follow from the roles and are not set by hand: who might believe that one holds
 * which does not is told so. */
static int change_acl(fuse_req_t req, const struct use *use, const char *name,
		      const void *value, size_t size)
{
	struct stat want = { 0 };
	struct action action;
	int r;

	if (is_mode(name, value, size, &want.st_mode))
		return fs_change_attributes(req, use, &want, FUSE_SET_ATTR_MODE, NULL);
	if (changes_nothing(req, use, name, value, size))
		return fs_allow(req, &(struct action){ .operation = OPERATION_GETXATTR,
						       .on = { .node = use->node } });
	r = about(use, OPERATION_SET_ACL, name, &action);
	if (r == 0)
		r = fs_allow(req, &action);
	return r < 0 ? r : fs_settle(req, &action, -EOPNOTSUPP);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
		 size_t size, int flags)
{
	_cleanup_(fs_unuse) struct use use = { 0 };
	int r;

	r = fs_use(req, ino, &use);
	if (r == 0 && word_is_order(name))
		r = word_set(req, &use, name, value, size);
	else if (r == 0)
		r = is_acl_of_roles(req, &use, name)
			    ? change_acl(req, &use, name, value, size)
			    : change_value(req, &use, name, value, size, flags);
	fuse_reply_err(req, -r);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	_cleanup_(fs_unuse) struct use use = { 0 };
	int r;

	r = fs_use(req, ino, &use);
	if (r == 0)
		r = is_acl_of_roles(req, &use, name)
			    ? change_acl(req, &use, name, NULL, 0)
			    : change_value(req, &use, name, NULL, 0, 0);
	fuse_reply_err(req, -r);
}
