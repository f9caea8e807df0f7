/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one line of JSON, for hosts and containers without audit. It is written
 * straight into one buffer: building an object first takes most of the time of whoever
 * prints a million. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuse/record-encode.h"

static const char *const kind_names[] = {
	[RECORD_DECISION] = "decision",
	[RECORD_CONFIG] = "config",
	[RECORD_LIFECYCLE] = "lifecycle",
	[RECORD_INTEGRITY] = "integrity",
};

/* ASCII only: no terminal that shows the file is at the mercy of a name in it. A byte
 * makes six characters at most ("\u001F"); four bytes make twelve. */
#define CHARS_PER_BYTE 6
#define MEMBER_CHARS   64 /* a name, "_hex", punctuation, and any value but a string */

/* Digits, with zeros in front up to a width. */
static char *put_number(char *out, uint64_t number, unsigned width)
{
	char digits[24];
	unsigned n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (n < width)
		digits[n++] = '0';
	while (n > 0)
		*out++ = digits[--n];
	return out;
}

static char *put_time(char *out, const struct timespec *time)
{
	struct tm tm;

	if (!gmtime_r(&time->tv_sec, &tm))
		return stpcpy(out, "null");
	*out++ = '"';
	out += strftime(out, MEMBER_CHARS / 2, "%Y-%m-%dT%H:%M:%S", &tm);
	*out++ = '.';
	out = put_number(out, (uint64_t)time->tv_nsec / 1000, 6);
	return stpcpy(out, "Z\"");
}

/* JSON has no type for what does not fit into a signed number: a string then. */
static char *put_json_number(char *out, uint64_t number)
{
	bool quoted = number > INT64_MAX;

	if (quoted)
		*out++ = '"';
	out = put_number(out, number, 1);
	if (quoted)
		*out++ = '"';
	return out;
}

/* The character that a string begins with, by RFC 3629: how many bytes it has, or 0 if it
 * is none. */
static unsigned decode(const unsigned char *bytes, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned n = *bytes < 0x80	       ? 1
		     : (*bytes & 0xe0) == 0xc0 ? 2
		     : (*bytes & 0xf0) == 0xe0 ? 3
		     : (*bytes & 0xf8) == 0xf0 ? 4
					       : 0;

	if (n <= 1) {
		*ret = *bytes;
		return n;
	}
	*ret = *bytes & (0x7fU >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((bytes[i] & 0xc0) != 0x80) /* also at the NUL */
			return 0;
		*ret = *ret << 6 | (bytes[i] & 0x3f);
	}
	if (*ret < least[n] || *ret > 0x10ffff || (*ret >= 0xd800 && *ret <= 0xdfff))
		return 0;
	return n;
}

static char *put_unit(char *out, uint32_t unit)
{
	static const char digits[] = "0123456789ABCDEF";

	out = stpcpy(out, "\\u");
	for (int shift = 12; shift >= 0; shift -= 4)
		*out++ = digits[unit >> shift & 0xf];
	return out;
}

static char *put_character(char *out, uint32_t character)
{
	static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *which;

	if (character >= 0x20 && character < 0x7f && character != '"' &&
	    character != '\\') {
		*out++ = (char)character;
		return out;
	}
	which = character < 0x7f ? strchr(escaped, (int)character) : NULL;
	if (which) {
		*out++ = '\\';
		*out++ = letters[which - escaped];
		return out;
	}
	if (character < 0x10000)
		return put_unit(out, character);
	character -= 0x10000;
	return put_unit(put_unit(out, 0xd800 | character >> 10),
			0xdc00 | (character & 0x3ff));
}

/* NULL if it is not UTF-8. */
static char *put_characters(char *out, const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t character;
	unsigned n;

	while (*bytes) {
		n = decode(bytes, &character);
		if (n == 0)
			return NULL;
		out = put_character(out, character);
		bytes += n;
	}
	return out;
}

static char *put_name(char *out, const char *name, const char *suffix)
{
	*out++ = ',';
	*out++ = '"';
	out = stpcpy(stpcpy(out, name), suffix);
	return stpcpy(out, "\":");
}

static char *put_hex(char *out, const char *name, const struct value *value)
{
	out = put_name(out, name, "_hex");
	*out++ = '"';
	value_hex(value, 0, value->length, out);
	out += 2 * value->length;
	*out++ = '"';
	return out;
}

static char *put_text(char *out, const struct field *field, const struct value *value)
{
	char *end = put_name(out, field->name, "");

	if (!value->text)
		return stpcpy(end, "null");
	*end++ = '"';
	end = put_characters(end, value->text);
	if (!end)
		return put_hex(out, field->name, value);
	end = put_characters(end, value->suffix);
	*end++ = '"';
	return end;
}

static char *put_field(char *out, const struct field *field, const struct value *value)
{
	if (field_is_text(field))
		return put_text(out, field, value);
	out = put_name(out, field->name, "");
	switch (field->form) {
	case FIELD_ID:
	case FIELD_OWNER:
		if (value->number == UINT32_MAX)
			return stpcpy(out, "null");
		return put_json_number(out, value->number);
	case FIELD_NUMBER:
		return put_json_number(out, value->number);
	case FIELD_TIME:
		return put_time(out, &value->time);
	default:
		*out++ = '"';
		out += value_format(field, value, out, MEMBER_CHARS / 2 + 8);
		*out++ = '"';
		return out;
	}
}

/* Enough characters for a record. */
static size_t bound(const struct record *record)
{
	size_t n = 3 * MEMBER_CHARS; /* time, type, res */
	struct value value;

	for (size_t i = 0; i < n_record_fields; i++)
		if (field_value(&record_fields[i], record, &value))
			n += 2 * MEMBER_CHARS + CHARS_PER_BYTE * value.length;
	return n;
}

int record_format_json(const struct record *record, char **ret)
{
	struct timespec time = record->time;
	char *line = malloc(bound(record)), *out = line;
	struct value value;

	if (!line)
		return -ENOMEM;
	if (time.tv_sec == 0 && time.tv_nsec == 0)
		(void)clock_gettime(CLOCK_REALTIME, &time);
	out = put_time(stpcpy(out, "{\"time\":"), &time);
	out = stpcpy(stpcpy(out, ",\"type\":\""), kind_names[record->kind]);
	out = stpcpy(out, "\",\"res\":\"");
	out = stpcpy(out, record->success ? "success\"" : "failed\"");
	for (size_t i = 0; i < n_record_fields; i++)
		if (field_value(&record_fields[i], record, &value))
			out = put_field(out, &record_fields[i], &value);
	strcpy(out, "}\n");
	*ret = line;
	return 0;
}
