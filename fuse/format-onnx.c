/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX: a ModelProto in protobuf's wire format, walked by the messages of onnx.proto. */
#include <inttypes.h>
#include <string.h>

#include "config/text.h"

#include "fuse/format-source.h"

/* protobuf's own bound of a message; ours: real models nest some ten messages deep, and
 * have some 100,000 fields. */
#define MESSAGE_MAX  INT32_MAX
#define DEPTH_MAX    64
#define FIELDS_MAX   20000000
#define LOCATION_MAX 4096
#define PATH_SHOWN   60

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

enum message {
	NONE, /* bytes, which are not looked into */
	MODEL,
	GRAPH,
	NODE,
	ATTRIBUTE,
	TENSOR,
	SPARSE,
	FUNCTION,
	TRAINING,
	EXTERNAL,
	N_MESSAGES,
};

struct field {
	unsigned number;
	enum wire wire;
	enum message message;
};

/* Fields that matter: those that lead to tensors, and the numbers that must be numbers.
 * An unknown field is skipped, as protobuf does. */
static const struct field model_fields[] = {
	{ 1, VARINT, NONE },	 { 2, BYTES, NONE },	  { 3, BYTES, NONE },
	{ 4, BYTES, NONE },	 { 5, VARINT, NONE },	  { 6, BYTES, NONE },
	{ 7, BYTES, GRAPH },	 { 8, BYTES, NONE },	  { 14, BYTES, NONE },
	{ 20, BYTES, TRAINING }, { 25, BYTES, FUNCTION }, { 0, 0, 0 },
};
static const struct field graph_fields[] = {
	{ 1, BYTES, NODE },  { 2, BYTES, NONE },  { 5, BYTES, TENSOR },
	{ 10, BYTES, NONE }, { 11, BYTES, NONE }, { 12, BYTES, NONE },
	{ 13, BYTES, NONE }, { 14, BYTES, NONE }, { 15, BYTES, SPARSE },
	{ 0, 0, 0 },
};
static const struct field node_fields[] = {
	{ 1, BYTES, NONE },	 { 2, BYTES, NONE },
	{ 3, BYTES, NONE },	 { 4, BYTES, NONE },
	{ 5, BYTES, ATTRIBUTE }, { 6, BYTES, NONE },
	{ 7, BYTES, NONE },	 { 0, 0, 0 },
};
static const struct field attribute_fields[] = {
	{ 1, BYTES, NONE },    { 2, FIXED32, NONE },  { 3, VARINT, NONE },
	{ 4, BYTES, NONE },    { 5, BYTES, TENSOR },  { 6, BYTES, GRAPH },
	{ 10, BYTES, TENSOR }, { 11, BYTES, GRAPH },  { 20, VARINT, NONE },
	{ 22, BYTES, SPARSE }, { 23, BYTES, SPARSE }, { 0, 0, 0 },
};
static const struct field tensor_fields[] = {
	{ 2, VARINT, NONE }, { 8, BYTES, NONE },      { 9, BYTES, NONE },
	{ 12, BYTES, NONE }, { 13, BYTES, EXTERNAL }, { 14, VARINT, NONE },
	{ 0, 0, 0 },
};
static const struct field sparse_fields[] = {
	{ 1, BYTES, TENSOR },
	{ 2, BYTES, TENSOR },
	{ 0, 0, 0 },
};
static const struct field function_fields[] = {
	{ 1, BYTES, NONE },
	{ 7, BYTES, NODE },
	{ 11, BYTES, ATTRIBUTE },
	{ 0, 0, 0 },
};
static const struct field training_fields[] = {
	{ 1, BYTES, GRAPH },
	{ 2, BYTES, GRAPH },
	{ 0, 0, 0 },
};
static const struct field external_fields[] = {
	{ 1, BYTES, NONE },
	{ 2, BYTES, NONE },
	{ 0, 0, 0 },
};

static const struct {
	const char *name;
	const struct field *fields;
} messages[N_MESSAGES] = {
	[MODEL] = { "the model", model_fields },
	[GRAPH] = { "a graph", graph_fields },
	[NODE] = { "a node", node_fields },
	[ATTRIBUTE] = { "an attribute", attribute_fields },
	[TENSOR] = { "a tensor", tensor_fields },
	[SPARSE] = { "a sparse tensor", sparse_fields },
	[FUNCTION] = { "a function", function_fields },
	[TRAINING] = { "a training", training_fields },
	[EXTERNAL] = { "an external_data entry", external_fields },
};

struct span {
	uint64_t at, end;
};

struct walk {
	struct source *source;
	struct format_verdict *verdict;
	unsigned n_fields;
	bool has_ir_version, has_graph;
};

/* One field as it is on the wire. */
struct seen {
	unsigned number;
	enum wire wire;
	uint64_t at;	    /* of its tag */
	uint64_t value;	    /* of a VARINT */
	struct span inside; /* of BYTES */
};

static bool varint(struct walk *walk, struct span *span, uint64_t *ret_value)
{
	uint64_t at = span->at;

	*ret_value = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		int c = span->at < span->end ? source_byte(walk->source, span->at) : -1;

		if (c < 0)
			break;
		span->at++;
		*ret_value |= shift < 64 ? (uint64_t)(c & 0x7f) << shift : 0;
		if (c < 0x80)
			return true;
	}
	return format_refuse(walk->verdict, "there is no number at byte %" PRIu64, at);
}

