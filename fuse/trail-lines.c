/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a trail's files, one after the other, and waiting for more. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/trail-lines.h"
#include "fuse/util.h"

#define WAIT_MS 1000

/* The log is local: auditd writes it on this machine. Where inotify does not work, the
 * waits are a second each. */
static int watch(const struct trail_files *files)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0 && inotify_add_watch(fd, files->directory,
					 IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int trail_lines_open(struct trail_lines *lines, const char *input, bool follow,
		     char **ret_why)
{
	int r;

	*lines = (struct trail_lines){ .follow = follow, .inotify = -1 };
	r = trail_files_open(input, follow, &lines->files, ret_why);
	if (r < 0)
		return r;
	lines->buffer = malloc(TRAIL_LINE_MAX + 1);
	if (!lines->buffer)
		return -ENOMEM;
	if (follow && lines->files.directory)
		lines->inotify = watch(&lines->files);
	return follow && !lines->files.directory ? 0 : trail_lines_rewind(lines);
}

void trail_lines_close(struct trail_lines *lines)
{
	trail_files_fini(&lines->files);
	free(lines->buffer);
	closep(&lines->inotify);
	lines->buffer = NULL;
}

int trail_lines_rewind(struct trail_lines *lines)
{
	lines->n_total = lines->n_read = 0;
	for (size_t i = 0; i < lines->files.n_items; i++) {
		if (lseek(lines->files.items[i].fd, 0, SEEK_SET) < 0)
			return -errno;
		lines->n_total += (uint64_t)lines->files.items[i].size;
	}
	lines->at = lines->start = lines->end = 0;
	lines->skipping = lines->ended = false;
	lines->halves = lines->overlong = 0;
	return 0;
}

/* A whole line from the buffer. */
static bool take_line(struct trail_lines *lines, char **ret, size_t *ret_length)
{
	for (;;) {
		char *start = lines->buffer + lines->start;
		size_t length = lines->end - lines->start;
		char *newline = length > 0 ? memchr(start, '\n', length) : NULL;

		if (!newline)
			return false;
		lines->start += (size_t)(newline - start) + 1;
		if (!lines->skipping) {
			*ret = start;
			*ret_length = (size_t)(newline - start);
			return true;
		}
		lines->skipping = false;
	}
}

/* What no line of ours can be is skipped up to its newline. */
static void make_room(struct trail_lines *lines)
{
	size_t left = lines->end - lines->start;

	if (left == TRAIL_LINE_MAX || lines->skipping) {
		if (!lines->skipping)
			lines->overlong++;
		lines->skipping = true;
		left = 0;
	} else if (left > 0 && lines->start > 0) {
		memmove(lines->buffer, lines->buffer + lines->start, left);
	}
	lines->start = 0;
	lines->end = left;
}

/* Half a line at the end of a file stays half: what comes next begins with a new one. */
static void drop_half(struct trail_lines *lines)
{
	if (lines->end > lines->start && !lines->skipping)
		lines->halves++;
	lines->start = lines->end = 0;
	lines->skipping = false;
}

/* The file was copied and truncated: it begins anew. */
static void notice_truncation(struct trail_lines *lines, int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (at <= 0 || fstat(fd, &st) < 0 || st.st_size >= at)
		return;
	drop_half(lines);
	(void)lseek(fd, 0, SEEK_SET);
}

/* Returns 1 if there is more in the buffer, 0 if there is nothing now, or -errno. */
static int fill(struct trail_lines *lines)
{
	make_room(lines);
	while (lines->at < lines->files.n_items) {
		int fd = lines->files.items[lines->at].fd;
		ssize_t n =
			read(fd, lines->buffer + lines->end, TRAIL_LINE_MAX - lines->end);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		lines->n_read += (uint64_t)n;
		lines->end += (size_t)n;
		if (n > 0)
			return 1;
		if (lines->follow && lines->files.directory &&
		    lines->at + 1 == lines->files.n_items) {
			notice_truncation(lines, fd);
			return 0;
		}
		drop_half(lines);
		lines->at++;
	}
	lines->ended = true;
	return 0;
}

int trail_lines_next(struct trail_lines *lines, char **ret, size_t *ret_length)
{
	while (!take_line(lines, ret, ret_length)) {
		int r = fill(lines);

		if (r <= 0)
			return r;
	}
	return 1;
}

/* What has been read to its end is not needed any more. */
static void drop_read_files(struct trail_lines *lines)
{
	struct trail_files *files = &lines->files;

	for (size_t i = 0; i < lines->at; i++)
		close(files->items[i].fd);
	files->n_items -= lines->at;
	memmove(files->items, files->items + lines->at,
		files->n_items * sizeof(files->items[0]));
	lines->at = 0;
}

bool trail_lines_wait(struct trail_lines *lines)
{
	char events[4096];
	struct pollfd poller = {
		.fd = lines->files.directory ? lines->inotify : STDIN_FILENO,
		.events = POLLIN,
	};

	if (lines->ended)
		return false;
	(void)poll(&poller, 1, WAIT_MS);
	while (lines->inotify >= 0 && read(lines->inotify, events, sizeof(events)) > 0)
		;
	drop_read_files(lines);
	(void)trail_files_refresh(&lines->files);
	return true;
}

int trail_lines_contain(struct trail_lines *lines, const char *needle)
{
	size_t length = strlen(needle);
	int r;

	lines->start = lines->end = 0;
	while ((r = fill(lines)) > 0) {
		if (memmem(lines->buffer, lines->end, needle, length))
			return 1;
		/* It may stand across two readings. */
		if (lines->end >= length)
			lines->start = lines->end - length + 1;
	}
	return r;
}
