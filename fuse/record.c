/* SPDX-License-Identifier: Apache-2.0 */
/* A record as auditd's text: encodes what a user could forge with, splits what is too
 * long. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fuse/record-encode.h"

#define PARTS_MAX 99 /* the room kept for part=K/N is two digits each */
#define SHORT_VALUE_MAX \
	512 /* bytes as written; longer values may be cut at the end of a part */
#define CHUNK_MIN  32	/* bytes of a value; a smaller rest of a part is left empty */
#define BUFFER_MIN 1024 /* one prefix and one short value fit */

/* Writes one part and measures all. */
struct writer {
	const struct record *record;
	char *buffer;
	size_t size;   /* of a part, NUL included */
	size_t length; /* of the current part */
	size_t pad;    /* room kept so that the cuts do not depend on how many parts there
			  are */
	unsigned part; /* current */
	unsigned wanted;  /* the one that goes to buffer; UINT_MAX: none */
	unsigned n_parts; /* as far as known */
};

static size_t room(const struct writer *w)
{
	size_t used = w->length + w->pad + 1;

	return used < w->size ? w->size - used : 0;
}

static void put(struct writer *w, const char *bytes, size_t n)
{
	if (w->part == w->wanted && w->length + n < w->size)
		memcpy(w->buffer + w->length, bytes, n);
	w->length += n;
}

static void put_name(struct writer *w, const struct field *field)
{
	if (w->length > 0)
		put(w, " ", 1);
	put(w, field->name, strlen(field->name));
	put(w, "=", 1);
}

/* Which bytes end a field or begin another in some tool that reads the log: ausearch
 * splits at ' ', takes the first "res=" anywhere, and ends msg='...' at a quote; 0x1d
 * separates auditd's own interpretations; a newline ends the record. Those >= 0x7f are
 * nobody's text for sure. */
static bool byte_is_plain(unsigned char byte)
{
	return byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\'' && byte != '=';
}

/* 0 if the byte has no readable stand-in. */
static char prose_byte(unsigned char byte)
{
	switch (byte) {
	case ' ':
		return '-';
	case '"':
	case '\'':
		return '`';
	case '=':
		return ':';
	default:
		return byte_is_plain(byte) ? (char)byte : '\0';
	}
}

static bool value_is_plain(const struct field *field, const struct value *value)
{
	for (size_t i = 0; i < value->length; i++) {
		unsigned char byte = value_byte(value, i);

		if (field->form == FIELD_PROSE ? !prose_byte(byte) : !byte_is_plain(byte))
			return false;
	}
	return true;
}

/* Without quotes only what cannot be taken for hex. */
static bool value_is_word(const struct field *field, const struct value *value)
{
	if (field->form != FIELD_WORD || value->length == 0)
		return false;
	return strspn(value->text, "abcdefghijklmnopqrstuvwxyz-") == value->length &&
	       strspn(value->text, "abcdef") < value->length;
}

static void put_hex(struct writer *w, const struct value *value, size_t from, size_t n)
{
	char digits[256];

	while (n > 0) {
		size_t step = n < sizeof(digits) / 2 ? n : sizeof(digits) / 2;

		value_hex(value, from, step, digits);
		put(w, digits, 2 * step);
		from += step;
		n -= step;
	}
}

static void put_quoted(struct writer *w, const struct field *field,
		       const struct value *value)
{
	size_t of_text = value->length - strlen(value->suffix);

	put(w, "\"", 1);
	if (field->form == FIELD_PROSE) {
		for (size_t i = 0; i < of_text; i++)
			put(w, &(char){ prose_byte((unsigned char)value->text[i]) }, 1);
	} else {
		put(w, value->text, of_text);
	}
	put(w, value->suffix, strlen(value->suffix));
	put(w, "\"", 1);
}

static void put_value(struct writer *w, const struct field *field,
		      const struct value *value)
{
	char number[40];

	if (!field_is_text(field))
		put(w, number, value_format(field, value, number, sizeof(number)));
	else if (!value->text)
		put(w, "?", 1); /* unquoted, unlike a program that is called so */
	else if (value_is_word(field, value))
		put(w, value->text, value->length);
	else if (value_is_plain(field, value))
		put_quoted(w, field, value);
	else
		put_hex(w, value, 0, value->length);
}

