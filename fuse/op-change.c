/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the tree but for renames. The kernel holds the parent directory's lock of
 * this mount during each of these, so what stat(2) tells here of a name stays true until
 * the effect: nobody else reaches the source. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/leaving.h"
#include "fuse/op.h"
#include "fuse/refusal.h"
#include "fuse/util.h"
#include "fuse/version.h"

/* A new name: what kind, and how it is made in the source. */
struct making {
	const char *name;
	mode_t mode;
	const char *link_target;
};

typedef int make_function(int dir_fd, const struct making *making);

static int make_dir(int dir_fd, const struct making *making)
{
	return RET_ERRNO(mkdirat(dir_fd, making->name, making->mode));
}

static int make_node(int dir_fd, const struct making *making)
{
	return RET_ERRNO(mknodat(dir_fd, making->name, making->mode, 0));
}

static int make_symlink(int dir_fd, const struct making *making)
{
	return RET_ERRNO(symlinkat(making->link_target, dir_fd, making->name));
}

static int make(fuse_req_t req, const struct use *dir, const struct making *making,
		make_function *function)
{
	int r = fs_act(req, dir->node, FS_MAKES);

	if (r == 0)
		r = function(dir->fd, making);
	creds_restore();
	return r;
}

static void make_and_reply(fuse_req_t req, fuse_ino_t parent, struct making *making,
			   struct action *action, make_function *function)
{
	_cleanup_(fs_unuse) struct use dir = { 0 };
	struct fuse_entry_param entry;
	int r;

	r = fs_check_name(making->name);
	if (r == 0)
		r = fs_use(req, parent, &dir);
	if (r == 0) {
		making->mode = action->mode = fs_mode_of_new(req, &dir, making->mode);
		action->on = (struct target){ .dir = dir.node, .name = making->name };
		version_look(fs_of(req), &dir, making->name, &action->on);
		r = fs_allow(req, action);
	}
	if (r == 0)
		r = fs_settle(req, action, make(req, &dir, making, function));
	if (r == 0)
		r = fs_entry(req, &dir, making->name, action->on.place, &entry);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fs_reply_entry(req, &entry);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make_and_reply(
		req, parent, &(struct making){ .name = name, .mode = mode },
		&(struct action){ .operation = OPERATION_MKDIR, .has = ACTION_HAS_MODE },
		make_dir);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	make_and_reply(
		req, parent, &(struct making){ .name = name, .link_target = target },
		&(struct action){ .operation = OPERATION_SYMLINK, .link_target = target },
		make_symlink);
}

/* Regular files, FIFOs and sockets. A device in the share would be a way out of it. */
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	struct making making = { .name = name, .mode = mode };
	struct action action = { .operation = OPERATION_MKNOD,
				 .has = ACTION_HAS_MODE,
				 .mode = mode };
	_cleanup_(fs_unuse) struct use use = { 0 };
	int r;

	(void)dev;
	if (S_ISREG(mode) || S_ISFIFO(mode) || S_ISSOCK(mode)) {
		make_and_reply(req, parent, &making, &action, make_node);
		return;
	}
	r = fs_check_name(name);
	if (r == 0)
		r = fs_use(req, parent, &use);
	if (r == 0) {
		action.on = (struct target){ .dir = use.node, .name = name };
		r = fs_refuse(req, &action, EPERM, REFUSAL_DEVICE);
	}
	fuse_reply_err(req, -r);
}

static int remove_in_source(fuse_req_t req, const struct use *dir, const char *name,
			    enum operation operation)
{
	int r = fs_act(req, dir->node, FS_CHANGES);

	if (r == 0)
		r = RET_ERRNO(unlinkat(dir->fd, name,
				       operation == OPERATION_RMDIR ? AT_REMOVEDIR : 0));
	creds_restore();
	return r;
}

static int remove_directory(fuse_req_t req, const struct use *dir,
			    const struct target *target)
{
	struct filesystem *fs = fs_of(req);
	struct leaving leaving;
	int r;

	leaving_init(fs, dir, target, &leaving);
	r = remove_in_source(req, dir, target->name, OPERATION_RMDIR);
	leaving_fini(fs, &leaving, r == 0);
	return r;
}

static int remove_target(fuse_req_t req, const struct use *dir,
			 const struct action *action)
{
	if (action->operation == OPERATION_RMDIR)
		return remove_directory(req, dir, &action->on);
	return remove_in_source(req, dir, action->on.name, action->operation);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name,
			enum operation operation)
{
	_cleanup_(fs_unuse) struct use dir = { 0 };
	struct action action = { .operation = operation };
	struct stat st;
	int r;

	r = fs_check_name(name);
	if (r == 0)
		r = fs_use(req, parent, &dir);
	if (r == 0)
		r = fs_target(&dir, name, &action.on, &st);
	if (r == 0) {
		version_look(fs_of(req), &dir, name, &action.on);
		r = fs_allow(req, &action);
	}
	if (r == 0)
		r = fs_settle(req, &action, remove_target(req, &dir, &action));
	fuse_reply_err(req, -r);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, OPERATION_UNLINK);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, OPERATION_RMDIR);
}

static int link_in_source(fuse_req_t req, const struct use *file, const struct use *dir,
			  const char *name)
{
	struct fd_path path;
	int r = fs_act(req, dir->node, FS_CHANGES);

	/* An inode by its descriptor, also one that has no name yet (O_TMPFILE). */
	if (r == 0)
		r = RET_ERRNO(linkat(AT_FDCWD, fd_path(file->fd, &path), dir->fd, name,
				     AT_SYMLINK_FOLLOW));
	creds_restore();
	return r;
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	_cleanup_(fs_unuse) struct use file = { 0 }, dir = { 0 };
	struct asker asker = asker_of(req);
	struct fuse_entry_param entry;
	struct action action = { 0 };
	struct stat st;
	int r;

	r = fs_check_name(name);
	if (r == 0)
		r = fs_use(req, ino, &file);
	if (r == 0)
		r = fs_use(req, parent, &dir);
	if (r == 0)
		r = RET_ERRNO(fstat(file.fd, &st));
	if (r == 0) {
		action.on.node = file.node;
		target_is(&action.on, &st);
		action.to = (struct target){ .dir = dir.node, .name = name };
		r = guard_link(fs_of(req)->guard, &asker, &action);
	}
	if (r == 0)
		r = fs_settle(req, &action, link_in_source(req, &file, &dir, name));
	if (r == 0)
		r = fs_entry(req, &dir, name, action.to.place, &entry);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fs_reply_entry(req, &entry);
}
