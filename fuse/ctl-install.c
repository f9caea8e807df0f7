/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: a policy file is read whole and replaced whole. */
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "config/policy.h"
#include "config/text.h"

#include "fuse/ctl-install.h"
#include "fuse/ctl-lock.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

void policy_text_fini(struct policy_text *text)
{
	free(text->bytes);
}

/* Up to `size` bytes. Returns how many, or -errno. */
static ssize_t read_whole(int fd, char *bytes, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = RET_ERRNO(read(fd, bytes + n, size - n));

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? got : (ssize_t)n;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

int policy_text_read(const char *file, struct policy_text *ret)
{
	_cleanup_(closep) int fd = RET_ERRNO(open(file, OPEN_FLAGS));
	_cleanup_(freep) char *bytes = NULL;
	struct stat status;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size > (off_t)POLICY_BYTES_MAX)
		return -EFBIG;
	bytes = malloc((size_t)status.st_size + 2);
	if (!bytes)
		return -ENOMEM;
	n = read_whole(fd, bytes, (size_t)status.st_size + 1);
	if (n < 0)
		return (int)n;
	if (n > status.st_size)
		return -EAGAIN; /* somebody writes to it */
	bytes[n] = '\0';
	*ret = (struct policy_text){ take_ptr(bytes), (size_t)n };
	return 0;
}

static int write_whole(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = RET_ERRNO(write(fd, bytes, length));

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

/* IMA and EVM sign the contents, which are others now; the kernel makes its own. */
static bool is_of_contents(const char *name)
{
	return strcmp(name, "security.ima") == 0 || strcmp(name, "security.evm") == 0;
}

static int copy_attribute(int from, int to, const char *name)
{
	char value[XATTR_SIZE_MAX], now[XATTR_SIZE_MAX];
	ssize_t n, n_now;

	if (is_of_contents(name))
		return 0;
	n = fgetxattr(from, name, value, sizeof(value));
	if (n < 0)
		return -errno;
	/* A label that came by itself need not be set, which takes a privilege. */
	n_now = fgetxattr(to, name, now, sizeof(now));
	if (n_now == n && memcmp(now, value, (size_t)n) == 0)
		return 0;
	return fsetxattr(to, name, value, (size_t)n, 0) < 0 ? -errno : 0;
}

static int copy_attributes(int from, int to)
{
	char names[XATTR_LIST_MAX];
	ssize_t n = flistxattr(from, names, sizeof(names));
	int r = 0;

	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + n && r == 0;
	     name += strlen(name) + 1)
		r = copy_attribute(from, to, name);
	return r;
}

/* The owner, the attributes, then the mode, which an ACL would change. A policy that
 * somebody else owns or may write is refused by every guard. */
static int keep_attributes(int old, int new)
{
	struct stat status;
	uid_t owner;
	int r;

	if (fstat(old, &status) < 0)
		return -errno;
	owner = status.st_uid == 0 ? 0 : geteuid();
	if (fchown(new, owner, status.st_gid) < 0)
		return -errno;
	r = copy_attributes(old, new);
	if (r < 0)
		return r;
	return RET_ERRNO(
		fchmod(new, status.st_mode & 07777 & ~(mode_t)(S_IWGRP | S_IWOTH)));
}

static int sync_directory(const char *file)
{
	_cleanup_(freep) char *copy = strdup(file);
	_cleanup_(closep) int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = RET_ERRNO(open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	return fd < 0 ? fd : RET_ERRNO(fsync(fd));
}

static int fill(int old, int new, const char *bytes, size_t length)
{
	int r = write_whole(new, bytes, length);

	if (r == 0)
		r = keep_attributes(old, new);
	return r < 0 ? r : RET_ERRNO(fsync(new));
}

/* Makes a file with these bytes; `path` is a template. It is closed when it is there: a
 * guard that reads it at once takes one that is open for writing for half written. */
static int make_new(char *path, int old, const char *bytes, size_t length)
{
	int new = RET_ERRNO(mkostemp(path, O_CLOEXEC));
	int r;

	if (new < 0)
		return new;
	r = fill(old, new, bytes, length);
	if (close(new) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}

int policy_text_install(const char *file, const char *like, const char *bytes,
			size_t length)
{
	_cleanup_(freep) char *path = beside_policy(file, ".new-XXXXXX");
	_cleanup_(closep) int old = RET_ERRNO(open(file, OPEN_FLAGS));
	int r;

	if (!path)
		return ctl_fail("no memory");
	if (old == -ENOENT)
		old = RET_ERRNO(open(like, OPEN_FLAGS));
	if (old < 0)
		return ctl_fail("cannot open %s: %s", QUOTED(file),
				strerrordesc_np(-old));
	r = make_new(path, old, bytes, length);
	if (r == 0) {
		r = RET_ERRNO(rename(path, file));
		if (r < 0)
			unlink(path);
	}
	if (r < 0)
		return ctl_fail("cannot install %s: %s; nothing is changed", QUOTED(file),
				strerrordesc_np(-r));
	r = sync_directory(file);
	if (r < 0) /* it is in place all the same */
		ctl_fail("warning: %s is replaced, but might not survive a crash: %s",
			 QUOTED(file), strerrordesc_np(-r));
	return CTL_OK;
}
