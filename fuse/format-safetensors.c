/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors: an 8-byte length, a JSON header, tensors without holes or overlaps. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "config/text.h"

#include "fuse/format-source.h"
#include "fuse/util.h"

/* huggingface/safetensors, src/tensor.rs: MAX_HEADER_SIZE */
#define HEADER_MAX 100000000

/* Bounds of our own. jansson takes some hundred bytes a value, 2 GB for a header of 100
 * MB: so it gets the members one by one, and only these lists grow with the header. */
#define TENSORS_MAX  1000000	/* 24 bytes each, and as much to sort them */
#define METADATA_MAX 1000000	/* 16 bytes each, and as much to sort them */
#define ENTRY_MAX    (64 << 10) /* a name, or a tensor's entry */
#define STRING_MAX   (8 << 20)	/* a string of __metadata__; real ones have some MiB */
#define DEPTH_MAX    64
#define NAME_SHOWN   60

struct tensor {
	uint64_t begin, end; /* behind the header */
	uint64_t at;	     /* of its name, in the file */
};

struct header {
	struct source *source;
	struct format_verdict *verdict;
	uint64_t at, end; /* in the file */
	struct tensor *tensors;
	size_t n, capacity;
	struct name_set names, metadata;
	bool has_metadata;
	char *slice;
};

static void header_fini(struct header *header)
{
	free(header->tensors);
	free(header->slice);
	name_set_fini(&header->names);
	name_set_fini(&header->metadata);
}

/* The dtypes and their bits: `enum Dtype` of src/tensor.rs. */
static const struct dtype {
	const char *name;
	unsigned bits;
} dtypes[] = {
	{ "BOOL", 8 },	  { "F4", 4 },		{ "F6_E2M3", 6 },     { "F6_E3M2", 6 },
	{ "U8", 8 },	  { "I8", 8 },		{ "F8_E5M2", 8 },     { "F8_E4M3", 8 },
	{ "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 }, { "I16", 16 },
	{ "U16", 16 },	  { "F16", 16 },	{ "BF16", 16 },	      { "I32", 32 },
	{ "U32", 32 },	  { "F32", 32 },	{ "C64", 64 },	      { "F64", 64 },
	{ "I64", 64 },	  { "U64", 64 },
};
#define N_DTYPES (sizeof(dtypes) / sizeof(dtypes[0]))

static unsigned bits_of(const char *name)
{
	for (size_t i = 0; name && i < N_DTYPES; i++) {
		if (strcmp(dtypes[i].name, name) == 0)
			return dtypes[i].bits;
	}
	return 0;
}

/* The byte at the header's position; -1 at its end. */
static int here(struct header *header)
{
	return header->at < header->end ? source_byte(header->source, header->at) : -1;
}

static void skip_blanks(struct header *header)
{
	int c = here(header);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		header->at++;
		c = here(header);
	}
}

static bool expect(struct header *header, int wanted)
{
	skip_blanks(header);
	if (here(header) != wanted)
		return format_refuse(header->verdict,
				     "its header is not JSON: no '%c' at byte %" PRIu64,
				     wanted, header->at);
	header->at++;
	return true;
}

/* The tensor whose name, in quotes, is at that byte. */
static const char *name_at(struct header *header, uint64_t at, struct quoted *buffer)
{
	uint64_t left = header->end - at - 1;
	size_t n = 0, max = left < NAME_SHOWN ? (size_t)left : NAME_SHOWN;
	const uint8_t *bytes = source_bytes(header->source, at + 1, max);

	if (!bytes)
		return "?";
	while (n < max && bytes[n] != '"')
		n += bytes[n] == '\\' && n + 1 < max ? 2 : 1;
	return text_quoted(buffer, (const char *)bytes, n);
}

#define NAME_AT(header, at) name_at(header, at, &(struct quoted){ { 0 } })

/* Finds the end of the value here, and goes there. What lies between is given to jansson:
 * only what it takes for one value, whole, counts. */
static bool cut_value(struct header *header, uint64_t max)
{
	uint64_t from = header->at;
	unsigned depth = 0;
	bool in_string = false;

	for (;; header->at++) {
		int c = here(header);

		if (header->at - from > max)
			return format_refuse(
				header->verdict,
				"its header has a value of more than %" PRIu64
				" bytes, at byte %" PRIu64,
				max, from);
		if (c < 0)
			return format_refuse(
				header->verdict,
				"its header ends within a value, which begins at "
				"byte %" PRIu64,
				from);
		if (in_string) {
			if (c == '\\')
				header->at++;
			in_string = c != '"';
			if (in_string || depth > 0)
				continue;
			header->at++;
			return true;
		}
		if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > DEPTH_MAX)
				return format_refuse(
					header->verdict,
					"its header is nested deeper than %d, at "
					"byte %" PRIu64,
					DEPTH_MAX, header->at);
		} else if (depth == 0 && strchr(",:]} \t\r\n", c)) {
			return true;
		} else if ((c == '}' || c == ']') && --depth == 0) {
			header->at++;
			return true;
		}
	}
}

