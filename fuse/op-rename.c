/* SPDX-License-Identifier: Apache-2.0 */
/* Renames, and promotions, which are renames into a zone that says where models come
 * from. The kernel holds both directories' locks of this mount meanwhile: op-change.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/leaving.h"
#include "fuse/op.h"
#include "fuse/renaming.h"
#include "fuse/util.h"

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

int rename_in_source(fuse_req_t req, const struct renaming *renaming)
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
		(action->to_operation == OPERATION_PROMOTE
			 ? node_moved_across
			 : node_moved)(fs->nodes, moved.node, new_dir->node, &moved.name);
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

	r = fs_target(&renaming->dir, renaming->name, &action->on, &renaming->st);
	if (r == 0)
		r = fs_target(&renaming->new_dir, renaming->new_name, &action->to,
			      &renaming->new_st);
	if (r < 0)
		return r;
	if (!action->on.exists ||
	    (renaming->flags & RENAME_EXCHANGE && !action->to.exists))
		return -ENOENT;
	return 0;
}

struct rename_facts rename_facts_of(const struct renaming *renaming)
{
	return (struct rename_facts){
		.on_type = renaming->st.st_mode & S_IFMT,
		.to_type = renaming->action.to.exists ? renaming->new_st.st_mode & S_IFMT
						      : 0,
		.n_links = renaming->st.st_nlink,
		.exchange = renaming->flags & RENAME_EXCHANGE,
	};
}

static int rename_decided(fuse_req_t req, struct renaming *renaming)
{
	const struct rename_facts facts = rename_facts_of(renaming);
	struct asker asker = asker_of(req);
	int r;

	r = guard_rename(fs_of(req)->guard, &asker, &renaming->action, &facts);
	if (r < 0)
		return r;
	return fs_settle(req, &renaming->action, rename_in_source(req, renaming));
}

static int rename_checked(fuse_req_t req, struct renaming *renaming)
{
	struct filesystem *fs = fs_of(req);
	int r;

	if (!(renaming->flags & RENAME_EXCHANGE) &&
	    guard_is_promotion(fs->guard, &renaming->action))
		return promote(req, renaming);
	pthread_rwlock_rdlock(&fs->tree_lock);
	r = rename_decided(req, renaming);
	pthread_rwlock_unlock(&fs->tree_lock);
	return r;
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
