/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the file that audit=file:PATH writes, through jansson. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuse/trail-line.h"
#include "fuse/util.h"

/* A number of so many digits, and the character behind it. */
static int read_part(const char **text, unsigned n_digits, char end, int *ret)
{
	*ret = 0;
	for (; n_digits > 0; n_digits--, ++*text) {
		if (**text < '0' || **text > '9')
			return -EINVAL;
		*ret = *ret * 10 + (**text - '0');
	}
	return *(*text)++ == end ? 0 : -EINVAL;
}

/* 2026-11-23T10:00:00.123456Z. Not with strptime(3): a million records are read at a
 * time. */
static int read_time(const json_t *value, struct timespec *ret)
{
	const char *text = json_string_value(value);
	struct tm tm = { 0 };
	int micros;

	if (!text || read_part(&text, 4, '-', &tm.tm_year) < 0 ||
	    read_part(&text, 2, '-', &tm.tm_mon) < 0 ||
	    read_part(&text, 2, 'T', &tm.tm_mday) < 0 ||
	    read_part(&text, 2, ':', &tm.tm_hour) < 0 ||
	    read_part(&text, 2, ':', &tm.tm_min) < 0 ||
	    read_part(&text, 2, '.', &tm.tm_sec) < 0 ||
	    read_part(&text, 6, 'Z', &micros) < 0 || *text != '\0')
		return -EINVAL;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret = (struct timespec){ timegm(&tm), (long)micros * 1000 };
	return 0;
}

static int set_null(struct trail_draft *draft, const struct field *field)
{
	if (field->form == FIELD_ID || field->form == FIELD_OWNER)
		return trail_set_number(draft, field, UINT32_MAX);
	if (!field_is_text(field))
		return -EINVAL;
	return trail_set_unknown(draft, field);
}

static int set_string(struct trail_draft *draft, const struct field *field,
		      const json_t *value)
{
	struct timespec time;

	if (field_is_text(field))
		return trail_set_text(draft, field, json_string_value(value),
				      json_string_length(value));
	if (field->form != FIELD_TIME)
		return trail_set_written(draft, field, json_string_value(value));
	if (read_time(value, &time) < 0)
		return -EINVAL;
	return trail_set_time(draft, field, &time);
}

/* NAME_hex holds what is not UTF-8. */
static int set_hex_member(struct trail_draft *draft, const char *name,
			  const json_t *value)
{
	size_t length = strlen(name);
	const struct field *field;
	char plain[32];

	if (length < 5 || length - 4 >= sizeof(plain) ||
	    strcmp(name + length - 4, "_hex") != 0)
		return 0; /* of a later version */
	memcpy(plain, name, length - 4);
	plain[length - 4] = '\0';
	field = trail_field(draft, plain);
	if (!field)
		return 0;
	if (!json_is_string(value))
		return -EINVAL;
	return trail_set_hex(draft, field, json_string_value(value),
			     json_string_length(value));
}

static int set_member(struct trail_draft *draft, const char *name, const json_t *value)
{
	const struct field *field = trail_field(draft, name);

	if (!field)
		return set_hex_member(draft, name, value);
	switch (json_typeof(value)) {
	case JSON_NULL:
		return set_null(draft, field);
	case JSON_STRING:
		return set_string(draft, field, value);
	case JSON_INTEGER:
		if (json_integer_value(value) < 0)
			return -EINVAL;
		return trail_set_number(draft, field,
					(uint64_t)json_integer_value(value));
	default:
		return -EINVAL;
	}
}

static int read_kind(const json_t *value, struct record *record)
{
	static const char *const kinds[] = {
		[RECORD_DECISION] = "decision",
		[RECORD_CONFIG] = "config",
		[RECORD_LIFECYCLE] = "lifecycle",
		[RECORD_INTEGRITY] = "integrity",
	};
	const char *word = json_string_value(value);

	for (size_t i = 0; word && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(word, kinds[i]) == 0) {
			record->kind = (enum record_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int read_result(const json_t *value, struct record *record)
{
	const char *word = json_string_value(value);

	if (!word || (strcmp(word, "success") != 0 && strcmp(word, "failed") != 0))
		return -EINVAL;
	record->success = strcmp(word, "success") == 0;
	return 0;
}

static int read_object(json_t *object, struct trail_draft *draft)
{
	struct record *record = &draft->event.record;
	const char *name;
	json_t *value;
	int r = 0;

	if (read_time(json_object_get(object, "time"), &record->time) < 0 ||
	    read_kind(json_object_get(object, "type"), record) < 0 ||
	    read_result(json_object_get(object, "res"), record) < 0)
		return -EINVAL;
	json_object_foreach(object, name, value)
	{
		if (strcmp(name, "time") != 0 && strcmp(name, "type") != 0 &&
		    strcmp(name, "res") != 0)
			r = set_member(draft, name, value);
		if (r < 0)
			return r;
	}
	return 0;
}

int trail_json_read(const char *line, size_t length, struct trail_draft *draft)
{
	_cleanup_(json_decrefp) json_t *object = NULL;
	int r;

	object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	trail_draft_reset(draft);
	if (!object)
		return TRAIL_LINE_BROKEN;
	if (!json_is_object(object) || !json_object_get(object, "op") ||
	    !json_object_get(object, "seqno"))
		return TRAIL_LINE_FOREIGN;
	r = read_object(object, draft);
	if (r == -ENOMEM)
		return r;
	return r == 0 ? TRAIL_LINE_RECORD : TRAIL_LINE_BROKEN;
}
