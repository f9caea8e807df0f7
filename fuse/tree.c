/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over a tree of the source. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fuse/node.h"
#include "fuse/source.h"
#include "fuse/tree.h"
#include "fuse/util.h"

struct walk {
	tree_visitor *visit;
	void *data;
	unsigned n_entries;
	unsigned depth;
	char path[PATH_MAX];
};

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int walk_names(struct walk *walk, int fd, size_t length);

/* `length` of its path, which is in walk->path. */
static int walk_one(struct walk *walk, int fd, size_t length)
{
	struct tree_entry entry = { .fd = fd, .path = walk->path, .depth = walk->depth };
	int r;

	if (fstat(fd, &entry.st) < 0)
		return -errno;
	if (++walk->n_entries > TREE_ENTRIES_MAX)
		return -E2BIG;
	r = walk->visit(walk->data, &entry);
	if (r != 0 || !S_ISDIR(entry.st.st_mode))
		return r;
	return walk_names(walk, fd, length);
}

static int walk_name(struct walk *walk, int dir_fd, const char *name, size_t length)
{
	_cleanup_(closep) int fd = -1;
	int n;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	n = snprintf(walk->path + length, sizeof(walk->path) - length, "%s%s",
		     length > 0 ? "/" : "", name);
	if ((size_t)n >= sizeof(walk->path) - length)
		return -ENAMETOOLONG;
	fd = source_open_name(dir_fd, name);
	return fd < 0 ? fd : walk_one(walk, fd, length + (size_t)n);
}

static int walk_names(struct walk *walk, int fd, size_t length)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	int dir_fd = node_reopen(fd, O_RDONLY | O_DIRECTORY);
	const struct dirent *entry;
	int r = 0;

	if (dir_fd < 0)
		return dir_fd;
	dir = fdopendir(dir_fd);
	if (!dir) {
		r = -errno;
		close(dir_fd);
		return r;
	}
	if (length > 0 && ++walk->depth > TREE_DEPTH_MAX)
		return -ELOOP;
	for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0)
		r = walk_name(walk, fd, entry->d_name, length);
	if (r == 0 && errno != 0)
		r = -errno;
	walk->depth -= length > 0;
	walk->path[length] = '\0';
	return r;
}

int tree_walk(int fd, tree_visitor *visit, void *data)
{
	struct walk walk = { .visit = visit, .data = data };

	return walk_one(&walk, fd, 0);
}
