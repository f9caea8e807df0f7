/* SPDX-License-Identifier: Apache-2.0 */
/* The idioms of the callbacks. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/util.h"
#include "fuse/writers.h"

/* Those that share it come and go without end: a promotion goes before them. */
int fs_tree_lock_init(struct filesystem *fs)
{
	pthread_rwlockattr_t attributes;
	int r = -pthread_rwlockattr_init(&attributes);

	if (r < 0)
		return r;
	pthread_rwlockattr_setkind_np(&attributes,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	r = -pthread_rwlock_init(&fs->tree_lock, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return r;
}

int fs_allow(fuse_req_t req, struct action *action)
{
	struct asker asker = asker_of(req);

	return guard_allow(fs_of(req)->guard, &asker, action);
}

int fs_settle(fuse_req_t req, const struct action *action, int result)
{
	struct asker asker = asker_of(req);

	return guard_settle(fs_of(req)->guard, &asker, action, result);
}

int fs_settle_length(fuse_req_t req, const struct action *action, ssize_t result)
{
	struct asker asker = asker_of(req);

	return guard_settle_length(fs_of(req)->guard, &asker, action, result);
}

int fs_refuse(fuse_req_t req, struct action *action, int error, const char *reason)
{
	struct asker asker = asker_of(req);

	return guard_refuse(fs_of(req)->guard, &asker, action, error, reason);
}

int fs_act(fuse_req_t req, struct node *node, enum fs_right right)
{
	struct guard *guard = fs_of(req)->guard;
	struct asker asker = asker_of(req);
	struct caller *caller;
	int r;

	if (!guard_modes_count(guard, node)) {
		if (right == FS_MAKES)
			creds_become(asker.uid, asker.gid);
		return 0;
	}
	r = guard_caller(guard, &asker, &caller);
	if (r < 0)
		return r;
	r = creds_assume(&(struct creds){ .uid = caller->subject.uid,
					  .gid = caller->subject.gid,
					  .groups = caller->subject.groups,
					  .n_groups = caller->subject.n_groups,
					  .capabilities = caller->capabilities });
	caller_unref(caller);
	return r;
}

int fs_use(fuse_req_t req, fuse_ino_t ino, struct use *ret)
{
	struct node_table *nodes = fs_of(req)->nodes;
	struct node *node = node_get(nodes, ino);
	int fd;

	if (!node)
		return -ESTALE;
	fd = node_fd_get(nodes, node);
	if (fd < 0) {
		node_put(nodes, node);
		return fd;
	}
	*ret = (struct use){ nodes, node, fd };
	return 0;
}

void fs_unuse(struct use *use)
{
	if (!use->node)
		return;
	node_fd_put(use->nodes, use->node, use->fd);
	node_put(use->nodes, use->node);
	use->node = NULL;
}

int fs_open(fuse_req_t req, const struct use *use, int flags)
{
	int r;

	if (!guard_modes_count(fs_of(req)->guard, use->node))
		return node_open(use->nodes, use->node, flags | O_NOFOLLOW);
	if (!S_ISREG(use->node->type) && !S_ISDIR(use->node->type))
		return -EINVAL;
	/* The magic link leads to the inode; a handle would take a capability. */
	r = fs_act(req, use->node, FS_CHANGES);
	if (r == 0)
		r = node_reopen(use->fd, flags);
	creds_restore();
	return r;
}

int fs_access(fuse_req_t req, const struct use *use, int mask)
{
	int r = fs_act(req, use->node, FS_CHANGES);

	/* AT_EACCESS: by the ids that act. */
	if (r == 0)
		r = (int)RET_ERRNO(syscall(SYS_faccessat2, use->fd, "", mask,
					   AT_EMPTY_PATH | AT_EACCESS));
	creds_restore();
	return r;
}

mode_t fs_mode_of_new(fuse_req_t req, const struct use *dir, mode_t mode)
{
	struct fd_path path;

	if (!guard_modes_count(fs_of(req)->guard, dir->node))
		return mode & ~fuse_req_ctx(req)->umask & (S_IFMT | 0777);
	/* The kernel holds the directory's lock: its ACL does not change meanwhile. */
	if (getxattr(fd_path(dir->fd, &path), "system.posix_acl_default", NULL, 0) > 0)
		return mode;
	return mode & ~fuse_req_ctx(req)->umask;
}

int fs_check_name(const char *name)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strchr(name, '/'))
		return -EINVAL;
	return strlen(name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

int fs_note_writer(fuse_req_t req, int fd, uid_t owner)
{
	uid_t uid = asker_of(req).uid;

	if (uid == owner || !guard_keeps_writers(fs_of(req)->guard))
		return 0;
	return writers_note(fd, uid);
}

int fs_target(const struct use *dir, const char *name, struct target *ret,
	      struct stat *ret_stat)
{
	*ret = (struct target){ .dir = dir->node, .name = name };
	if (fstatat(dir->fd, name, ret_stat, AT_SYMLINK_NOFOLLOW) == 0)
		target_is(ret, ret_stat);
	else if (errno != ENOENT)
		return -errno;
	return 0;
}

/* With `modes = owner`, by the caller's right to search the directory. */
static int find_name(fuse_req_t req, const struct use *dir, const char *name,
		     struct source_id *ret_id, struct stat *ret_stat, int *ret_fd)
{
	int r = fs_act(req, dir->node, FS_CHANGES);

	if (r == 0)
		r = source_find(&fs_of(req)->source, dir->fd, name, ret_id, ret_stat,
				ret_fd);
	creds_restore();
	return r;
}

/* One attempt: -EAGAIN if a rename came in between. */
static int try_entry(fuse_req_t req, const struct use *dir, const char *name,
		     uint64_t place, struct fuse_entry_param *ret)
{
	struct filesystem *fs = fs_of(req);
	uint64_t n_moves = node_moves(fs->nodes);
	_cleanup_(closep) int fd = -1;
	struct source_id id;
	struct node *node;
	int r;

	*ret = (struct fuse_entry_param){ 0 };
	r = find_name(req, dir, name, &id, &ret->attr, &fd);
	if (r < 0)
		return r;
	r = node_add(fs->nodes,
		     &(struct node_at){ .parent = dir->node,
					.name = name,
					.place = place,
					.id = &id,
					.mode = ret->attr.st_mode,
					.n_moves = n_moves,
					.fd = &fd },
		     true, &node);
	if (r < 0)
		return r;
	ret->ino = node->id;
	ret->generation = 1; /* numbers are never reused */
	fs_cache_entry(fs, dir->node, place, ret);
	guard_show(fs->guard, place, &ret->attr);
	node_put(fs->nodes, node);
	return 0;
}

#define ENTRY_ATTEMPTS 16

int fs_entry(fuse_req_t req, const struct use *dir, const char *name, uint64_t place,
	     struct fuse_entry_param *ret)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < ENTRY_ATTEMPTS; i++)
		r = try_entry(req, dir, name, place, ret);
	return r == -EAGAIN ? -ESTALE : r; /* ESTALE has the kernel walk the path again */
}

