/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a record's fields, which both written forms walk. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "fuse/record.h"

enum field_form {
	FIELD_WORD,   /* one of our words */
	FIELD_TEXT,   /* any bytes, perhaps a user's */
	FIELD_PROSE,  /* a sentence of ours, which may quote a user's bytes */
	FIELD_RULE,   /* FILE:LINE */
	FIELD_NUMBER, /* decimal */
	FIELD_ID,     /* a uid or gid; all ones: unset */
	FIELD_OWNER,  /* the same, all ones: left as it was */
	FIELD_OCTAL,  /* with a leading 0 */
	FIELD_FLAGS,  /* hex: libauparse reads oflag= with base 16 */
	FIELD_DEVICE, /* MAJOR:MINOR, hex, as the kernel's own records have it */
	FIELD_TIME,   /* seconds.microseconds since the epoch */
};

struct field {
	const char *name; /* in both forms */
	enum field_form form;
	size_t offset;	 /* in struct record, or in struct actor */
	size_t size;	 /* of the member */
	bool of_actor;	 /* present when there is an actor */
	unsigned needed; /* bit of enum record_field, 0: present when not NULL or not 0 */
};

extern const struct field record_fields[];
extern const size_t n_record_fields;

/* What a field holds in one record. Borrowed from it. */
struct value {
	const char *text; /* NULL: not a string, or a string that is unknown */
	size_t length;	  /* of text and suffix */
	char suffix[12];  /* FIELD_RULE: ":31" */
	uint64_t number;
	struct timespec time;
};

/* True if the record has this field; *ret is set only then. */
bool field_value(const struct field *field, const struct record *record,
		 struct value *ret);

/* True if the field's value is a string (which may be unknown). */
bool field_is_text(const struct field *field);

/* Byte `index` < value->length of a string. */
unsigned char value_byte(const struct value *value, size_t index);

/* A number, id, device or time as auditd's text has it. Returns the length; size >= 40.
 */
size_t value_format(const struct field *field, const struct value *value, char *buffer,
		    size_t size);

/* Writes 2 * n upper-case digits for bytes from..from+n of a string; no NUL. */
void value_hex(const struct value *value, size_t from, size_t n, char *buffer);
