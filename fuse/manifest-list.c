/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a tree, one directory open at a time, however deep it is. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "fuse/manifest.h"
#include "fuse/util.h"

/* In all: a clock of a server that is ahead must not hold up each file. */
#define PATIENCE 64

struct walk {
	struct manifest *manifest;
	size_t capacity;
	unsigned n_waits;
};

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static bool is_over(const struct timespec *time)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return time->tv_sec != now.tv_sec ? time->tv_sec < now.tv_sec
					  : time->tv_nsec < now.tv_nsec;
}

/* As stat(2) once the tick of the last change is over: the next one will show in ctime.
 * `name` "" is `fd` itself. */
static int stat_settled(struct walk *walk, int fd, const char *name, struct stat *ret)
{
	static const struct timespec millisecond = { .tv_nsec = 1000000 };

	for (;;) {
		if (fstatat(fd, name, ret,
			    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) < 0)
			return -errno;
		if (is_over(&ret->st_ctim) || walk->n_waits >= PATIENCE)
			return 0;
		walk->n_waits++;
		nanosleep(&millisecond, NULL);
	}
}

static int read_link(int fd, const char *name, struct manifest_entry *entry)
{
	char target[PATH_MAX];
	ssize_t n = RET_ERRNO(readlinkat(fd, name, target, sizeof(target)));

	if (n < 0)
		return (int)n;
	if (n == sizeof(target))
		return -ENAMETOOLONG;
	entry->size = (uint64_t)n;
	return digest_bytes(target, (size_t)n, &entry->digest);
}

static int fill_entry(struct walk *walk, int fd, const char *name,
		      struct manifest_entry *entry)
{
	int r = stat_settled(walk, fd, name, &entry->stat);

	if (r < 0)
		return r;
	switch (entry->stat.st_mode & S_IFMT) {
	case S_IFREG:
		entry->type = MANIFEST_FILE;
		entry->size = (uint64_t)entry->stat.st_size;
		return 0;
	case S_IFDIR:
		entry->type = MANIFEST_DIRECTORY;
		return 0;
	case S_IFLNK:
		entry->type = MANIFEST_LINK;
		return read_link(fd, name, entry);
	default:
		return -EINVAL;
	}
}

static int reserve(struct walk *walk)
{
	struct manifest *manifest = walk->manifest;
	size_t more = walk->capacity ? 2 * walk->capacity : 64;
	struct manifest_entry *grown;

	if (manifest->n_entries < walk->capacity)
		return 0;
	if (manifest->n_entries > MANIFEST_ENTRIES_MAX)
		return -E2BIG;
	grown = reallocarray(manifest->entries, more, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	manifest->entries = grown;
	walk->capacity = more;
	return 0;
}

/* `name` in the directory `fd`, whose own path is `parent`. */
static int add_entry(struct walk *walk, int fd, const char *parent, const char *name)
{
	struct manifest *manifest = walk->manifest;
	struct manifest_entry *entry;
	int r = reserve(walk);

	if (r < 0)
		return r;
	entry = &manifest->entries[manifest->n_entries];
	*entry = (struct manifest_entry){ 0 };
	if (asprintf(&entry->path, "%s%s%s", parent, parent[0] ? "/" : "", name) < 0) {
		entry->path = NULL;
		return -ENOMEM;
	}
	manifest->n_entries++; /* what is filled halfway is freed with the rest */
	if (strlen(entry->path) >= PATH_MAX)
		return -ENAMETOOLONG;
	r = fill_entry(walk, fd, name, entry);
	if (r < 0 && !manifest->culprit)
		manifest->culprit = strdup(entry->path);
	return r == -ENOENT ? -EBUSY : r;
}

static int add_names(struct walk *walk, DIR *directory, const char *parent)
{
	struct dirent *dirent;
	int r = 0;

	for (;;) {
		errno = 0;
		dirent = readdir(directory);
		if (!dirent)
			return -errno;
		if (strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0)
			continue;
		r = add_entry(walk, dirfd(directory), parent, dirent->d_name);
		if (r < 0)
			return r;
	}
}

static int read_directory(struct walk *walk, int dir_fd, const char *name, size_t index)
{
	/* The array moves while it grows; the path does not. */
	const struct manifest_entry entry = walk->manifest->entries[index];
	_cleanup_(closep) int fd =
		manifest_open(dir_fd, name, &entry, O_RDONLY | O_DIRECTORY);
	_cleanup_(closedirp) DIR *directory = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -EBUSY : fd;
	directory = fdopendir(fd);
	if (!directory)
		return -errno;
	take_fd(&fd);
	r = add_names(walk, directory, entry.path);
	if (r < 0)
		return r;
	if (fstat(dirfd(directory), &st) < 0)
		return -errno;
	return digest_same_file(&st, &entry.stat) ? 0 : -EBUSY;
}

static int read_directories(struct walk *walk, int dir_fd, const char *name)
{
	struct manifest *manifest = walk->manifest;

	for (size_t i = 0; i < manifest->n_entries; i++) {
		int r;

		if (manifest->entries[i].type != MANIFEST_DIRECTORY)
			continue;
		r = read_directory(walk, dir_fd, name, i);
		if (r < 0 && !manifest->culprit)
			manifest->culprit = strdup(manifest->entries[i].path);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_entries(const void *one, const void *other)
{
	const struct manifest_entry *a = one, *b = other;

	return strcmp(a->path, b->path);
}

int manifest_list(int dir_fd, const char *name, struct manifest *ret)
{
	struct walk walk = { .manifest = ret };
	struct manifest_entry *top;
	int r;

	*ret = (struct manifest){ 0 };
	r = reserve(&walk);
	if (r < 0)
		return r;
	top = &ret->entries[ret->n_entries++];
	*top = (struct manifest_entry){ .path = strdup("") };
	if (!top->path)
		return -ENOMEM;
	r = fill_entry(&walk, dir_fd, name, top);
	ret->type = top->type;
	if (r < 0)
		return r;
	r = read_directories(&walk, dir_fd, name);
	if (r < 0)
		return r;
	qsort(ret->entries, ret->n_entries, sizeof(*ret->entries), compare_entries);
	return 0;
}
