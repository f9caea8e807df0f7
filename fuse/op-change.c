/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the tree. The kernel holds the parent directory's lock of this mount during
 * each of these, so what stat(2) tells here of a name stays true until the effect: nobody
 * else reaches the source. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/util.h"

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
		r = fs_refuse(req, &action, EPERM, "devices are never made in the share");
	}
	fuse_reply_err(req, -r);
}

/* Fills in a target that is a name in a directory; it may exist or not. */
static int target_at(const struct use *dir, const char *name, struct target *ret,
		     struct stat *ret_stat)
{
	*ret = (struct target){ .dir = dir->node, .name = name };
	if (fstatat(dir->fd, name, ret_stat, AT_SYMLINK_NOFOLLOW) == 0)
		target_is(ret, ret_stat);
	else if (errno != ENOENT)
		return -errno;
	return 0;
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

/* A directory that is about to lose its name, if the kernel knows it: somebody may have
 * it open, or work in it, and an inode without a name is not found by its handle. */
struct leaving {
	struct node *node; /* NULL: none */
	int fd;		   /* lent by node_fd_get() */
};

static void leaving_init(struct filesystem *fs, const struct use *dir,
			 const struct target *target, struct leaving *ret)
{
	_cleanup_(closep) int fd = -1; /* of an inode without a handle */
	struct source_id id;
	struct stat st;

	*ret = (struct leaving){ .fd = -1 };
	if (source_find(&fs->source, dir->fd, target->name, &id, &st, &fd) < 0 ||
	    !S_ISDIR(st.st_mode))
		return;
	ret->node = node_find(fs->nodes, &(struct node_at){ .parent = dir->node,
							    .name = target->name,
							    .place = target->place,
							    .id = &id,
							    .mode = st.st_mode });
	if (ret->node)
		ret->fd = node_fd_get(fs->nodes, ret->node);
}

static void leaving_fini(struct filesystem *fs, struct leaving *leaving, bool is_gone)
{
	if (is_gone && leaving->fd >= 0)
		node_fd_keep_removed(fs->nodes, leaving->node, leaving->fd);
	if (leaving->node)
		node_fd_put(fs->nodes, leaving->node, leaving->fd);
	node_put(fs->nodes, leaving->node);
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
		r = target_at(&dir, name, &action.on, &st);
	if (r == 0)
		r = fs_allow(req, &action);
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

/* Both ends of a rename. */
struct renaming {
	struct use dir, new_dir;
	const char *name, *new_name;
	unsigned int flags;
	struct stat st, new_st;
	struct action action;
};

static void renaming_fini(struct renaming *renaming)
{
	fs_unuse(&renaming->dir);
	fs_unuse(&renaming->new_dir);
}

/* A name that a rename moves, looked up before it: where the node is must be known
 * afterwards, or open handles would go on being decided where they were. */
struct moving {
	struct node *node; /* NULL: the kernel does not know it */
	char *name;	   /* its next one */
};

static int moving_init(struct filesystem *fs, const struct use *dir,
		       const struct target *target, const char *new_name,
		       struct moving *ret)
{
	_cleanup_(closep) int fd = source_open_name(dir->fd, target->name);
	struct source_id id;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = source_identify(&fs->source, fd, &id, &st);
	if (r < 0)
		return r;
	ret->name = strdup(new_name);
	if (!ret->name)
		return -ENOMEM;
	ret->node = node_find(fs->nodes, &(struct node_at){ .parent = dir->node,
							    .name = target->name,
							    .place = target->place,
							    .id = &id,
							    .mode = st.st_mode });
	return 0;
}

static void moving_fini(struct filesystem *fs, struct moving *moving)
{
	node_put(fs->nodes, moving->node);
	free(moving->name);
}

static int rename_names(fuse_req_t req, const struct renaming *renaming)
{
	/* guard_rename() saw to it that modes count on both sides or on none. */
	int r = fs_act(req, renaming->dir.node, FS_CHANGES);

	if (r == 0)
		r = RET_ERRNO(renameat2(renaming->dir.fd, renaming->name,
					renaming->new_dir.fd, renaming->new_name,
					renaming->flags));
	creds_restore();
	return r;
}

static int rename_in_source(fuse_req_t req, const struct renaming *renaming)
{
	struct filesystem *fs = fs_of(req);
	const struct use *dir = &renaming->dir, *new_dir = &renaming->new_dir;
	const struct action *action = &renaming->action;
	struct moving moved = { 0 }, exchanged = { 0 };
	struct leaving replaced = { .fd = -1 };
	int r;

	r = moving_init(fs, dir, &action->on, renaming->new_name, &moved);
	if (r == 0 && renaming->flags & RENAME_EXCHANGE)
		r = moving_init(fs, new_dir, &action->to, renaming->name, &exchanged);
	else if (r == 0 && action->to.exists && S_ISDIR(renaming->new_st.st_mode))
		leaving_init(fs, new_dir, &action->to, &replaced);
	node_moves_begin(fs->nodes);
	if (r == 0)
		r = rename_names(req, renaming);
	leaving_fini(fs, &replaced, r == 0);
	if (r == 0 && moved.node)
		node_moved(fs->nodes, moved.node, new_dir->node, &moved.name);
	if (r == 0 && exchanged.node)
		node_moved(fs->nodes, exchanged.node, dir->node, &exchanged.name);
	moving_fini(fs, &moved);
	moving_fini(fs, &exchanged);
	return r;
}

static int look_at_both(struct renaming *renaming)
{
	struct action *action = &renaming->action;
	int r;

	r = target_at(&renaming->dir, renaming->name, &action->on, &renaming->st);
	if (r == 0)
		r = target_at(&renaming->new_dir, renaming->new_name, &action->to,
			      &renaming->new_st);
	if (r < 0)
		return r;
	if (!action->on.exists ||
	    (renaming->flags & RENAME_EXCHANGE && !action->to.exists))
		return -ENOENT;
	return 0;
}

static int rename_checked(fuse_req_t req, struct renaming *renaming)
{
	struct asker asker = asker_of(req);
	struct filesystem *fs = fs_of(req);
	int r;

	r = guard_rename(fs->guard, &asker, &renaming->action,
			 &(struct rename_facts){
				 .on_type = renaming->st.st_mode & S_IFMT,
				 .to_type = renaming->action.to.exists
						    ? renaming->new_st.st_mode & S_IFMT
						    : 0,
				 .n_links = renaming->st.st_nlink,
				 .exchange = renaming->flags & RENAME_EXCHANGE,
			 });
	if (r < 0)
		return r;
	return fs_settle(req, &renaming->action, rename_in_source(req, renaming));
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	       const char *new_name, unsigned int flags)
{
	_cleanup_(renaming_fini) struct renaming renaming = { .name = name,
							      .new_name = new_name,
							      .flags = flags };
	int r;

	r = flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ? -EINVAL : 0;
	if (r == 0)
		r = fs_check_name(name);
	if (r == 0)
		r = fs_check_name(new_name);
	if (r == 0)
		r = fs_use(req, parent, &renaming.dir);
	if (r == 0)
		r = fs_use(req, new_parent, &renaming.new_dir);
	if (r == 0)
		r = look_at_both(&renaming);
	if (r == 0)
		r = rename_checked(req, &renaming);
	fuse_reply_err(req, -r);
}
