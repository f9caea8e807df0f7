/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: stat, chmod, chown, truncate, utimes, and the flags of chattr(1). */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/util.h"
#include "fuse/writers.h"

#define SET_TIMES                                                              \
	(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | \
	 FUSE_SET_ATTR_MTIME_NOW)

static int reply_statx(fuse_req_t req, const struct use *use, uint32_t mask)
{
	struct filesystem *fs = fs_of(req);
	struct stat shown = { 0 };
	struct statx stx;

	/* STATX__RESERVED is refused by statx(2). */
	if (statx(use->fd, "", AT_EMPTY_PATH, mask & ~(unsigned)STATX__RESERVED, &stx) <
	    0)
		return -errno;
	shown.st_mode = stx.stx_mode;
	guard_show(fs->guard, guard_place(fs->guard, use->node), &shown);
	stx.stx_mode = (uint16_t)shown.st_mode;
	/* Of the source's mount and inode flags, only what statx(2) calls basic and
	 * btime. */
	stx.stx_mask &= STATX_BASIC_STATS | STATX_BTIME;
	channel_reply_statx(req, &stx);
	return 0;
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	uint32_t statx_mask = channel_request()->statx_mask;
	_cleanup_(fs_unuse) struct use use = { 0 };
	struct action action = { .operation = OPERATION_LOOKUP };
	struct stat st;
	int r;

	(void)fi;
	r = fs_use(req, ino, &use);
	if (r == 0) {
		action.on.node = use.node;
		action.on.is_open = io_is_open(&fs_of(req)->ios, use.node);
		r = fs_allow(req, &action);
	}
	if (r == 0 && statx_mask) {
		r = reply_statx(req, &use, statx_mask);
		if (r == 0)
			return;
	}
	if (r == 0)
		r = fs_stat(req, &use, &st);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, fs_cache_attributes(fs_of(req), &st));
}

/* One SETATTR may change several attributes; each is decided and recorded by itself, all
 * of them before the first takes effect. */
struct change {
	fuse_req_t req;
	const struct use *use;
	const struct stat *want;
	const struct stat *now;
	struct handle *handle; /* the open file it came through, or NULL */
	int to_set;
	char made_in[PLACE_NAME_MAX]; /* if the caller is making the file: its zone; or ""
				       */
};

static struct action about(const struct change *change, enum operation operation)
{
	struct action action = { .operation = operation,
				 .on = { .node = change->use->node } };

	target_is(&action.on, change->now);
	return action;
}

/* Whoever is making a file may also date it and make it executable (cp -p, tar). */
static const char *made_in(const struct change *change)
{
	return change->made_in[0] ? change->made_in : NULL;
}

static bool modes_count(const struct change *change)
{
	return guard_modes_count(fs_of(change->req)->guard, change->use->node);
}

static int open_for_truncate(const struct change *change)
{
	struct filesystem *fs = fs_of(change->req);

	if (change->handle && change->handle->io.access != O_RDONLY)
		return RET_ERRNO(
			fcntl(io_fd(&fs->ios, &change->handle->io), F_DUPFD_CLOEXEC, 0));
	return fs_open(change->req, change->use, O_WRONLY);
}

static int truncate_in_source(const struct change *change, int fd)
{
	int r = fs_act(change->req, change->use->node, FS_CHANGES);

	if (r == 0)
		r = RET_ERRNO(ftruncate(fd, change->want->st_size));
	creds_restore();
	return r;
}

static int set_size(const struct change *change)
{
	struct action action = about(change, OPERATION_TRUNCATE);
	struct io_table *ios = &fs_of(change->req)->ios;
	_cleanup_(closep) int fd = -1;
	int r;

	action.has = ACTION_HAS_SIZE;
	action.size = (uint64_t)change->want->st_size;
	if (change->handle && change->handle->io.access != O_RDONLY)
		action.authority = &change->handle->authority;
	r = fs_allow(change->req, &action);
	if (r < 0)
		return r;
	r = fs_note_writer(change->req, change->use->fd, change->now->st_uid);
	if (r < 0)
		return fs_settle(change->req, &action, r);
	fd = r = open_for_truncate(change);
	if (fd >= 0) {
		io_before_change(ios, change->use->node, fd);
		r = truncate_in_source(change, fd);
		io_after_change(ios, change->use->node, fd);
	}
	return fs_settle(change->req, &action, r);
}

static int mode_in_source(const struct change *change, mode_t mode)
{
	struct fd_path path;
	int r = fs_act(change->req, change->use->node, FS_CHANGES);

	if (r == 0)
		r = RET_ERRNO(chmod(fd_path(change->use->fd, &path), mode));
	creds_restore();
	return r;
}

