/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of a mount namespace. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/doctor-files.h"
#include "fuse/mountinfo.h"

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blanks and backslashes are written as \040. */
static char *unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && is_octal(in[1]) && is_octal(in[2]) &&
		    is_octal(in[3])) {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 |
					(in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return text;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse_line(char *line, struct mount_entry *ret)
{
	char *left[5], *right[3], *state = NULL, *separator = strstr(line, " - ");

	if (!separator)
		return false;
	*separator = '\0';
	for (size_t i = 0; i < 5; i++) {
		left[i] = strtok_r(i == 0 ? line : NULL, " ", &state);
		if (!left[i])
			return false;
	}
	state = NULL;
	for (size_t i = 0; i < 3; i++) {
		right[i] = strtok_r(i == 0 ? separator + 3 : NULL, " ", &state);
		if (!right[i] && i < 2)
			return false;
	}
	if (sscanf(left[2], "%u:%u", &ret->major, &ret->minor) != 2)
		return false;
	ret->root = unescape(left[3]);
	ret->point = unescape(left[4]);
	ret->type = right[0];
	ret->source = unescape(right[1]);
	ret->options = right[2] ? right[2] : "";
	return true;
}

int mounts_parse(char *text, struct mounts *ret)
{
	size_t n = 1;
	char *state = NULL;

	*ret = (struct mounts){ .text = text };
	for (const char *at = text; *at; at++)
		n += *at == '\n';
	ret->items = calloc(n, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (char *line = strtok_r(text, "\n", &state); line;
	     line = strtok_r(NULL, "\n", &state)) {
		if (parse_line(line, &ret->items[ret->n_items]))
			ret->n_items++;
	}
	return 0;
}

void mounts_fini(struct mounts *mounts)
{
	free(mounts->items);
	free(mounts->text);
	*mounts = (struct mounts){ 0 };
}

/* Of two that the path is below, the deeper one; of two in one place, the later one. */
const struct mount_entry *mounts_find(const struct mounts *mounts, const char *path)
{
	const struct mount_entry *found = NULL;

	for (size_t i = 0; i < mounts->n_items; i++) {
		const struct mount_entry *entry = &mounts->items[i];

		if (path_covers(entry->point, path) &&
		    (!found || strlen(entry->point) >= strlen(found->point)))
			found = entry;
	}
	return found;
}
