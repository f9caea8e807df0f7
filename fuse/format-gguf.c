/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF: counts, typed keys and values, tensors one behind the other (ggml's
 * docs/gguf.md). */
#include <inttypes.h>
#include <string.h>

#include "config/text.h"

#include "fuse/format-source.h"
#include "fuse/util.h"

/* What the description bounds: keys of 65535 bytes, names of 64, 4 dimensions. The others
 * are ours: real files have some hundred of each, and a header of some MiB. */
#define KEY_MAX	   65535
#define NAME_BYTES 64
#define DIMENSIONS 4
#define COUNT_MAX  1000000
#define HEADER_MAX (128 << 20)
#define NESTED_MAX 4
#define ALIGNMENT  32 /* without general.alignment */
#define NAME_SHOWN 60

struct gguf {
	struct source *source;
	struct format_verdict *verdict;
	uint64_t at;
	uint64_t alignment;
	uint64_t data; /* where the next tensor is, from the end of the header on */
	struct name_set keys, tensors;
};

static void gguf_fini(struct gguf *gguf)
{
	name_set_fini(&gguf->keys);
	name_set_fini(&gguf->tensors);
}

enum { TYPE_UINT32 = 4, TYPE_BOOL = 7, TYPE_STRING = 8, TYPE_ARRAY = 9, N_TYPES = 13 };

