/* SPDX-License-Identifier: Apache-2.0 */
/* Which files an interrupted verification has found right already: a line for each. */
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "fuse/util.h"
#include "fuse/verify-state.h"

#define LINE_SIZE 256

struct verify_state {
	char *path;
	FILE *file;
	void *lines; /* tsearch(3), of strings */
};

static int compare(const void *one, const void *other)
{
	return strcmp(one, other);
}

static void print_line(const struct digest *digest, const struct stat *st,
		       char ret[LINE_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	snprintf(ret, LINE_SIZE, "%s %jx:%ju %jd %jd.%09ld %jd.%09ld\n", hex,
		 (uintmax_t)st->st_dev, (uintmax_t)st->st_ino, (intmax_t)st->st_size,
		 (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		 (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/* Half a line at the end is no line of ours: it equals none. */
static int read_lines(struct verify_state *state)
{
	char line[LINE_SIZE];

	while (fgets(line, sizeof(line), state->file)) {
		char *copy = strdup(line), **found;

		found = copy ? tsearch(copy, &state->lines, compare) : NULL;
		if (!found || *found != copy)
			free(copy);
		if (!found)
			return -ENOMEM;
	}
	return ferror(state->file) ? -EIO : 0;
}

static int open_file(const char *path)
{
	_cleanup_(closep) int fd = RET_ERRNO(
		open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return -EPERM;
	return take_fd(&fd);
}

int verify_state_open(const char *path, struct verify_state **ret)
{
	struct verify_state *state = calloc(1, sizeof(*state));
	int fd = state ? open_file(path) : -ENOMEM, r;

	if (fd < 0) {
		free(state);
		return fd;
	}
	state->path = strdup(path);
	state->file = fdopen(fd, "a+");
	r = state->path && state->file ? read_lines(state) : -ENOMEM;
	if (r < 0) {
		verify_state_close(state, false);
		return r;
	}
	*ret = state;
	return 0;
}

bool verify_state_has(const struct verify_state *state, const struct digest *digest,
		      const struct stat *st)
{
	char line[LINE_SIZE];

	print_line(digest, st, line);
	return tfind(line, &state->lines, compare);
}

void verify_state_add(struct verify_state *state, const struct digest *digest,
		      const struct stat *st)
{
	char line[LINE_SIZE];

	print_line(digest, st, line);
	fputs(line, state->file);
	fflush(state->file);
}

struct verify_state *verify_state_close(struct verify_state *state, bool done)
{
	if (!state)
		return NULL;
	if (state->file)
		fclose(state->file);
	if (done)
		unlink(state->path);
	tdestroy(state->lines, free);
	free(state->path);
	free(state);
	return NULL;
}