/* Where roles decide, the execute bits of a file are all that chmod changes (DESIGN, 7);
 * the rest follows from the zone and is what it is. The record tells when nothing came of
 * it. */
static int set_mode(const struct change *change)
{
	mode_t mode = modes_count(change) ? change->want->st_mode & 07777
					  : (change->now->st_mode & 07666) |
						    (change->want->st_mode & 0111);
	bool changes = modes_count(change) || (S_ISREG(change->now->st_mode) &&
					       mode != (change->now->st_mode & 07777));
	struct action action = about(change, OPERATION_CHMOD);
	int r;

	action.has = ACTION_HAS_MODE;
	action.mode = change->want->st_mode & 07777;
	action.made_in = made_in(change);
	action.note = changes ? NULL : "no-effect";
	r = fs_allow(change->req, &action);
	if (r < 0 || !changes)
		return r;
	return fs_settle(change->req, &action, mode_in_source(change, mode));
}

/* Whether a change of ids is one that POSIX allows an owner: to a group of their own. */
static enum operation operation_of_chown(const struct change *change, uid_t uid,
					 gid_t gid)
{
	struct filesystem *fs = fs_of(change->req);
	struct asker asker = asker_of(change->req);
	struct caller *caller;
	bool own = false;

	if (uid != (uid_t)-1 && uid != change->now->st_uid)
		return OPERATION_CHOWN;
	if (gid == (gid_t)-1 || gid == change->now->st_gid)
		return OPERATION_CHGRP_OWN;
	if (guard_caller(fs->guard, &asker, &caller) < 0)
		return OPERATION_CHOWN;
	own = caller->subject.gid == gid;
	for (size_t i = 0; !own && i < caller->subject.n_groups; i++)
		own = caller->subject.groups[i] == gid;
	caller_unref(caller);
	return own ? OPERATION_CHGRP_OWN : OPERATION_CHOWN;
}

