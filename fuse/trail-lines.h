/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a trail's files, one after the other, and waiting for more. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/trail-files.h"

/* No record of the guard is longer: two encoded paths of 4,096 bytes in JSON. */
#define TRAIL_LINE_MAX (1 << 20)

struct trail_lines {
	struct trail_files files;
	size_t at; /* the file that is read */
	bool follow, ended;
	bool skipping; /* the rest of a line that was too long */
	char *buffer;
	size_t start, end;	  /* of what is not handed out yet */
	uint64_t n_read, n_total; /* bytes */
	uint64_t halves, overlong;
	int inotify; /* -1: none */
};

int trail_lines_open(struct trail_lines *lines, const char *input, bool follow,
		     char **ret_why);
void trail_lines_close(struct trail_lines *lines);

/* The next line without its newline, in the buffer, where it may be changed; it lives
 * until the next call. Returns 1, 0 at the end (for now, when following), or -errno. */
int trail_lines_next(struct trail_lines *lines, char **ret, size_t *ret_length);

/* After 0 while following: waits for a change, at most a second. False: there will be
 * none. */
bool trail_lines_wait(struct trail_lines *lines);

int trail_lines_rewind(struct trail_lines *lines);

/* Whether `needle` is anywhere in the files. 1, 0 or -errno. Rewind afterwards. */
int trail_lines_contain(struct trail_lines *lines, const char *needle);