/* -ESTALE: it was removed since it was found. */
static int hold_file(struct filesystem *fs, uint64_t ino)
{
	struct node *node = node_get(fs->nodes, ino);
	int fd = node ? node_fd_get(fs->nodes, node) : -ESTALE;

	if (node)
		node_fd_put(fs->nodes, node, fd);
	node_put(fs->nodes, node);
	return fd == -ESTALE ? fd : 0;
}

int fs_entry_held(fuse_req_t req, const struct use *dir, const char *name, uint64_t place,
		  struct fuse_entry_param *ret)
{
	struct filesystem *fs = fs_of(req);
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < ENTRY_ATTEMPTS; i++) {
		r = fs_entry(req, dir, name, place, ret);
		if (r < 0 || !S_ISREG(ret->attr.st_mode))
			return r;
		r = hold_file(fs, ret->ino);
		if (r < 0)
			node_forget(fs->nodes, ret->ino, 1);
	}
	return r;
}

bool fs_kernel_drops(fuse_req_t req, const struct use *dir, const struct target *target)
{
	struct filesystem *fs = fs_of(req);
	_cleanup_(closep) int fd = -1;
	struct source_id id;
	struct node *node;
	struct stat st;
	bool held;

	if (source_find(&fs->source, dir->fd, target->name, &id, &st, &fd) < 0)
		return false;
	node = node_find(fs->nodes, &(struct node_at){ .parent = dir->node,
						       .name = target->name,
						       .place = target->place,
						       .id = &id,
						       .mode = st.st_mode });
	held = node && node_is_dropped_now(fs->nodes, node);
	node_put(fs->nodes, node);
	return held;
}

void fs_reply_entry(fuse_req_t req, const struct fuse_entry_param *entry)
{
	struct filesystem *fs = fs_of(req); /* req is gone after the reply */

	if (fuse_reply_entry(req, entry) == -ENOENT)
		node_forget(fs->nodes, entry->ino, 1);
}

int fs_stat(fuse_req_t req, const struct use *use, struct stat *ret)
{
	struct filesystem *fs = fs_of(req);

	if (fstat(use->fd, ret) < 0)
		return -errno;
	guard_show(fs->guard, guard_place(fs->guard, use->node), ret);
	return 0;
}
