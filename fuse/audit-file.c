/* SPDX-License-Identifier: Apache-2.0 */
/* The trail in a file: one JSON object a line. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/audit-sink.h"

struct file {
	pthread_mutex_t lock; /* torn, and the order of lines */
	int fd;
	bool torn; /* half a line is at the end of the file and could not be cut off */
};

/* Whoever could write into the file could forge the trail. */
static int check_file(int fd, const char *where, char **ret_why)
{
	const char *what = NULL;
	struct stat st;
	int r = -EPERM;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		what = "is not a regular file";
		r = -EINVAL;
	} else if (st.st_uid != 0 && st.st_uid != geteuid()) {
		what = "belongs to another user: chown it to root";
	} else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		what = "can be written by others: chmod it to 0600";
	} else if (st.st_nlink > 1) {
		what = "has a second name (a hard link): use a file of its own";
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -EBUSY;
		what = "is in use by another guard: give each its own file";
	}
	if (!what)
		return 0;
	if (asprintf(ret_why, "audit file '%s' %s", where, what) < 0)
		*ret_why = NULL;
	return r;
}

static int file_open(const char *where, void **ret, char **ret_why)
{
	struct file *file;
	int fd, r;

	if (where[0] != '/') {
		if (asprintf(ret_why, "audit file '%s' is not an absolute path", where) <
		    0)
			*ret_why = NULL;
		return -EINVAL;
	}
	/* O_NONBLOCK: a FIFO that nobody reads must not stop the mount; no effect on
	 * files. */
	fd = open(where,
		  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		  0600);
	if (fd < 0) {
		r = -errno;
		if (asprintf(ret_why, "cannot open audit file '%s': %s", where,
			     r == -ELOOP ? "a symbolic link" : strerror(-r)) < 0)
			*ret_why = NULL;
		return r;
	}
	r = check_file(fd, where, ret_why);
	file = r == 0 ? calloc(1, sizeof(*file)) : NULL;
	if (!file) {
		close(fd);
		return r < 0 ? r : -ENOMEM;
	}
	file->fd = fd;
	(void)pthread_mutex_init(&file->lock, NULL);
	*ret = file;
	return 0;
}

static void file_close(void *sink)
{
	struct file *file = sink;

	(void)fsync(file->fd);
	close(file->fd);
	(void)pthread_mutex_destroy(&file->lock);
	free(file);
}

/* Cuts off `written` bytes that were to become a line. Under file->lock, and no other
 * guard writes to the file (flock); still, what is not ours must not be cut. */
static void take_back(struct file *file, off_t before, size_t written)
{
	struct stat st;

	if (written == 0)
		return;
	if (fstat(file->fd, &st) == 0 && st.st_size == before + (off_t)written &&
	    ftruncate(file->fd, before) == 0)
		return;
	file->torn = true;
}

static int write_all(struct file *file, const char *bytes, size_t n)
{
	size_t written = 0;
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	while (written < n) {
		ssize_t r = write(file->fd, bytes + written, n - written);
		int error = r < 0 ? errno : EIO;

		if (r < 0 && error == EINTR)
			continue;
		if (r <= 0) {
			take_back(file, st.st_size, written);
			return -error;
		}
		written += (size_t)r;
	}
	return 0;
}

static int file_write(void *sink, const struct record *record, unsigned how)
{
	struct file *file = sink;
	char *line;
	int r;

	(void)how;
	r = record_format_json(record, &line);
	if (r < 0) /* no memory for this one is no outage for all */
		return r == -ENOMEM ? -E2BIG : r;

	pthread_mutex_lock(&file->lock);
	if (file->torn) { /* so that the half line spoils no other */
		r = write_all(file, "\n", 1);
		file->torn = r < 0;
	}
	if (r == 0)
		r = write_all(file, line, strlen(line));
	pthread_mutex_unlock(&file->lock);
	free(line);
	return r;
}

/* Only writing tells. */
static enum audit_state file_look(void *sink)
{
	(void)sink;
	return AUDIT_STATE_RECORDING;
}

static int file_recover(void *sink)
{
	(void)sink;
	return 0;
}

static void file_wake_fds(void *sink, int ret[static AUDIT_SINK_N_WAKE_FDS])
{
	(void)sink;
	for (int i = 0; i < AUDIT_SINK_N_WAKE_FDS; i++)
		ret[i] = -1;
}

static int file_patience(void *sink)
{
	(void)sink;
	return 100;
}

const struct audit_sink_type audit_sink_file = {
	.open = file_open,
	.close = file_close,
	.write = file_write,
	.look = file_look,
	.recover = file_recover,
	.wake_fds = file_wake_fds,
	.patience = file_patience,
};