/* The value here, by jansson; NULL: refused. */
static json_t *load_value(struct header *header, uint64_t max)
{
	uint64_t from = header->at;
	json_error_t error;
	json_t *value;
	size_t n;

	if (!cut_value(header, max))
		return NULL;
	n = (size_t)(header->at - from);
	free(header->slice);
	header->slice = malloc(n + 1);
	if (!header->slice) {
		header->source->error = -ENOMEM;
		return NULL;
	}
	if (!source_copy(header->source, from, header->slice, n)) {
		format_say(header->verdict, "byte %" PRIu64 " cannot be read", from);
		return NULL;
	}
	value = json_loadb(header->slice, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
			   &error);
	if (!value)
		format_say(header->verdict,
			   "its header is not JSON at byte %" PRIu64 ": %s",
			   from + (uint64_t)(error.position > 0 ? error.position : 0),
			   QUOTED(error.text));
	return value;
}

static bool has_bad_shape(struct header *header, const json_t *shape, uint64_t *ret_n,
			  uint64_t at)
{
	const json_t *dimension;
	size_t i;

	*ret_n = 1;
	if (!json_is_array(shape))
		return !format_refuse(header->verdict,
				      "tensor %s has no list as its shape",
				      NAME_AT(header, at));
	json_array_foreach(shape, i, dimension)
	{
		json_int_t length = json_integer_value(dimension);

		if (!json_is_integer(dimension) || length < 0)
			return !format_refuse(header->verdict,
					      "tensor %s has a shape that is no list of "
					      "lengths",
					      NAME_AT(header, at));
		if (__builtin_mul_overflow(*ret_n, (uint64_t)length, ret_n))
			return !format_refuse(header->verdict,
					      "tensor %s has a shape that overflows",
					      NAME_AT(header, at));
	}
	return false;
}

static bool has_bad_offsets(struct header *header, const json_t *offsets,
			    struct tensor *tensor)
{
	const json_t *begin = json_array_get(offsets, 0),
		     *end = json_array_get(offsets, 1);

	if (json_array_size(offsets) != 2 || !json_is_integer(begin) ||
	    !json_is_integer(end) || json_integer_value(begin) < 0 ||
	    json_integer_value(end) < json_integer_value(begin))
		return !format_refuse(
			header->verdict,
			"tensor %s has data_offsets that are not [begin, end]",
			NAME_AT(header, tensor->at));
	tensor->begin = (uint64_t)json_integer_value(begin);
	tensor->end = (uint64_t)json_integer_value(end);
	return false;
}

/* Whether dtype and shape are as many bytes as the offsets say. */
static bool check_tensor(struct header *header, const json_t *entry,
			 struct tensor *tensor)
{
	const char *dtype = json_string_value(json_object_get(entry, "dtype"));
	unsigned bits = bits_of(dtype);
	uint64_t n;

	if (bits == 0)
		return format_refuse(header->verdict,
				     "tensor %s has no dtype that is known",
				     NAME_AT(header, tensor->at));
	if (has_bad_shape(header, json_object_get(entry, "shape"), &n, tensor->at) ||
	    has_bad_offsets(header, json_object_get(entry, "data_offsets"), tensor))
		return false;
	if (__builtin_mul_overflow(n, (uint64_t)bits, &n))
		return format_refuse(header->verdict,
				     "tensor %s has a shape that overflows",
				     NAME_AT(header, tensor->at));
	if (n % 8 != 0)
		return format_refuse(header->verdict,
				     "tensor %s does not end at the end of a byte",
				     NAME_AT(header, tensor->at));
	if (n / 8 != tensor->end - tensor->begin)
		return format_refuse(
			header->verdict,
			"tensor %s has %" PRIu64 " bytes by its shape and dtype, "
			"but %" PRIu64 " by its data_offsets",
			NAME_AT(header, tensor->at), n / 8, tensor->end - tensor->begin);
	return true;
}

static bool read_tensor(struct header *header, uint64_t key_at)
{
	_cleanup_(json_decrefp) json_t *entry = NULL;
	struct tensor tensor = { .at = key_at };

	if (here(header) != '{')
		return format_refuse(header->verdict,
				     "tensor %s is not described by an object",
				     NAME_AT(header, key_at));
	if (header->n == TENSORS_MAX)
		return format_refuse(header->verdict, "it has more than %d tensors",
				     TENSORS_MAX);
	entry = load_value(header, ENTRY_MAX);
	if (!entry || !check_tensor(header, entry, &tensor))
		return false;
	if (array_reserve((void **)&header->tensors, header->n, &header->capacity,
			  sizeof(tensor)) < 0) {
		header->source->error = -ENOMEM;
		return false;
	}
	header->tensors[header->n++] = tensor;
	return true;
}