static int owner_in_source(const struct change *change, uid_t uid, gid_t gid)
{
	int r = fs_act(change->req, change->use->node, FS_CHANGES);

	if (r == 0)
		r = RET_ERRNO(fchownat(change->use->fd, "", uid, gid,
				       AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
	creds_restore();
	return r;
}

/* Whoever owned a file may have written it. */
static int keep_author(const struct change *change, uid_t uid)
{
	if (uid == (uid_t)-1 || uid == change->now->st_uid ||
	    !S_ISREG(change->now->st_mode) ||
	    !guard_keeps_writers(fs_of(change->req)->guard))
		return 0;
	return writers_note(change->use->fd, change->now->st_uid);
}

static int set_owner(const struct change *change)
{
	uid_t uid = change->to_set & FUSE_SET_ATTR_UID ? change->want->st_uid : (uid_t)-1;
	gid_t gid = change->to_set & FUSE_SET_ATTR_GID ? change->want->st_gid : (gid_t)-1;
	struct action action = about(change, operation_of_chown(change, uid, gid));
	int r;

	action.has = ACTION_HAS_OWNER;
	action.new_uid = uid;
	action.new_gid = gid;
	if (action.operation == OPERATION_CHGRP_OWN)
		action.made_in = made_in(change);
	r = fs_allow(change->req, &action);
	if (r < 0)
		return r;
	r = keep_author(change, uid);
	if (r < 0)
		return fs_settle(change->req, &action, r);
	return fs_settle(change->req, &action, owner_in_source(change, uid, gid));
}

static struct timespec time_of(const struct change *change, int set, int now,
			       struct timespec want)
{
	if (change->to_set & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (change->to_set & set)
		return want;
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int times_in_source(const struct change *change, const struct timespec times[2])
{
	int r = fs_act(change->req, change->use->node, FS_CHANGES);

	if (r == 0)
		r = RET_ERRNO(utimensat(change->use->fd, "", times, AT_EMPTY_PATH));
	creds_restore();
	return r;
}

static int set_times(const struct change *change)
{
	const int both_now = FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;
	bool touch = (change->to_set & both_now) == both_now;
	struct action action = about(change, touch ? OPERATION_TOUCH : OPERATION_UTIMES);
	struct io_table *ios = &fs_of(change->req)->ios;
	struct timespec times[2] = {
		time_of(change, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW,
			change->want->st_atim),
		time_of(change, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW,
			change->want->st_mtim),
	};
	int r;

	action.made_in = made_in(change);
	r = fs_allow(change->req, &action);
	if (r < 0)
		return r;
	io_before_change(ios, change->use->node, change->use->fd);
	r = times_in_source(change, times);
	io_after_change(ios, change->use->node, change->use->fd);
	return fs_settle(change->req, &action, r);
}

static int set_attributes(const struct change *change)
{
	static const struct {
		int bits;
		int (*set)(const struct change *change);
	} setters[] = {
		{ FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID, set_owner },
		{ FUSE_SET_ATTR_MODE, set_mode },
		{ FUSE_SET_ATTR_SIZE, set_size },
		{ SET_TIMES, set_times },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(setters) / sizeof(setters[0]); i++)
		if (change->to_set & setters[i].bits)
			r = setters[i].set(change);
	return r;
}

int fs_change_attributes(fuse_req_t req, const struct use *use, const struct stat *want,
			 int to_set, struct handle *handle)
{
	struct change change = {
		.req = req, .use = use, .want = want, .to_set = to_set, .handle = handle
	};
	struct stat now;

	if (fstat(use->fd, &now) < 0)
		return -errno;
	change.now = &now;
	io_made_by(&fs_of(req)->ios, use->node, asker_of(req).uid, change.made_in);
	return set_attributes(&change);
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	_cleanup_(fs_unuse) struct use use = { 0 };
	struct handle *handle = fi ? handle_get(fs->handles, fi->fh) : NULL;
	struct stat st;
	int r;

	r = fs_use(req, ino, &use);
	if (r == 0)
		r = fs_change_attributes(req, &use, attr, to_set, handle);
	if (r == 0)
		r = fs_stat(req, &use, &st);
	handle_put(fs->handles, handle);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, fs_cache_attributes(fs_of(req), &st));
}

/* The ioctls of chattr(1): which change, and how large their argument is. */
static const struct attribute_ioctl {
	unsigned int command;
	bool changes;
	size_t size;
} attribute_ioctls[] = {
	{ (unsigned int)FS_IOC_GETFLAGS, false, sizeof(int) },
	{ (unsigned int)FS_IOC_SETFLAGS, true, sizeof(int) },
	{ (unsigned int)FS_IOC_FSGETXATTR, false, sizeof(struct fsxattr) },
	{ (unsigned int)FS_IOC_FSSETXATTR, true, sizeof(struct fsxattr) },
};

static const struct attribute_ioctl *find_ioctl(unsigned int command)
{
	for (size_t i = 0; i < sizeof(attribute_ioctls) / sizeof(attribute_ioctls[0]);
	     i++)
		if (attribute_ioctls[i].command == command)
			return &attribute_ioctls[i];
	return NULL;
}

/* What the ioctls of chattr(1) pass to and fro. */
union attribute_value {
	int flags;
	struct fsxattr attributes;
};

static int ioctl_in_source(fuse_req_t req, const struct use *use, int fd,
			   unsigned command, union attribute_value *value)
{
	int r = fs_act(req, use->node, FS_CHANGES);

	if (r == 0)
		r = RET_ERRNO(ioctl(fd, command, value));
	creds_restore();
	return r;
}

static int do_ioctl(fuse_req_t req, const struct use *use,
		    const struct attribute_ioctl *known, union attribute_value *value)
{
	struct action action = { .operation = known->changes ? OPERATION_SET_FLAGS
							     : OPERATION_GETXATTR,
				 .on = { .node = use->node } };
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r;

	if (fstat(use->fd, &st) < 0)
		return -errno;
	target_is(&action.on, &st);
	r = fs_allow(req, &action);
	if (r < 0)
		return r;
	/* Whoever asks has the file open already, maybe for writing only. */
	fd = r = node_open(fs_of(req)->nodes, use->node, O_RDONLY | O_NOFOLLOW);
	if (fd >= 0)
		r = ioctl_in_source(req, use, fd, known->command, value);
	return fs_settle(req, &action, r);
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in, size_t in_size,
	      size_t out_size)
{
	const struct attribute_ioctl *known = find_ioctl(command);
	_cleanup_(fs_unuse) struct use use = { 0 };
	union attribute_value value = { 0 };
	int r;

	(void)arg;
	(void)fi;
	(void)flags;
	if (!known || (known->changes ? in_size : out_size) < known->size) {
		fuse_reply_err(req, ENOTTY);
		return;
	}
	if (known->changes)
		memcpy(&value, in, known->size);
	r = fs_use(req, ino, &use);
	if (r == 0)
		r = do_ioctl(req, &use, known, &value);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_ioctl(req, 0, &value, known->changes ? 0 : known->size);
}
