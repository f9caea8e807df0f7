/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one line of JSON, for hosts and containers without audit. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuse/record-encode.h"

static const char *const kind_names[] = {
	[RECORD_DECISION] = "decision",
	[RECORD_CONFIG] = "config",
	[RECORD_LIFECYCLE] = "lifecycle",
};

static json_t *json_time(const struct timespec *time)
{
	char text[64];
	struct tm tm;
	size_t n;

	if (!gmtime_r(&time->tv_sec, &tm))
		return json_null();
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, sizeof(text) - n, ".%06ldZ", time->tv_nsec / 1000);
	return json_string(text);
}

/* JSON has no type for what does not fit into a signed number: a string then. */
static json_t *json_number(uint64_t number)
{
	char text[24];

	if (number <= INT64_MAX)
		return json_integer((json_int_t)number);
	(void)snprintf(text, sizeof(text), "%" PRIu64, number);
	return json_string(text);
}

static int set(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) < 0 ? -ENOMEM : 0;
}

static int set_hex(json_t *object, const char *name, const struct value *value)
{
	char *digits = malloc(2 * value->length + 1);
	char name_hex[32];
	int r;

	if (!digits)
		return -ENOMEM;
	value_hex(value, 0, value->length, digits);
	digits[2 * value->length] = '\0';
	(void)snprintf(name_hex, sizeof(name_hex), "%s_hex", name);
	r = set(object, name_hex, json_string(digits));
	free(digits);
	return r;
}

static int set_text(json_t *object, const struct field *field, const struct value *value)
{
	json_t *text;

	if (!value->text)
		return set(object, field->name, json_null());
	text = json_sprintf("%s%s", value->text, value->suffix);
	if (!text) /* not UTF-8; if it was memory, hex will say so */
		return set_hex(object, field->name, value);
	return set(object, field->name, text);
}

static int set_field(json_t *object, const struct field *field, const struct value *value)
{
	char text[40];

	switch (field->form) {
	case FIELD_WORD:
	case FIELD_TEXT:
	case FIELD_PROSE:
	case FIELD_RULE:
		return set_text(object, field, value);
	case FIELD_ID:
	case FIELD_OWNER:
		if (value->number == UINT32_MAX)
			return set(object, field->name, json_null());
		return set(object, field->name, json_number(value->number));
	case FIELD_NUMBER:
		return set(object, field->name, json_number(value->number));
	case FIELD_TIME:
		return set(object, field->name, json_time(&value->time));
	case FIELD_OCTAL:
	case FIELD_FLAGS:
	case FIELD_DEVICE:
		break;
	}
	(void)value_format(field, value, text, sizeof(text));
	return set(object, field->name, json_string(text));
}

static int fill(json_t *object, const struct record *record)
{
	struct timespec time = record->time;
	struct value value;
	int r;

	if (time.tv_sec == 0 && time.tv_nsec == 0)
		(void)clock_gettime(CLOCK_REALTIME, &time);
	r = set(object, "time", json_time(&time));
	if (r == 0)
		r = set(object, "type", json_string(kind_names[record->kind]));
	if (r == 0)
		r = set(object, "res",
			json_string(record->success ? "success" : "failed"));
	for (size_t i = 0; r == 0 && i < n_record_fields; i++)
		if (field_value(&record_fields[i], record, &value))
			r = set_field(object, &record_fields[i], &value);
	return r;
}

/* The line of a text, in memory of its own. ASCII has one control byte that JSON does not
 * escape: DEL. */
static char *make_line(const char *text)
{
	static const char escaped[] = "\\u007f";
	size_t n_escaped = 0;
	char *line, *end;

	for (const char *c = text; *c; c++)
		n_escaped += *c == 0x7f;
	line = end = malloc(strlen(text) + n_escaped * strlen(escaped) + 2);
	if (!line)
		return NULL;
	for (; *text; text++) {
		if (*text == 0x7f)
			end = stpcpy(end, escaped);
		else
			*end++ = *text;
	}
	memcpy(end, "\n", 2);
	return line;
}

/* ASCII only: no terminal that shows the file is at the mercy of a name in it. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII)

/* json_dumps(3) leaves out a key that it has no memory for (2.14): so the memory is there
 * first. */
static char *dump(const json_t *object)
{
	size_t size = json_dumpb(object, NULL, 0, DUMP_FLAGS);
	char *text = size > 0 ? malloc(size + 1) : NULL;

	if (!text)
		return NULL;
	if (json_dumpb(object, text, size, DUMP_FLAGS) != size) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

int record_format_json(const struct record *record, char **ret)
{
	json_t *object = json_object();
	char *text = NULL, *line = NULL;
	int r;

	if (!object)
		return -ENOMEM;
	r = fill(object, record);
	if (r == 0)
		text = dump(object);
	json_decref(object);
	if (text)
		line = make_line(text);
	free(text);
	if (!line)
		return -ENOMEM;
	*ret = line;
	return 0;
}
