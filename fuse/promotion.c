/* SPDX-License-Identifier: Apache-2.0 */
/* What a promotion looks at. */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/creds.h"
#include "fuse/handle.h"
#include "fuse/promotion.h"
#include "fuse/tree.h"
#include "fuse/util.h"

struct look {
	struct promotion *promotion;
	struct handle_writer *writers; /* sorted */
	size_t n_writers;
	const struct manifest *manifest; /* what it was, or NULL */
	size_t n_entries;
};

int promotion_refuse(struct promotion *promotion, int error, const char *format, ...)
{
	va_list arguments;

	promotion->error = error;
	va_start(arguments, format);
	vsnprintf(promotion->reason, sizeof(promotion->reason), format, arguments);
	va_end(arguments);
	return 1;
}

/* Of a path in a sentence. */
static const char *shown(const struct tree_entry *entry, struct quoted *buffer)
{
	const char *path = entry->path[0] ? entry->path : ".";
	size_t length = strlen(path);

	return text_quoted(buffer, path, length < 100 ? length : 100);
}

#define SHOWN(entry) shown(entry, &(struct quoted){ { 0 } })

/* Whether a relative target leads up and out of the tree at any step. */
static bool leads_out(const char *target, unsigned depth)
{
	long level = depth;

	if (target[0] == '/')
		return true;
	for (const char *name = target; *name && level >= 0;) {
		size_t length = strcspn(name, "/");

		if (length == 2 && memcmp(name, "..", 2) == 0)
			level--;
		else if (length > 0 && !(length == 1 && name[0] == '.'))
			level++;
		name += length + strspn(name + length, "/");
	}
	return level < 0;
}

static int look_at_link(struct look *look, const struct tree_entry *entry)
{
	char target[PATH_MAX + 1];
	ssize_t length = readlinkat(entry->fd, "", target, sizeof(target) - 1);

	if (length < 0)
		return -errno;
	target[length] = '\0';
	if (entry->path[0] && !leads_out(target, entry->depth))
		return 0;
	return promotion_refuse(
		look->promotion, EPERM,
		"the symbolic link %s leads out of what is promoted: put what it "
		"means in its place",
		SHOWN(entry));
}

static int compare_writers(const void *one, const void *other)
{
	const struct handle_writer *a = one, *b = other;

	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	return a->dev < b->dev ? -1 : a->dev > b->dev;
}

static const struct handle_writer *find_writer(const struct look *look,
					       const struct stat *st)
{
	const struct handle_writer key = { .dev = st->st_dev, .ino = st->st_ino };

	return bsearch(&key, look->writers, look->n_writers, sizeof(key),
		       compare_writers);
}

/* A mapping may outlive its handle, and a program may have got to the source around us:
 * the kernel gives no read lease on a file that is open for writing anywhere (fcntl(2)).
 * It wants CAP_LEASE, or the owner. 1: open for writing; 0: no, or the source's
 * filesystem has no leases; -errno. */
static int is_open_for_writing(const struct tree_entry *entry)
{
	_cleanup_(closep) int fd = node_reopen(entry->fd, O_RDONLY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return fd;
	creds_become(entry->st.st_uid, entry->st.st_gid);
	r = RET_ERRNO(fcntl(fd, F_SETLEASE, F_RDLCK));
	creds_restore();
	return r == -EAGAIN; /* closing gives it back */
}

static int look_at_file(struct look *look, const struct tree_entry *entry)
{
	const struct handle_writer *writer = find_writer(look, &entry->st);
	int r;

	if (entry->st.st_nlink > 1)
		return promotion_refuse(
			look->promotion, EPERM,
			"the file %s has further names, by which it could be "
			"changed: remove them, or make a copy",
			SHOWN(entry));
	if (writer)
		return promotion_refuse(
			look->promotion, EBUSY,
			"the file %s is held open for writing by %s: wait until "
			"it is closed",
			SHOWN(entry), QUOTED(writer->acct));
	r = is_open_for_writing(entry);
	if (r < 0)
		return r;
	if (r > 0)
		return promotion_refuse(
			look->promotion, EBUSY,
			"the file %s is mapped for writing, or open past the guard: "
			"end the program that does it",
			SHOWN(entry));
	look->promotion->n_files++;
	look->promotion->size += (uint64_t)entry->st.st_size;
	return 0;
}

static int changed(struct promotion *promotion)
{
	return promotion_refuse(promotion, EBUSY,
				"it changed while the gates looked at it: try again");
}

static bool is_as_listed(const struct manifest *manifest, const struct tree_entry *entry)
{
	const struct manifest_entry *listed = manifest_find(manifest, entry->path);

	return listed && digest_same_file(&listed->stat, &entry->st);
}

static int look_at(void *data, const struct tree_entry *entry)
{
	struct look *look = data;

	look->n_entries++;
	if (look->manifest && !is_as_listed(look->manifest, entry))
		return changed(look->promotion);
	switch (entry->st.st_mode & S_IFMT) {
	case S_IFDIR:
		return 0;
	case S_IFREG:
		return look_at_file(look, entry);
	case S_IFLNK:
		return look_at_link(look, entry);
	default:
		return promotion_refuse(look->promotion, EPERM,
					"%s is neither a file nor a directory: remove it",
					SHOWN(entry));
	}
}

static int walk_fault(struct promotion *promotion, int r)
{
	switch (r) {
	case -E2BIG:
		return promotion_refuse(
			promotion, E2BIG,
			"more than %d files and directories: promote parts of it",
			TREE_ENTRIES_MAX);
	case -ELOOP:
	case -ENAMETOOLONG:
		return promotion_refuse(
			promotion, E2BIG,
			"directories are more than %d levels deep: promote parts of "
			"it",
			TREE_DEPTH_MAX);
	case -EXDEV:
		return promotion_refuse(promotion, EPERM,
					"something is mounted in it: unmount it first");
	default:
		return r;
	}
}

int promotion_look(struct handle_table *handles, int fd, const struct manifest *manifest,
		   struct promotion *ret)
{
	struct look look = { .promotion = ret, .manifest = manifest };
	int r;

	ret->size = ret->n_files = 0;
	r = handle_writers(handles, &look.writers, &look.n_writers);
	if (r < 0)
		return r;
	qsort(look.writers, look.n_writers, sizeof(*look.writers), compare_writers);
	r = walk_fault(ret, tree_walk(fd, look_at, &look));
	free(look.writers);
	if (r == 0 && manifest && look.n_entries != manifest->n_entries)
		r = changed(ret);
	return r < 0 ? r : 0;
}
