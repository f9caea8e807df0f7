/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the descriptor of a directory that loses its name. */
#include "fuse/leaving.h"
#include "fuse/util.h"

void leaving_init(struct filesystem *fs, const struct use *dir,
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

void leaving_fini(struct filesystem *fs, struct leaving *leaving, bool is_gone)
{
	if (is_gone && leaving->fd >= 0)
		node_fd_keep_removed(fs->nodes, leaving->node, leaving->fd);
	if (leaving->node)
		node_fd_put(fs->nodes, leaving->node, leaving->fd);
	node_put(fs->nodes, leaving->node);
}
