/* SPDX-License-Identifier: Apache-2.0 */
/* A record from its written fields: what record-encode.h writes, read back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/trail-fields.h"

/* What the sink itself writes (audit-auditd.c), behind the back of who gives numbers, and
 * what modelguardctl writes, which is no guard. */
static bool is_without_number(const char *op)
{
	return strcmp(op, "wake") == 0 || strcmp(op, "verify") == 0 ||
	       strcmp(op, "keep") == 0;
}

void trail_draft_reset(struct trail_draft *draft)
{
	for (size_t i = 0; i < n_record_fields; i++) {
		draft->texts[i].length = 0;
		draft->texts[i].is_known = draft->has[i] = false;
	}
	draft->event = (struct trail_event){ .node = "" };
	draft->node[0] = '\0';
	draft->hint = 0;
	draft->part = draft->n_parts = 0;
	draft->resent = draft->refused = false;
	draft->guard_pid = 0;
}

void trail_draft_fini(struct trail_draft *draft)
{
	for (size_t i = 0; i < TRAIL_FIELDS_MAX; i++)
		free(draft->texts[i].bytes);
}

/* Fields come in the order of the table, so the next one is nearly always found at once.
 */
const struct field *trail_field(struct trail_draft *draft, const char *name)
{
	for (size_t i = 0; i < n_record_fields; i++) {
		size_t at = (draft->hint + i) % n_record_fields;

		if (strcmp(record_fields[at].name, name) == 0) {
			draft->hint = at + 1;
			return &record_fields[at];
		}
	}
	return NULL;
}

static void *member(const struct trail_draft *draft, const struct field *field)
{
	const char *base = field->of_actor ? (const char *)&draft->event.actor
					   : (const char *)&draft->event.record;

	return (char *)base + field->offset;
}

static struct trail_text *text_of(struct trail_draft *draft, const struct field *field)
{
	return &draft->texts[field - record_fields];
}

/* The record has this field now. An actor is there if any of its fields is. */
static void note_present(struct trail_draft *draft, const struct field *field)
{
	draft->has[field - record_fields] = true;
	draft->event.record.present |= field->needed;
	if (field->of_actor)
		draft->event.record.actor = &draft->event.actor;
}

static bool has(const struct trail_draft *draft, const struct field *field)
{
	return draft->has[field - record_fields];
}

/* Room for n more bytes and NUL. */
static int make_room(struct trail_text *text, size_t n)
{
	size_t wanted = text->length + n + 1;
	char *bytes;

	if (wanted <= text->room)
		return 0;
	wanted = wanted < 256 ? 256 : 2 * wanted;
	bytes = realloc(text->bytes, wanted);
	if (!bytes)
		return -ENOMEM;
	text->bytes = bytes;
	text->room = wanted;
	return 0;
}

static int add_bytes(struct trail_text *text, const char *bytes, size_t length)
{
	int r = make_room(text, length);

	if (r < 0)
		return r;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->is_known = true;
	return 0;
}

/* No name in the file system holds a NUL. */
int trail_set_text(struct trail_draft *draft, const struct field *field,
		   const char *bytes, size_t length)
{
	struct trail_text *text = text_of(draft, field);
	int r;

	if (!field_is_text(field) || has(draft, field) || memchr(bytes, '\0', length))
		return -EINVAL;
	r = add_bytes(text, bytes, length);
	if (r < 0)
		return r;
	note_present(draft, field);
	return 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int trail_set_hex(struct trail_draft *draft, const struct field *field,
		  const char *digits, size_t length)
{
	struct trail_text *text = text_of(draft, field);
	int r;

	if (!field_is_text(field) || has(draft, field) || length == 0 || length % 2 != 0)
		return -EINVAL;
	r = make_room(text, length / 2);
	if (r < 0)
		return r;
	for (size_t i = 0; i < length; i += 2) {
		int high = digit(digits[i]), low = digit(digits[i + 1]);

		if (high < 0 || low < 0 || high + low == 0)
			return -EINVAL;
		text->bytes[text->length++] = (char)(high << 4 | low);
	}
	text->is_known = true;
	note_present(draft, field);
	return 0;
}

int trail_set_number(struct trail_draft *draft, const struct field *field,
		     uint64_t number)
{
	uint32_t narrow = (uint32_t)number;

	if (field_is_text(field) || field->form == FIELD_TIME || has(draft, field))
		return -EINVAL;
	if (field->form == FIELD_DEVICE) {
		draft->event.record.dev_major = (uint32_t)(number >> 32);
		draft->event.record.dev_minor = narrow;
	} else if (field->size == sizeof(narrow)) {
		if (number != narrow)
			return -EINVAL;
		memcpy(member(draft, field), &narrow, sizeof(narrow));
	} else {
		memcpy(member(draft, field), &number, sizeof(number));
	}
	note_present(draft, field);
	return 0;
}

int trail_set_time(struct trail_draft *draft, const struct field *field,
		   const struct timespec *time)
{
	if (field->form != FIELD_TIME || has(draft, field))
		return -EINVAL;
	memcpy(member(draft, field), time, sizeof(*time));
	note_present(draft, field);
	return 0;
}

/* Decimal, octal or hex as the form has it, from the first digit to `end`. */
static int read_number(const char *text, int base, char end, uint64_t *ret,
		       const char **ret_rest)
{
	char *rest;

	if (digit(*text) < 0 && !(*text >= 'a' && *text <= 'f'))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &rest, base);
	if (errno != 0 || *rest != end)
		return -EINVAL;
	if (ret_rest)
		*ret_rest = rest + 1;
	return 0;
}

