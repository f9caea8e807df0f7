/* SPDX-License-Identifier: Apache-2.0 */
/* Records that are kept, and compared. */
#include <stdlib.h>
#include <string.h>

#include "fuse/record-encode.h"

/* A copy, what it points to, and the strings. */
struct copy {
	struct record record;
	struct actor actor;
	char strings[];
};

static const char *text_of(const struct field *field, const struct record *record)
{
	const char *base =
		field->of_actor ? (const char *)record->actor : (const char *)record;
	const char *text = NULL;

	if (base && field_is_text(field))
		memcpy(&text, base + field->offset, sizeof(text));
	return text;
}

static void set_text(const struct field *field, struct copy *copy, const char *text)
{
	char *base = field->of_actor ? (char *)&copy->actor : (char *)&copy->record;

	memcpy(base + field->offset, &text, sizeof(text));
}

struct record *record_copy(const struct record *record)
{
	struct copy *copy;
	size_t size = 0;
	char *at;

	for (size_t i = 0; i < n_record_fields; i++) {
		const char *text = text_of(&record_fields[i], record);

		size += text ? strlen(text) + 1 : 0;
	}
	copy = calloc(1, sizeof(*copy) + size);
	if (!copy)
		return NULL;
	copy->record = *record;
	if (record->actor) {
		copy->actor = *record->actor;
		copy->record.actor = &copy->actor;
	}
	at = copy->strings;
	for (size_t i = 0; i < n_record_fields; i++) {
		const char *text = text_of(&record_fields[i], record);

		if (!text)
			continue;
		set_text(&record_fields[i], copy, at);
		at = stpcpy(at, text) + 1;
	}
	return &copy->record;
}

/* What tells two records of the same thing apart. */
static bool is_occasion(const struct field *field)
{
	static const char *const names[] = { "seqno", "count", "since", "until" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(field->name, names[i]) == 0)
			return true;
	return false;
}

static bool same_value(const struct field *field, const struct value *a,
		       const struct value *b)
{
	if (!field_is_text(field))
		return a->number == b->number;
	if (!a->text || !b->text)
		return !a->text && !b->text;
	return strcmp(a->text, b->text) == 0 && strcmp(a->suffix, b->suffix) == 0;
}

bool record_same(const struct record *a, const struct record *b)
{
	if (a->kind != b->kind || a->success != b->success)
		return false;
	for (size_t i = 0; i < n_record_fields; i++) {
		const struct field *field = &record_fields[i];
		struct value of_a = { 0 }, of_b = { 0 };
		bool has;

		if (is_occasion(field))
			continue;
		has = field_value(field, a, &of_a);
		if (has != field_value(field, b, &of_b) ||
		    (has && !same_value(field, &of_a, &of_b)))
			return false;
	}
	return true;
}
