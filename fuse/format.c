/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file is: by its first bytes, and by what a loader would take it for. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/format-source.h"
#include "fuse/util.h"

static const char *const names[] = {
	[FORMAT_UNKNOWN] = "unknown", [FORMAT_SAFETENSORS] = "safetensors",
	[FORMAT_GGUF] = "gguf",	      [FORMAT_ONNX] = "onnx",
	[FORMAT_PICKLE] = "pickle",   [FORMAT_COMPRESSED] = "compressed",
};

const char *format_name(enum format format)
{
	return names[format];
}

/* It has no magic number: a length, whose last byte is no letter, and the header's brace.
 * An absurd length is taken as well, to say what is wrong. */
static bool is_safetensors(struct source *source)
{
	int top = source_byte(source, 7);

	return (top == 0 || top > '~') && source_byte(source, 8) == '{';
}

static bool is_gguf(struct source *source)
{
	const uint8_t *magic = source_bytes(source, 0, 4);

	return magic && memcmp(magic, "GGUF", 4) == 0;
}

/* ir_version first, as every writer has it; any other order if it proves to be one. */
static bool is_onnx(struct source *source)
{
	const uint8_t *first = source_bytes(source, 0, 3);

	return first && first[0] == 0x08 && first[1] > 0 && first[1] < 0x80 &&
	       (first[2] & 7) != 3 && (first[2] & 7) != 4 && first[2] >> 3 != 0 &&
	       (first[2] & 7) <= 5;
}

static const struct recognised {
	enum format format;
	bool (*is)(struct source *source);
	bool (*check)(struct source *source, struct format_verdict *verdict);
} recognised[] = {
	{ FORMAT_GGUF, is_gguf, format_gguf },
	{ FORMAT_SAFETENSORS, is_safetensors, format_safetensors },
	{ FORMAT_ONNX, is_onnx, format_onnx },
};
#define N_RECOGNISED (sizeof(recognised) / sizeof(recognised[0]))

/* Streams that loaders unpack by themselves, joblib first of all. */
static const struct packed {
	const char *name, *magic;
	size_t n;
} packed[] = {
	{ "gzip", "\x1f\x8b", 2 },	     { "zlib", "\x78\x01", 2 },
	{ "zlib", "\x78\x5e", 2 },	     { "zlib", "\x78\x9c", 2 },
	{ "zlib", "\x78\xda", 2 },	     { "bzip2", "BZh", 3 },
	{ "xz", "\xfd\x37\x7a\x58\x5a", 5 }, { "lzma", "\x5d\x00\x00", 3 },
	{ "LZ4", "\x04\x22\x4d\x18", 4 },    { "Zstandard", "\x28\xb5\x2f\xfd", 4 },
	{ "joblib's old zlib", "ZF", 2 },
};
#define N_PACKED (sizeof(packed) / sizeof(packed[0]))

static bool format_packed(struct source *source, struct format_verdict *verdict)
{
	for (size_t i = 0; i < N_PACKED; i++) {
		const uint8_t *magic = source_bytes(source, 0, packed[i].n);

		if (!magic || memcmp(magic, packed[i].magic, packed[i].n) != 0)
			continue;
		verdict->format = FORMAT_COMPRESSED;
		format_say(
			verdict,
			"it is compressed (%s): what is inside cannot be told; unpack it",
			packed[i].name);
		return true;
	}
	return false;
}

static void check_as(const struct recognised *as, struct source *source,
		     struct format_verdict *verdict)
{
	verdict->format = as->format;
	verdict->sound = as->check(source, verdict);
}

/* A model without magic may begin with any field: it is one only if it is sound. */
static bool is_sound_onnx(struct source *source, struct format_verdict *verdict)
{
	struct format_verdict tried = { .format = FORMAT_ONNX };

	tried.sound = format_onnx(source, &tried);
	if (tried.sound)
		*verdict = tried;
	return tried.sound;
}

/* What would run code comes first: a file may be sound for one program and a pickle, or
 * an archive of pickles by its end, for another. */
static void inspect(struct source *source, struct format_verdict *verdict)
{
	if (source->size == 0) {
		format_say(verdict, "it is empty");
		return;
	}
	if (format_archive(source, verdict))
		return;
	for (size_t i = 0; i < N_RECOGNISED; i++) {
		struct pickle_walk walk;

		if (!recognised[i].is(source))
			continue;
		pickle_walk(source, 0, PICKLE_LOOK, &walk);
		if (!walk.calls && !walk.unending) {
			check_as(&recognised[i], source, verdict);
			return;
		}
	}
	if (format_pickle(source, verdict) || format_numpy(source, verdict) ||
	    format_packed(source, verdict) || is_sound_onnx(source, verdict))
		return;
	format_say(verdict, "it begins like no format that is checked: safetensors, gguf "
			    "and onnx are");
}

int format_inspect(int fd, struct format_verdict *ret_verdict)
{
	_cleanup_(freep) struct source *source = calloc(1, sizeof(*source));
	struct format_verdict verdict = { 0 };
	struct stat st;

	if (!source)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	source->fd = fd;
	source->size = (uint64_t)st.st_size;
	inspect(source, &verdict);
	if (source->error < 0)
		return source->error;
	if (source->shorter) {
		verdict.sound = false;
		format_say(&verdict, "it was truncated while it was read");
	}
	*ret_verdict = verdict;
	return 0;
}