static bool take(struct walk *walk, struct span *span, uint64_t n,
		 const struct seen *seen, enum message message)
{
	if (n > span->end - span->at)
		return format_refuse(walk->verdict,
				     "field %u of %s, at byte %" PRIu64
				     ", is longer than what it is in",
				     seen->number, messages[message].name, seen->at);
	span->at += n;
	return true;
}

static bool next_field(struct walk *walk, struct span *span, enum message message,
		       struct seen *ret_seen)
{
	struct seen seen = { .at = span->at };
	uint64_t tag;

	if (++walk->n_fields > FIELDS_MAX)
		return format_refuse(walk->verdict, "it has more than %d fields",
				     FIELDS_MAX);
	if (!varint(walk, span, &tag))
		return false;
	seen.wire = tag & 7;
	if (tag >> 3 == 0 || tag >> 3 > (1 << 29) - 1)
		return format_refuse(walk->verdict,
				     "there is no field %" PRIu64 ", at byte %" PRIu64,
				     tag >> 3, seen.at);
	seen.number = (unsigned)(tag >> 3);
	switch (seen.wire) {
	case VARINT:
		if (!varint(walk, span, &seen.value))
			return false;
		break;
	case FIXED64:
	case FIXED32:
		if (!take(walk, span, seen.wire == FIXED64 ? 8 : 4, &seen, message))
			return false;
		break;
	case BYTES:
		if (!varint(walk, span, &tag))
			return false;
		seen.inside.at = span->at;
		if (!take(walk, span, tag, &seen, message))
			return false;
		seen.inside.end = span->at;
		break;
	default:
		return format_refuse(walk->verdict,
				     "field %u of %s, at byte %" PRIu64
				     ", has wire type %u",
				     seen.number, messages[message].name, seen.at,
				     (unsigned)seen.wire);
	}
	*ret_seen = seen;
	return true;
}

/* A path below the model's directory: relative, and without "..". A backslash separates
 * elsewhere. */
static bool leads_out(const char *path, size_t n)
{
	size_t from = 0;

	if (n == 0 || path[0] == '/' || path[0] == '\\' || memchr(path, '\0', n) ||
	    (n > 1 && path[1] == ':'))
		return true;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && path[i] != '/' && path[i] != '\\')
			continue;
		if (i - from == 2 && memcmp(path + from, "..", 2) == 0)
			return true;
		from = i + 1;
	}
	return false;
}

static bool check_location(struct walk *walk, struct span where)
{
	size_t n = (size_t)(where.end - where.at);
	char path[LOCATION_MAX];

	if (where.end - where.at > sizeof(path) ||
	    !source_copy(walk->source, where.at, path, n))
		return format_refuse(
			walk->verdict,
			"the location of external data is too long, at byte %" PRIu64,
			where.at);
	if (leads_out(path, n))
		return format_refuse(
			walk->verdict,
			"its external data is at %s, which is not below the model's "
			"directory (byte %" PRIu64 ")",
			text_quoted(&(struct quoted){ { 0 } }, path,
				    n < PATH_SHOWN ? n : PATH_SHOWN),
			where.at);
	walk->verdict->n_external++;
	return true;
}

/* A StringStringEntryProto, of which the last key and the last value count. */
static bool check_external(struct walk *walk, struct span key, struct span value)
{
	const uint8_t *bytes =
		key.end - key.at == strlen("location")
			? source_bytes(walk->source, key.at, strlen("location"))
			: NULL;

	if (!bytes || memcmp(bytes, "location", strlen("location")) != 0)
		return true;
	return check_location(walk, value);
}

static const struct field *known(enum message message, unsigned number)
{
	for (const struct field *f = messages[message].fields; f->number != 0; f++) {
		if (f->number == number)
			return f;
	}
	return NULL;
}

/* Packed or not, a list of numbers is never a message: only the fields of the table have
 * a wire type that they must have. */
static bool walk_message(struct walk *walk, enum message message, struct span span,
			 unsigned depth)
{
	struct span external[2] = { { 0, 0 }, { 0, 0 } };

	if (depth > DEPTH_MAX)
		return format_refuse(walk->verdict,
				     "it is nested deeper than %d, at byte %" PRIu64,
				     DEPTH_MAX, span.at);
	while (span.at < span.end) {
		const struct field *field;
		struct seen seen;

		if (!next_field(walk, &span, message, &seen))
			return false;
		field = known(message, seen.number);
		if (!field)
			continue;
		if (field->wire != seen.wire)
			return format_refuse(walk->verdict,
					     "field %u of %s, at byte %" PRIu64
					     ", has wire type %u, not %u",
					     seen.number, messages[message].name, seen.at,
					     (unsigned)seen.wire, (unsigned)field->wire);
		if (message == MODEL) {
			walk->has_ir_version |= seen.number == 1 && seen.value > 0;
			walk->has_graph |= seen.number == 7;
		}
		if (message == EXTERNAL)
			external[seen.number - 1] = seen.inside;
		if (field->message != NONE &&
		    !walk_message(walk, field->message, seen.inside, depth + 1))
			return false;
	}
	return message != EXTERNAL || check_external(walk, external[0], external[1]);
}

bool format_onnx(struct source *source, struct format_verdict *verdict)
{
	struct walk walk = { .source = source, .verdict = verdict };

	if (source->size > MESSAGE_MAX)
		return format_refuse(verdict,
				     "it is longer than 2 GiB, which protobuf forbids");
	if (!walk_message(&walk, MODEL, (struct span){ 0, source->size }, 0))
		return false;
	if (!walk.has_ir_version)
		return format_refuse(verdict, "it has no ir_version");
	if (!walk.has_graph)
		return format_refuse(verdict, "it has no graph");
	return true;
}