static int set_device(struct trail_draft *draft, const struct field *field,
		      const char *written)
{
	uint64_t major, minor;

	if (read_number(written, 16, ':', &major, &written) < 0 ||
	    read_number(written, 16, '\0', &minor, NULL) < 0 || major > UINT32_MAX ||
	    minor > UINT32_MAX)
		return -EINVAL;
	return trail_set_number(draft, field, major << 32 | minor);
}

/* seconds.microseconds, six digits. */
static int set_written_time(struct trail_draft *draft, const struct field *field,
			    const char *written)
{
	uint64_t seconds, micros;

	if (read_number(written, 10, '.', &seconds, &written) < 0 ||
	    strlen(written) != 6 || read_number(written, 10, '\0', &micros, NULL) < 0)
		return -EINVAL;
	return trail_set_time(draft, field,
			      &(struct timespec){ (time_t)seconds, (long)micros * 1000 });
}

int trail_set_written(struct trail_draft *draft, const struct field *field,
		      const char *written)
{
	uint64_t number;
	int base = 10;

	switch (field->form) {
	case FIELD_DEVICE:
		return set_device(draft, field, written);
	case FIELD_TIME:
		return set_written_time(draft, field, written);
	case FIELD_OWNER:
		if (strcmp(written, "-1") == 0)
			return trail_set_number(draft, field, UINT32_MAX);
		break;
	case FIELD_OCTAL:
		base = 8;
		break;
	case FIELD_FLAGS:
		base = 16;
		break;
	default:
		break;
	}
	if (read_number(written, base, '\0', &number, NULL) < 0)
		return -EINVAL;
	return trail_set_number(draft, field, number);
}

int trail_set_unknown(struct trail_draft *draft, const struct field *field)
{
	if (!field_is_text(field) || has(draft, field))
		return -EINVAL;
	note_present(draft, field);
	return 0;
}

static void copy_device(struct record *to, const struct record *from)
{
	to->dev_major = from->dev_major;
	to->dev_minor = from->dev_minor;
}

int trail_draft_append(struct trail_draft *draft, const struct trail_draft *part)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_record_fields; i++) {
		const struct field *field = &record_fields[i];

		if (!part->has[i] || (field->form == FIELD_WORD && draft->has[i]))
			continue;
		if (part->texts[i].is_known)
			r = add_bytes(&draft->texts[i], part->texts[i].bytes,
				      part->texts[i].length);
		else if (field->form == FIELD_DEVICE)
			copy_device(&draft->event.record, &part->event.record);
		else if (!field_is_text(field))
			memcpy(member(draft, field), member(part, field), field->size);
		note_present(draft, field);
	}
	return r;
}

/* FILE:LINE is two members. */
static void split_rule(struct record *record, char *text)
{
	char *colon = strrchr(text, ':');
	uint64_t line;

	if (!colon || read_number(colon + 1, 10, '\0', &line, NULL) < 0 ||
	    line > UINT32_MAX)
		return;
	*colon = '\0';
	record->rule_line = (unsigned)line;
}

static void finish_text(struct trail_draft *draft, const struct field *field)
{
	struct trail_text *text = text_of(draft, field);

	text->bytes[text->length] = '\0';
	memcpy(member(draft, field), &text->bytes, sizeof(text->bytes));
	if (field->form == FIELD_RULE)
		split_rule(&draft->event.record, text->bytes);
}

int trail_draft_finish(struct trail_draft *draft)
{
	const struct record *record = &draft->event.record;

	draft->event.node = draft->node;
	for (size_t i = 0; i < n_record_fields; i++) {
		const struct field *field = &record_fields[i];

		if (draft->texts[i].is_known &&
		    (draft->part == 0 || field->form == FIELD_WORD))
			finish_text(draft, field);
	}
	if (!record->op || *record->op == '\0' ||
	    (record->seqno == 0 && !is_without_number(record->op)))
		return -EINVAL;
	if (draft->part == 0 && record->actor && !draft->event.actor.acct)
		return -EINVAL;
	return 0;
}
