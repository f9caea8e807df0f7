/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a trail into a draft: in auditd's form, and as JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "fuse/trail-fields.h"

enum trail_line {
	TRAIL_LINE_RECORD,  /* a record, or a part of one */
	TRAIL_LINE_FOREIGN, /* not the guard's */
	TRAIL_LINE_BROKEN,  /* the guard's, but not as the guard writes it */
};

struct trail_auditd;

/* NULL without memory. */
struct trail_auditd *trail_auditd_new(void);
struct trail_auditd *trail_auditd_free(struct trail_auditd *parser);

/* Whether a line of auditd's log looks like one of the guard's: cheap. */
bool trail_auditd_is_ours(const char *line, size_t length);

/* Reads a line, without its newline, that looks like one of the guard's; it is cut where
 * the record ends. The draft is reset first. Returns an enum trail_line, or -ENOMEM. */
int trail_auditd_read(struct trail_auditd *parser, char *line, size_t length,
		      struct trail_draft *draft);

/* The same of the file that audit=file:PATH writes. */
int trail_json_read(const char *line, size_t length, struct trail_draft *draft);