static size_t written_length(const struct field *field, const struct value *value)
{
	char number[40];

	if (!field_is_text(field))
		return value_format(field, value, number, sizeof(number));
	if (!value->text)
		return 1;
	return value_is_plain(field, value) ? value->length + 2 : 2 * value->length;
}

static void begin_part(struct writer *w)
{
	char prefix[64];
	const struct field op = { .name = "op", .form = FIELD_WORD };
	const struct value value = { .text = w->record->op,
				     .length = strlen(w->record->op) };
	int n;

	w->length = 0;
	w->pad = w->n_parts < 10 ? 1 : 0;
	put_name(w, &op);
	put_value(w, &op, &value);
	n = snprintf(prefix, sizeof(prefix), " seqno=%" PRIu64 " part=%u/%u",
		     w->record->seqno, w->part + 1, w->n_parts);
	put(w, prefix, (size_t)n);
}

static void next_part(struct writer *w)
{
	if (w->part == w->wanted)
		w->buffer[w->length] = '\0';
	w->part++;
	begin_part(w);
}

/* Where a part ends in the middle of a value, the next begins with the rest under the
 * same name. */
static void put_chunks(struct writer *w, const struct field *field,
		       const struct value *value)
{
	size_t of_name = strlen(field->name) + 2;
	size_t from = 0;

	while (from < value->length && w->part < PARTS_MAX) {
		size_t left = value->length - from;
		size_t n;

		if (room(w) < of_name + 2 * CHUNK_MIN)
			next_part(w);
		n = (room(w) - of_name) / 2;
		if (n > left)
			n = left;
		put_name(w, field);
		put_hex(w, value, from, n);
		from += n;
	}
}

/* The short values first, so that the first part says who, what and why; then the long
 * ones. Returns how many parts there are. */
static unsigned write_parts(struct writer *w)
{
	struct value value;

	begin_part(w);
	for (int is_long = 0; is_long <= 1; is_long++) {
		for (size_t i = 0; i < n_record_fields; i++) {
			const struct field *field = &record_fields[i];
			size_t n;

			if (!field_value(field, w->record, &value))
				continue;
			if (field->form == FIELD_WORD || !strcmp(field->name, "seqno"))
				continue; /* in the prefix */
			n = written_length(field, &value);
			if ((n > SHORT_VALUE_MAX) != is_long)
				continue;
			if (is_long) {
				put_chunks(w, field, &value);
				continue;
			}
			if (room(w) < n + strlen(field->name) + 2)
				next_part(w);
			put_name(w, field);
			put_value(w, field, &value);
		}
	}
	if (w->part == w->wanted)
		w->buffer[w->length] = '\0';
	return w->part + 1;
}

static void write_whole(struct writer *w)
{
	struct value value;

	for (size_t i = 0; i < n_record_fields; i++) {
		if (!field_value(&record_fields[i], w->record, &value))
			continue;
		put_name(w, &record_fields[i]);
		put_value(w, &record_fields[i], &value);
	}
	if (w->length < w->size)
		w->buffer[w->length] = '\0';
}

int record_format_audit(const struct record *record, unsigned part, char *buffer,
			size_t size)
{
	struct writer w = { .record = record, .buffer = buffer, .size = size };
	unsigned n_parts;

	if (size > RECORD_TEXT_MAX)
		w.size = RECORD_TEXT_MAX;
	if (size < BUFFER_MIN || strlen(record->op) > 64)
		return -E2BIG;

	write_whole(&w);
	if (w.length < w.size)
		return part == 0 ? (int)w.length : 0;

	w = (struct writer){
		.record = record, .size = w.size, .wanted = UINT_MAX, .n_parts = PARTS_MAX
	};
	n_parts = write_parts(&w);
	if (n_parts > PARTS_MAX)
		return -E2BIG;
	if (part >= n_parts)
		return 0;
	w = (struct writer){ .record = record,
			     .buffer = buffer,
			     .size = w.size,
			     .wanted = part,
			     .n_parts = n_parts };
	(void)write_parts(&w);
	return (int)strlen(buffer);
}