/* Bytes of a value; 0: it has a length of its own. */
static const unsigned type_sizes[N_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

/* ggml's type_traits: so many values in so many bytes. No row: never stored, or unknown.
 */
static const struct block {
	unsigned values, bytes;
} blocks[] = {
	[0] = { 1, 4 },	     /* F32 */
	[1] = { 1, 2 },	     /* F16 */
	[2] = { 32, 18 },    /* Q4_0 */
	[3] = { 32, 20 },    /* Q4_1 */
	[6] = { 32, 22 },    /* Q5_0 */
	[7] = { 32, 24 },    /* Q5_1 */
	[8] = { 32, 34 },    /* Q8_0 */
	[10] = { 256, 84 },  /* Q2_K */
	[11] = { 256, 110 }, /* Q3_K */
	[12] = { 256, 144 }, /* Q4_K */
	[13] = { 256, 176 }, /* Q5_K */
	[14] = { 256, 210 }, /* Q6_K */
	[15] = { 256, 292 }, /* Q8_K */
	[16] = { 256, 66 },  /* IQ2_XXS */
	[17] = { 256, 74 },  /* IQ2_XS */
	[18] = { 256, 98 },  /* IQ3_XXS */
	[19] = { 256, 50 },  /* IQ1_S */
	[20] = { 32, 18 },   /* IQ4_NL */
	[21] = { 256, 110 }, /* IQ3_S */
	[22] = { 256, 82 },  /* IQ2_S */
	[23] = { 256, 136 }, /* IQ4_XS */
	[24] = { 1, 1 },     /* I8 */
	[25] = { 1, 2 },     /* I16 */
	[26] = { 1, 4 },     /* I32 */
	[27] = { 1, 8 },     /* I64 */
	[28] = { 1, 8 },     /* F64 */
	[29] = { 256, 56 },  /* IQ1_M */
	[30] = { 1, 2 },     /* BF16 */
	[34] = { 256, 54 },  /* TQ1_0 */
	[35] = { 256, 66 },  /* TQ2_0 */
	[39] = { 32, 17 },   /* MXFP4 */
};
#define N_BLOCKS (sizeof(blocks) / sizeof(blocks[0]))

static bool skip(struct gguf *gguf, uint64_t n)
{
	if (n > gguf->source->size - gguf->at)
		return format_refuse(gguf->verdict,
				     "it ends within what begins at byte %" PRIu64,
				     gguf->at);
	if (n > HEADER_MAX || gguf->at + n > HEADER_MAX)
		return format_refuse(
			gguf->verdict,
			"its header is longer than %d bytes, which is the most "
			"that is checked",
			HEADER_MAX);
	gguf->at += n;
	return true;
}

static bool number(struct gguf *gguf, size_t n, uint64_t *ret_number)
{
	uint64_t at = gguf->at;

	if (!skip(gguf, n))
		return false;
	return source_number(gguf->source, at, n, ret_number) ||
	       format_refuse(gguf->verdict, "byte %" PRIu64 " cannot be read", at);
}

/* A key or a tensor's name: its bytes are in the window until something else is read. */
static const uint8_t *name(struct gguf *gguf, uint64_t max, size_t *ret_n)
{
	uint64_t n, at;

	if (!number(gguf, 8, &n))
		return NULL;
	at = gguf->at;
	if (n > max) {
		format_say(gguf->verdict,
			   "a name of %" PRIu64 " bytes at byte %" PRIu64
			   ": the most is %" PRIu64,
			   n, at, max);
		return NULL;
	}
	if (!skip(gguf, n))
		return NULL;
	*ret_n = (size_t)n;
	return source_bytes(gguf->source, at, (size_t)n);
}

static bool skip_string(struct gguf *gguf)
{
	uint64_t n;

	return number(gguf, 8, &n) && skip(gguf, n);
}

static bool bad_type(struct gguf *gguf, uint64_t type)
{
	return format_refuse(gguf->verdict,
			     "there is no type %" PRIu64 ", at byte %" PRIu64, type,
			     gguf->at - 4);
}

static bool skip_value(struct gguf *gguf, uint64_t type, unsigned depth);

static bool skip_array(struct gguf *gguf, unsigned depth)
{
	uint64_t type, n, bytes;

	if (depth == NESTED_MAX)
		return format_refuse(gguf->verdict,
				     "arrays are nested deeper than %d, at byte %" PRIu64,
				     NESTED_MAX, gguf->at);
	if (!number(gguf, 4, &type))
		return false;
	if (type >= N_TYPES)
		return bad_type(gguf, type);
	if (!number(gguf, 8, &n))
		return false;
	if (type_sizes[type] > 0) {
		if (__builtin_mul_overflow(n, (uint64_t)type_sizes[type], &bytes))
			bytes = UINT64_MAX;
		return skip(gguf, bytes);
	}
	for (uint64_t i = 0; i < n; i++) {
		if (!skip_value(gguf, type, depth + 1))
			return false;
	}
	return true;
}

static bool skip_value(struct gguf *gguf, uint64_t type, unsigned depth)
{
	uint64_t value;

	if (type >= N_TYPES)
		return bad_type(gguf, type);
	if (type == TYPE_STRING)
		return skip_string(gguf);
	if (type == TYPE_ARRAY)
		return skip_array(gguf, depth);
	if (!number(gguf, type_sizes[type], &value))
		return false;
	if (type == TYPE_BOOL && value > 1)
		return format_refuse(gguf->verdict,
				     "a truth value is %" PRIu64 ", at byte %" PRIu64,
				     value, gguf->at - 1);
	return true;
}

static bool read_alignment(struct gguf *gguf, uint64_t type)
{
	if (type != TYPE_UINT32)
		return format_refuse(gguf->verdict,
				     "general.alignment is of type %" PRIu64
				     ", not a number of 32 bits",
				     type);
	if (!number(gguf, 4, &gguf->alignment))
		return false;
	if (gguf->alignment < 8 || (gguf->alignment & (gguf->alignment - 1)) != 0)
		return format_refuse(gguf->verdict,
				     "general.alignment is %" PRIu64
				     ", not a power of two from 8 on",
				     gguf->alignment);
	return true;
}

static bool read_key(struct gguf *gguf)
{
	static const char alignment[] = "general.alignment";
	uint64_t type, at = gguf->at;
	const uint8_t *key;
	bool is_alignment;
	size_t n;

	key = name(gguf, KEY_MAX, &n);
	if (!key)
		return false;
	if (n == 0)
		return format_refuse(gguf->verdict, "a key is empty, at byte %" PRIu64,
				     at);
	is_alignment = n == sizeof(alignment) - 1 && memcmp(key, alignment, n) == 0;
	if (name_set_add(&gguf->keys, key, n, at) < 0) {
		gguf->source->error = -ENOMEM;
		return false;
	}
	if (!number(gguf, 4, &type))
		return false;
	return is_alignment ? read_alignment(gguf, type) : skip_value(gguf, type, 0);
}

/* Bytes of a tensor by its lengths and type; the name is for the complaint. */
static bool tensor_bytes(struct gguf *gguf, const char *name, uint64_t *ret_bytes)
{
	uint64_t n_dimensions, type, row = 1, n = 1;

	if (!number(gguf, 4, &n_dimensions))
		return false;
	if (n_dimensions > DIMENSIONS)
		return format_refuse(gguf->verdict,
				     "tensor %s has %" PRIu64
				     " dimensions: the most is %d",
				     name, n_dimensions, DIMENSIONS);
	for (uint64_t i = 0; i < n_dimensions; i++) {
		uint64_t length;

		if (!number(gguf, 8, &length))
			return false;
		if (i == 0)
			row = length;
		if (__builtin_mul_overflow(n, length, &n))
			return format_refuse(gguf->verdict,
					     "tensor %s has lengths that overflow", name);
	}
	if (!number(gguf, 4, &type))
		return false;
	if (type >= N_BLOCKS || blocks[type].values == 0)
		return format_refuse(gguf->verdict,
				     "tensor %s has no type that is known: %" PRIu64,
				     name, type);
	if (row % blocks[type].values != 0)
		return format_refuse(
			gguf->verdict,
			"tensor %s has rows that are no multiple of %u values", name,
			blocks[type].values);
	if (__builtin_mul_overflow(n / blocks[type].values, (uint64_t)blocks[type].bytes,
				   ret_bytes))
		return format_refuse(gguf->verdict, "tensor %s has lengths that overflow",
				     name);
	return true;
}

/* The next position of a tensor; UINT64_MAX if there is none. */
static uint64_t align(uint64_t offset, uint64_t alignment)
{
	return offset > UINT64_MAX - alignment
		       ? UINT64_MAX
		       : (offset + alignment - 1) & ~(alignment - 1);
}

/* ret_end is where the tensor ends; the next begins aligned. */
static bool read_tensor(struct gguf *gguf, uint64_t *ret_end)
{
	uint64_t offset, bytes, at = gguf->at;
	struct quoted buffer;
	const uint8_t *raw;
	const char *shown;
	size_t n;

	raw = name(gguf, NAME_BYTES, &n);
	if (!raw)
		return false;
	if (name_set_add(&gguf->tensors, raw, n, at) < 0) {
		gguf->source->error = -ENOMEM;
		return false;
	}
	shown = text_quoted(&buffer, (const char *)raw, n < NAME_SHOWN ? n : NAME_SHOWN);
	if (!tensor_bytes(gguf, shown, &bytes) || !number(gguf, 8, &offset))
		return false;
	if (offset != gguf->data)
		return format_refuse(gguf->verdict,
				     "tensor %s is at %" PRIu64
				     " of the data, not at %" PRIu64
				     " behind the one before",
				     shown, offset, gguf->data);
	if (bytes > gguf->source->size || offset > gguf->source->size - bytes)
		return format_refuse(gguf->verdict,
				     "tensor %s ends behind the end of the file", shown);
	*ret_end = offset + bytes;
	gguf->data = align(*ret_end, gguf->alignment);
	return true;
}

static bool check_repeats(struct gguf *gguf)
{
	uint64_t at;

	if (!name_set_repeats(&gguf->keys, &at) && !name_set_repeats(&gguf->tensors, &at))
		return true;
	return format_refuse(gguf->verdict, "a name is there twice, at byte %" PRIu64,
			     at);
}

/* The last tensor may be padded; nothing else follows. */
static bool check_end(struct gguf *gguf, uint64_t end)
{
	uint64_t start = align(gguf->at, gguf->alignment), size = gguf->source->size;
	uint64_t least = end == 0 ? gguf->at : start + end;

	if (size < least)
		return format_refuse(gguf->verdict,
				     "it has %" PRIu64
				     " bytes, but its tensors end at %" PRIu64,
				     size, least);
	if (size > start + gguf->data)
		return format_refuse(gguf->verdict,
				     "%" PRIu64
				     " bytes follow the last tensor, from byte %" PRIu64
				     " on",
				     size - start - gguf->data, start + gguf->data);
	return true;
}

static bool check_head(struct gguf *gguf, uint64_t *ret_n_tensors, uint64_t *ret_n_keys)
{
	uint64_t version;

	if (!skip(gguf, 4) || !number(gguf, 4, &version))
		return false;
	if (version != 2 && version != 3)
		return format_refuse(gguf->verdict,
				     version << 32 >> 56 != 0
					     ? "it is big-endian, which is not "
					       "checked"
					     : "it has another version than 2 "
					       "and 3");
	if (!number(gguf, 8, ret_n_tensors) || !number(gguf, 8, ret_n_keys))
		return false;
	if (*ret_n_tensors > COUNT_MAX || *ret_n_keys > COUNT_MAX)
		return format_refuse(gguf->verdict,
				     "it has %" PRIu64 " tensors and %" PRIu64
				     " keys: the most is %d",
				     *ret_n_tensors, *ret_n_keys, COUNT_MAX);
	return true;
}

bool format_gguf(struct source *source, struct format_verdict *verdict)
{
	_cleanup_(gguf_fini) struct gguf gguf = { .source = source,
						  .verdict = verdict,
						  .alignment = ALIGNMENT };
	uint64_t n_tensors, n_keys, end = 0;

	if (!check_head(&gguf, &n_tensors, &n_keys))
		return false;
	for (uint64_t i = 0; i < n_keys; i++) {
		if (!read_key(&gguf))
			return false;
	}
	for (uint64_t i = 0; i < n_tensors; i++) {
		if (!read_tensor(&gguf, &end))
			return false;
	}
	return check_repeats(&gguf) && check_end(&gguf, end);
}
