/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of an INI text as events. inih reads them; what inih would misread does not
 * get there.
 *
 * inih (inih.h, "INI_MAX_LINE" and its kin) takes the rest of an overlong line for a new
 * line, cuts long names silently, takes an indented line for more of the one above, skips
 * a byte order mark, accepts ':' for '=', ignores what follows ']', stops at a NUL. Each
 * of these is a defect here. */
#pragma once

#include <stddef.h>

/* Of a line, without its newline: inih's 200 bytes are for it, the newline and a NUL. */
#define INI_LINE_MAX 198
/* Of what stands between "[" and "]", and of a key: 50 bytes in inih, with a NUL. */
#define INI_NAME_MAX 49

/* What is told, in the order of the lines; all strings are valid during the call only. */
struct ini_sink {
	/* [HEADER]; NULL if it could not be read (a defect told that), so that what
	 * follows belongs to no section. */
	void (*section)(void *data, unsigned line, const char *header);
	/* KEY = VALUE, both trimmed; the value may be empty, and be changed in place. */
	void (*entry)(void *data, unsigned line, const char *key, char *value);
	/* Something is wrong with a line; what and what to do. */
	void (*defect)(void *data, unsigned line, const char *text);
};

/* Reads `length` bytes of text. Returns 0, also with defects, or -ENOMEM. */
int ini_read(const char *text, size_t length, const struct ini_sink *sink, void *data);
