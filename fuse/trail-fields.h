/* SPDX-License-Identifier: Apache-2.0 */
/* A record from its written fields: what record-encode.h writes, read back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "fuse/record-encode.h"
#include "fuse/trail.h"

#define TRAIL_FIELDS_MAX 48

/* The bytes of one string. */
struct trail_text {
	char *bytes; /* NUL-terminated when the record is complete */
	size_t length, room;
	bool is_known;
};

/* A record under construction, and the memory of its strings. */
struct trail_draft {
	struct trail_event event;
	struct trail_text texts[TRAIL_FIELDS_MAX]; /* as record_fields[] */
	bool has[TRAIL_FIELDS_MAX];		   /* which fields there are */
	char node[256];
	size_t hint; /* where the search for a field's name begins */
	unsigned part, n_parts;
	bool resent, refused;
	uint64_t guard_pid;
};

/* Empties it, keeping its memory. */
void trail_draft_reset(struct trail_draft *draft);
void trail_draft_fini(struct trail_draft *draft);

/* The field of that name, or NULL. */
const struct field *trail_field(struct trail_draft *draft, const char *name);

/* Sets a field from bytes that are decoded already, or from text that auditd's log or a
 * JSON string has for a number. Returns 0, -EINVAL for what no guard writes (such as the
 * same field twice), or -ENOMEM. */
int trail_set_text(struct trail_draft *draft, const struct field *field,
		   const char *bytes, size_t length);
int trail_set_hex(struct trail_draft *draft, const struct field *field,
		  const char *digits, size_t length);
int trail_set_number(struct trail_draft *draft, const struct field *field,
		     uint64_t number);
int trail_set_written(struct trail_draft *draft, const struct field *field,
		      const char *written);
int trail_set_time(struct trail_draft *draft, const struct field *field,
		   const struct timespec *time);

/* A string whose value is unknown. */
int trail_set_unknown(struct trail_draft *draft, const struct field *field);

/* Adds the fields of the next part: a string that is there already goes on. Returns 0, or
 * -ENOMEM. */
int trail_draft_append(struct trail_draft *draft, const struct trail_draft *part);

/* After the last field: makes event.record whole; of a part, only its op. Returns 0, or
 * -EINVAL if what each record has is missing. */
int trail_draft_finish(struct trail_draft *draft);
