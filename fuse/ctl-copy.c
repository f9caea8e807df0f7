/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: copies and removes files and trees. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/ctl-copy.h"
#include "fuse/util.h"

#define CHUNK ((size_t)16 << 20)

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Reads a directory by a name in another. NULL with errno. */
static DIR *open_names(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);

	if (!names && fd >= 0)
		close(fd);
	return names;
}

/* The next name but "." and "..". NULL with *ret_error 0 at the end. */
static const char *next_name(DIR *names, int *ret_error)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(names);
	} while (entry &&
		 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	*ret_error = entry ? 0 : -errno;
	return entry ? entry->d_name : NULL;
}

int ctl_remove(int dir_fd, const char *name)
{
	_cleanup_(close_dir) DIR *names = NULL;
	const char *inner;
	int r = 0;

	if (unlinkat(dir_fd, name, 0) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	names = open_names(dir_fd, name);
	if (!names)
		return -errno;
	while (r == 0 && (inner = next_name(names, &r)))
		r = ctl_remove(dirfd(names), inner);
	return r < 0 ? r : (int)RET_ERRNO(unlinkat(dir_fd, name, AT_REMOVEDIR));
}

static int copy_contents(int in, int out)
{
	ssize_t n;

	do {
		n = RET_ERRNO(copy_file_range(in, NULL, out, NULL, CHUNK, 0));
	} while (n > 0 || n == -EINTR);
	return (int)n;
}

static int copy_file(int from_fd, const char *from, int to_fd, const char *to)
{
	_cleanup_(closep) int in =
		RET_ERRNO(openat(from_fd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
	_cleanup_(closep) int out = -1;
	struct stat st;
	int r;

	if (in < 0)
		return in;
	if (fstat(in, &st) < 0)
		return -errno;
	out = RET_ERRNO(openat(to_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			       st.st_mode & 0777));
	if (out < 0)
		return out;
	r = copy_contents(in, out);
	if (r == 0)
		r = RET_ERRNO(fsync(out));
	if (r == 0)
		r = RET_ERRNO(close(take_fd(&out))); /* a full disk may show here first */
	return r;
}

static int copy_link(int from_fd, const char *from, int to_fd, const char *to)
{
	char target[PATH_MAX + 1];
	ssize_t n = RET_ERRNO(readlinkat(from_fd, from, target, sizeof(target) - 1));

	if (n < 0)
		return (int)n;
	target[n] = '\0';
	return RET_ERRNO(symlinkat(target, to_fd, to));
}

static int copy_any(int from_fd, const char *from, int to_fd, const char *to);

static int copy_dir(int from_fd, const char *from, int to_fd, const char *to)
{
	_cleanup_(close_dir) DIR *names = open_names(from_fd, from);
	_cleanup_(closep) int made = -1;
	const char *name;
	int r = 0;

	if (!names || mkdirat(to_fd, to, 0777) < 0)
		return -errno;
	made = RET_ERRNO(
		openat(to_fd, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (made < 0)
		return made;
	while (r == 0 && (name = next_name(names, &r)))
		r = copy_any(dirfd(names), name, made, name);
	return r;
}

static int copy_any(int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat st;

	if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from_fd, from, to_fd, to);
	case S_IFDIR:
		return copy_dir(from_fd, from, to_fd, to);
	case S_IFLNK:
		return copy_link(from_fd, from, to_fd, to);
	default:
		return -EINVAL;
	}
}

int ctl_copy(int dir_fd, const char *from, const char *to)
{
	struct stat st;
	int r;

	if (fstatat(dir_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	r = copy_any(dir_fd, from, dir_fd, to);
	if (r < 0)
		ctl_remove(dir_fd, to);
	return r;
}
