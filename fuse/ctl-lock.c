/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: one admin at a time changes a policy. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "config/identity.h"
#include "config/text.h"

#include "fuse/ctl-lock.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

#define HOLDER_SIZE 128
#define NAME_SIZE   64

char *beside_policy(const char *file, const char *suffix)
{
	const char *slash = strrchr(file, '/');
	int n = slash ? (int)(slash + 1 - file) : 0;
	char *path;

	if (asprintf(&path, "%.*s.%s%s", n, file, file + n, suffix) < 0)
		return NULL;
	return path;
}

uid_t ctl_login_uid(void)
{
	FILE *file = fopen("/proc/self/loginuid", "re");
	unsigned uid = (unsigned)-1;

	if (file) {
		if (fscanf(file, "%u", &uid) != 1)
			uid = (unsigned)-1;
		fclose(file);
	}
	return uid == (unsigned)-1 ? getuid() : uid;
}

static int write_holder(int fd)
{
	char name[NAME_SIZE], text[HOLDER_SIZE];
	int n;

	ctl_patience_start();
	identity_user_name(ctl_login_uid(), name, sizeof(name));
	ctl_patience_stop();
	n = snprintf(text, sizeof(text), "%s (pid %d)", name, (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return -errno;
	return 0;
}

static int say_holder(const char *file, int fd)
{
	char text[HOLDER_SIZE];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n <= 0)
		return ctl_fail("%s is being edited by somebody else: try again later",
				QUOTED(file));
	return ctl_fail("%s is being edited by %s: try again when they are done",
			QUOTED(file),
			text_quoted(&(struct quoted){ { 0 } }, text, (size_t)n));
}

static bool is_still(const char *path, int fd)
{
	struct stat there, here;

	return lstat(path, &there) == 0 && fstat(fd, &here) == 0 &&
	       there.st_ino == here.st_ino && there.st_dev == here.st_dev;
}

/* Opens and locks; whoever had it may have removed the file in between. Returns the
 * descriptor, -EWOULDBLOCK with *ret_held, or -errno. */
static int open_lock(const char *path, int *ret_held)
{
	for (;;) {
		_cleanup_(closep) int fd = RET_ERRNO(
			open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			     0600));

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int r = -errno;

			*ret_held = take_fd(&fd);
			return r;
		}
		if (is_still(path, fd))
			return take_fd(&fd);
	}
}

int policy_lock(const char *file, struct policy_lock *ret)
{
	_cleanup_(freep) char *path = beside_policy(file, ".lock");
	_cleanup_(closep) int fd = -1, held = -1;
	int r;

	if (!path)
		return ctl_fail("no memory");
	fd = open_lock(path, &held);
	if (fd == -EWOULDBLOCK)
		return say_holder(file, held);
	if (fd < 0)
		return ctl_fail("cannot lock the policy: %s: %s%s", QUOTED(path),
				strerrordesc_np(-fd),
				fd == -EACCES ? " (it takes whom the directory "
						"belongs to, mostly root)"
					      : "");
	r = write_holder(fd);
	if (r < 0) {
		unlink(path);
		return ctl_fail("cannot lock the policy: %s: %s", QUOTED(path),
				strerrordesc_np(-r));
	}
	*ret = (struct policy_lock){ take_fd(&fd), take_ptr(path) };
	return CTL_OK;
}

/* First the name and then the lock: whoever opened the name in between finds out. */
void policy_unlock(struct policy_lock *lock)
{
	if (lock->fd >= 0)
		unlink(lock->path);
	closep(&lock->fd);
	free(take_ptr(lock->path));
}
