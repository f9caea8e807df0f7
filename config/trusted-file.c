/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file that nobody else can have written. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/complaint.h"
#include "config/trusted-file.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void free_text(char **text)
{
	free(*text);
}

#define CLOSING __attribute__((cleanup(close_fd)))
#define FREEING __attribute__((cleanup(free_text)))

/* Complains of the whole file. Returns -EINVAL or -ENOMEM. */
#define REFUSE(complaints, ...) \
	(complaints_add((complaints), 0, __VA_ARGS__) < 0 ? -ENOMEM : -EINVAL)

/* Complains of a system call. Returns its error, or -ENOMEM. */
static int complain_errno(struct complaints *complaints, const char *what, int error)
{
	if (complaints_add(complaints, 0, "cannot %s: %s", what, strerrordesc_np(error)) <
	    0)
		return -ENOMEM;
	return -error;
}

/* Nobody but root and the effective user may own it. */
static bool is_foreign(const struct stat *status)
{
	return status->st_uid != 0 && status->st_uid != geteuid();
}

static int check_directory(const struct stat *status, struct complaints *complaints)
{
	if (is_foreign(status))
		return REFUSE(complaints,
			      "the directory of the policy is owned by uid %u, who could "
			      "replace "
			      "it: chown it to root",
			      status->st_uid);
	if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    (status->st_mode & S_ISVTX) == 0)
		return REFUSE(complaints,
			      "the directory of the policy is writable by others (mode "
			      "%04o), who "
			      "could replace it: chmod go-w it",
			      status->st_mode & 07777);
	return 0;
}

static int check_file(const struct stat *status, struct complaints *complaints)
{
	if (!S_ISREG(status->st_mode))
		return REFUSE(complaints,
			      "not a regular file: name the policy file itself");
	if (is_foreign(status))
		return REFUSE(complaints,
			      "owned by uid %u, who could change it: chown it to root",
			      status->st_uid);
	if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return REFUSE(
			complaints,
			"writable by others (mode %04o), who could grant themselves "
			"anything: chmod go-w it",
			status->st_mode & 07777);
	if (status->st_size > (off_t)POLICY_BYTES_MAX)
		return REFUSE(complaints, "%lld bytes, more than the %u that are read",
			      (long long)status->st_size, POLICY_BYTES_MAX);
	return 0;
}

/* Opens the file in its directory, so that what was checked is what is opened. */
static int open_trusted(const char *file, struct complaints *complaints)
{
	char *directory_copy FREEING = strdup(file);
	char *base_copy FREEING = strdup(file);
	int directory CLOSING = -1;
	struct stat status;
	int fd, r;

	if (!directory_copy || !base_copy)
		return -ENOMEM;
	directory = open(dirname(directory_copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return complain_errno(complaints, "open its directory", errno);
	if (fstat(directory, &status) < 0)
		return complain_errno(complaints, "examine its directory", errno);
	r = check_directory(&status, complaints);
	if (r < 0)
		return r;

	/* O_NONBLOCK: a FIFO must not make us wait. */
	fd = openat(directory, basename(base_copy),
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP)
		return REFUSE(complaints,
			      "a symbolic link: name the file that it points to");
	if (fd < 0)
		return complain_errno(complaints, "open it", errno);
	return fd;
}

static bool is_changed(const struct stat *before, const struct stat *after)
{
	return before->st_size != after->st_size ||
	       before->st_mtim.tv_sec != after->st_mtim.tv_sec ||
	       before->st_mtim.tv_nsec != after->st_mtim.tv_nsec ||
	       before->st_ctim.tv_sec != after->st_ctim.tv_sec ||
	       before->st_ctim.tv_nsec != after->st_ctim.tv_nsec;
}

/* Reads at most `size` bytes. Returns how many, or -errno. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, buffer + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* A lease is not given while somebody has the file open for writing, and keeps writers
 * waiting until the file is closed: fcntl(2). The times alone do not tell of a write that
 * had begun before and goes on after. Where there are no leases, or this file's is not
 * ours to take, they must do. */
static int lease(int fd, struct complaints *complaints)
{
	/* Of who wants to write we are told by a signal; SIGIO would end us. */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) == 0 ||
	    errno != EAGAIN)
		return 0;
	return REFUSE(complaints,
		      "open for writing in another program: try again when that is done");
}

/* The bytes of the file, and that they are all of it, and of one moment. */
static int read_trusted(int fd, struct complaints *complaints, char **ret,
			size_t *ret_length)
{
	char *text FREEING = NULL;
	struct stat before, after;
	size_t size;
	ssize_t n;
	int r;

	if (fstat(fd, &before) < 0)
		return complain_errno(complaints, "examine it", errno);
	r = check_file(&before, complaints);
	if (r == 0)
		r = lease(fd, complaints);
	if (r < 0)
		return r;
	size = (size_t)before.st_size;
	text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	n = read_all(fd, text, size + 1);
	if (n < 0)
		return complain_errno(complaints, "read it", (int)-n);
	if (fstat(fd, &after) < 0)
		return complain_errno(complaints, "examine it", errno);
	if ((size_t)n != size || is_changed(&before, &after))
		return REFUSE(complaints, "changed while it was read: try again");
	*ret = text;
	*ret_length = size;
	text = NULL;
	return 0;
}

int trusted_file_read(const char *file, struct complaints *complaints, char **ret,
		      size_t *ret_length)
{
	int fd CLOSING = open_trusted(file, complaints);

	return fd < 0 ? fd : read_trusted(fd, complaints, ret, ret_length);
}