/* Cuts an object into its members, and gives each value to `member` with the position of
 * its key; the keys are collected. */
static bool read_object(struct header *header, struct name_set *keys,
			bool (*member)(struct header *header, const char *key,
				       uint64_t at))
{
	if (!expect(header, '{'))
		return false;
	skip_blanks(header);
	if (here(header) == '}') {
		header->at++;
		return true;
	}
	for (;;) {
		_cleanup_(json_decrefp) json_t *key = NULL;
		uint64_t at;

		skip_blanks(header);
		at = header->at;
		if (here(header) != '"')
			return format_refuse(
				header->verdict,
				"its header is not JSON: no name at byte %" PRIu64, at);
		key = load_value(header, ENTRY_MAX);
		if (!key)
			return false;
		if (name_set_add(keys, json_string_value(key), json_string_length(key),
				 at) < 0) {
			header->source->error = -ENOMEM;
			return false;
		}
		if (!expect(header, ':'))
			return false;
		skip_blanks(header);
		if (!member(header, json_string_value(key), at))
			return false;
		skip_blanks(header);
		if (here(header) == '}') {
			header->at++;
			return true;
		}
		if (!expect(header, ','))
			return false;
	}
}

static bool read_metadata(struct header *header, const char *key, uint64_t at)
{
	_cleanup_(json_decrefp) json_t *value = NULL;

	(void)key;
	if (here(header) != '"')
		return format_refuse(header->verdict,
				     "%s of __metadata__ is not a string",
				     NAME_AT(header, at));
	if (header->metadata.n > METADATA_MAX)
		return format_refuse(header->verdict,
				     "__metadata__ has more than %d entries",
				     METADATA_MAX);
	value = load_value(header, STRING_MAX);
	return value;
}

static bool read_member(struct header *header, const char *key, uint64_t at)
{
	if (strcmp(key, "__metadata__") != 0)
		return read_tensor(header, at);
	if (header->has_metadata)
		return format_refuse(header->verdict, "__metadata__ is there twice");
	header->has_metadata = true;
	if (here(header) != '{')
		return format_refuse(header->verdict, "__metadata__ is not an object");
	return read_object(header, &header->metadata, read_metadata);
}

static bool has_repeats(struct header *header)
{
	uint64_t at;

	if (!name_set_repeats(&header->names, &at) &&
	    !name_set_repeats(&header->metadata, &at))
		return false;
	return !format_refuse(header->verdict,
			      "its header has the name %s twice, at byte %" PRIu64,
			      NAME_AT(header, at), at);
}

static int compare_tensors(const void *one, const void *other)
{
	const struct tensor *a = one, *b = other;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

/* One behind the other, from the header's end to the file's. */
static bool check_layout(struct header *header)
{
	uint64_t end = 0, length = header->source->size - header->end;

	if (header->n > 1)
		qsort(header->tensors, header->n, sizeof(*header->tensors),
		      compare_tensors);
	for (size_t i = 0; i < header->n; i++) {
		const struct tensor *tensor = &header->tensors[i];

		if (tensor->begin != end)
			return format_refuse(
				header->verdict,
				"tensor %s begins at %" PRIu64 " of the data, but "
				"the one before ends at %" PRIu64 ": %s",
				NAME_AT(header, tensor->at), tensor->begin, end,
				tensor->begin > end ? "a hole" : "they overlap");
		end = tensor->end;
	}
	if (end != length)
		return format_refuse(header->verdict,
				     "its tensors have %" PRIu64 " bytes, but %" PRIu64
				     " follow the header",
				     end, length);
	return true;
}

static bool check_padding(struct header *header)
{
	while (here(header) == ' ')
		header->at++;
	if (header->at < header->end)
		return format_refuse(
			header->verdict,
			"its header goes on behind the '}', at byte %" PRIu64,
			header->at);
	return true;
}

bool format_safetensors(struct source *source, struct format_verdict *verdict)
{
	_cleanup_(header_fini) struct header header = { .source = source,
							.verdict = verdict };
	uint64_t length;

	if (!source_number(source, 0, 8, &length))
		return format_refuse(verdict,
				     "it is shorter than the length of a header");
	if (length > HEADER_MAX)
		return format_refuse(verdict,
				     "its header is said to have %" PRIu64
				     " bytes, more than %d",
				     length, HEADER_MAX);
	if (length > source->size - 8)
		return format_refuse(verdict,
				     "its header is said to have %" PRIu64
				     " bytes, but only %" PRIu64 " follow",
				     length, source->size - 8);
	header.at = 8;
	header.end = 8 + length;
	return read_object(&header, &header.names, read_member) &&
	       check_padding(&header) && !has_repeats(&header) && check_layout(&header);
}
