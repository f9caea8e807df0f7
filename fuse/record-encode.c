/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a record, and the one way to read a field's value. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fuse/record-encode.h"

#define MEMBER(name, form, member, needed)                                     \
	{                                                                      \
		name, form, offsetof(struct record, member),                   \
			sizeof(((struct record *)NULL)->member), false, needed \
	}
#define OF_ACTOR(name, form, member)                                    \
	{                                                               \
		name, form, offsetof(struct actor, member),             \
			sizeof(((struct actor *)NULL)->member), true, 0 \
	}

/* In the order of the text. The names are audit's dictionary's where it has one that fits
 * (audit-userspace, specs/fields/field-dictionary.csv; decoded as auparse/typetab.h
 * says): name= is there because it is the one further name that libauparse decodes as a
 * file's. ausearch takes the first comm= and exe= of a record, so the actor's are before
 * those that libaudit appends; and it looks for "res=", "addr=", "acct=" anywhere in the
 * text, so no name may end like one of those. */
const struct field record_fields[] = {
	MEMBER("op", FIELD_WORD, op, 0),
	OF_ACTOR("acct", FIELD_TEXT, acct),
	OF_ACTOR("fsuid", FIELD_ID, uid),
	OF_ACTOR("fsgid", FIELD_ID, gid),
	OF_ACTOR("spid", FIELD_NUMBER, pid),
	OF_ACTOR("sauid", FIELD_ID, login_uid),
	MEMBER("perm", FIELD_NUMBER, perm, RECORD_PERM),
	MEMBER("oflag", FIELD_FLAGS, oflag, RECORD_OFLAG),
	OF_ACTOR("comm", FIELD_TEXT, comm),
	OF_ACTOR("exe", FIELD_TEXT, exe),
	MEMBER("path", FIELD_TEXT, path, 0),
	MEMBER("name", FIELD_TEXT, new_path, 0),
	MEMBER("ino", FIELD_NUMBER, ino, RECORD_INO),
	MEMBER("dev", FIELD_DEVICE, dev_major, RECORD_INO),
	MEMBER("mode", FIELD_OCTAL, mode, RECORD_MODE),
	MEMBER("off", FIELD_NUMBER, off, RECORD_RANGE),
	MEMBER("len", FIELD_NUMBER, len, RECORD_RANGE),
	MEMBER("size", FIELD_NUMBER, size, RECORD_SIZE),
	MEMBER("new-fsuid", FIELD_OWNER, new_uid, RECORD_OWNER),
	MEMBER("new-fsgid", FIELD_OWNER, new_gid, RECORD_OWNER),
	MEMBER("opener", FIELD_TEXT, opener, 0),
	MEMBER("xattr", FIELD_TEXT, xattr, 0),
	MEMBER("io", FIELD_TEXT, io, 0),
	MEMBER("note", FIELD_TEXT, note, 0),
	MEMBER("count", FIELD_NUMBER, count, RECORD_COUNT),
	MEMBER("lost", FIELD_NUMBER, lost, RECORD_LOST),
	MEMBER("since", FIELD_TIME, since, RECORD_SPAN),
	MEMBER("until", FIELD_TIME, until, RECORD_SPAN),
	MEMBER("grantee", FIELD_TEXT, grantee, 0),
	MEMBER("grole", FIELD_TEXT, role, 0),
	MEMBER("zone", FIELD_TEXT, zone, 0),
	MEMBER("rule", FIELD_RULE, rule_file, 0),
	MEMBER("gen", FIELD_NUMBER, gen, RECORD_GEN),
	MEMBER("digest", FIELD_TEXT, digest, 0),
	MEMBER("approvals", FIELD_TEXT, approvals, 0),
	MEMBER("hash", FIELD_TEXT, hash, 0),
	MEMBER("old-hash", FIELD_TEXT, old_hash, 0),
	MEMBER("seqno", FIELD_NUMBER, seqno, 0),
	MEMBER("errno", FIELD_NUMBER, err, RECORD_ERRNO),
	MEMBER("reason", FIELD_PROSE, reason, 0),
};
const size_t n_record_fields = sizeof(record_fields) / sizeof(record_fields[0]);

