/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: files under its root, and the lines in them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "fuse/doctor.h"

/* Opens a path below the root; links in it do not lead out of it. A descriptor or
 * -errno. */
int doctor_open(const struct doctor *doctor, const char *path, int flags);

/* A whole file: *ret is NUL-terminated and the caller's. 0 or -errno; -EFBIG beyond 16
 * MiB. */
int doctor_read(const struct doctor *doctor, const char *path, char **ret);

/* The target of a link, NUL-terminated. 0 or -errno. */
int doctor_readlink(const struct doctor *doctor, const char *path, char *buffer,
		    size_t size);

/* The path as it is for a call that takes one: the caller's, NULL without memory. */
char *doctor_path(const struct doctor *doctor, const char *path);

/* The names in a directory, without those that begin with a dot; each is passed on with
 * the path of the directory. 0, or -errno if it cannot be read. */
int doctor_each_name(struct doctor *doctor, const char *directory,
		     void (*each)(struct doctor *doctor, const char *directory,
				  const char *name, void *data),
		     void *data);

/* Cuts the next line off a text, without blanks around it. NULL at the end. A backslash
 * at its end joins the next one to it. Start with *state = text. */
char *doctor_next_line(char **state);

/* Cuts KEY = VALUE in two; the key becomes small letters without blanks. False: there is
 * no '='. */
bool doctor_cut_setting(char *line, char **ret_key, char **ret_value);

/* The last value that a text of KEY = VALUE lines has for a key; # and ; begin comments.
 * The caller's; NULL: it is not set, or no memory. */
char *doctor_setting(const char *text, const char *key);

/* Whether one path is the other, or below it. Without slashes at the end, but for "/". */
bool path_covers(const char *directory, const char *path);