bool field_is_text(const struct field *field)
{
	return field->form <= FIELD_RULE;
}

static bool text_value(const struct field *field, const struct record *record,
		       const char *text, struct value *ret)
{
	/* The actor's program is always named: libaudit appends exe= of the daemon, which
	 * would be taken for the actor's if there were no other before it. */
	if (!text && !field->of_actor)
		return false;

	ret->text = text;
	ret->length = text ? strlen(text) : 0;
	ret->suffix[0] = '\0';
	if (field->form == FIELD_RULE && record->rule_line > 0)
		ret->length += (size_t)snprintf(ret->suffix, sizeof(ret->suffix), ":%u",
						record->rule_line);
	return true;
}

static uint64_t number_of(const void *member, size_t size)
{
	uint32_t narrow;
	uint64_t wide;

	if (size == sizeof(narrow)) {
		memcpy(&narrow, member, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, member, sizeof(wide));
	return wide;
}

bool field_value(const struct field *field, const struct record *record,
		 struct value *ret)
{
	const char *base =
		field->of_actor ? (const char *)record->actor : (const char *)record;
	const char *text;

	if (!base)
		return false;
	if (field->needed && !(record->present & field->needed))
		return false;

	if (field_is_text(field)) {
		memcpy(&text, base + field->offset, sizeof(text));
		return text_value(field, record, text, ret);
	}
	if (field->form == FIELD_TIME) {
		memcpy(&ret->time, base + field->offset, sizeof(ret->time));
		return true;
	}
	ret->number = number_of(base + field->offset, field->size);
	if (field->form == FIELD_DEVICE)
		ret->number = (uint64_t)record->dev_major << 32 | record->dev_minor;
	return field->of_actor || field->needed || ret->number != 0;
}

unsigned char value_byte(const struct value *value, size_t index)
{
	size_t of_suffix = strlen(value->suffix);
	size_t of_text = value->length - of_suffix;

	return (unsigned char)(index < of_text ? value->text[index]
					       : value->suffix[index - of_text]);
}

size_t value_format(const struct field *field, const struct value *value, char *buffer,
		    size_t size)
{
	int n = 0;

	switch (field->form) {
	case FIELD_NUMBER:
	case FIELD_ID:
		n = snprintf(buffer, size, "%" PRIu64, value->number);
		break;
	case FIELD_OWNER:
		n = snprintf(buffer, size, "%" PRId32, (int32_t)value->number);
		if (value->number != UINT32_MAX)
			n = snprintf(buffer, size, "%" PRIu64, value->number);
		break;
	case FIELD_OCTAL:
		n = snprintf(buffer, size, "0%" PRIo64, value->number);
		break;
	case FIELD_FLAGS:
		n = snprintf(buffer, size, "0x%" PRIx64, value->number);
		break;
	case FIELD_DEVICE:
		n = snprintf(buffer, size, "%02" PRIx32 ":%02" PRIx32,
			     (uint32_t)(value->number >> 32), (uint32_t)value->number);
		break;
	case FIELD_TIME:
		n = snprintf(buffer, size, "%" PRId64 ".%06ld",
			     (int64_t)value->time.tv_sec, value->time.tv_nsec / 1000);
		break;
	case FIELD_WORD:
	case FIELD_TEXT:
	case FIELD_PROSE:
	case FIELD_RULE:
		break;
	}
	return n > 0 ? (size_t)n : 0;
}

void value_hex(const struct value *value, size_t from, size_t n, char *buffer)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		unsigned char byte = value_byte(value, from + i);

		*buffer++ = digits[byte >> 4];
		*buffer++ = digits[byte & 15];
	}
}
