/* SPDX-License-Identifier: Apache-2.0 */
/* For the checkers of formats: reading within bounds, names seen, and how they refuse. */
#pragma once

#include <stdint.h>

#include "fuse/format.h"

#define SOURCE_WINDOW (128 << 10)

/* Never a mapping: a file that is truncated meanwhile would end the process. */
struct source {
	int fd;
	uint64_t size; /* when it was opened */
	uint64_t at;   /* of the window in the file */
	size_t n;      /* bytes in the window */
	int error;     /* -errno of the first failure, also -ENOMEM of a checker */
	bool shorter;  /* it ended before `size` */
	uint8_t window[SOURCE_WINDOW];
};

/* n <= SOURCE_WINDOW bytes at the offset, until the next call; NULL: not in the file, or
 * it cannot be read. */
const uint8_t *source_bytes(struct source *source, uint64_t offset, size_t n);

/* The same into the caller's memory, of any length. */
bool source_copy(struct source *source, uint64_t offset, void *buffer, size_t n);

/* -1: none there. */
static inline int source_byte(struct source *source, uint64_t offset)
{
	const uint8_t *byte;

	if (offset >= source->at && offset - source->at < source->n)
		return source->window[offset - source->at];
	byte = source_bytes(source, offset, 1);
	return byte ? *byte : -1;
}

/* Little-endian numbers of 1, 2, 4 or 8 bytes. */
bool source_number(struct source *source, uint64_t offset, size_t n,
		   uint64_t *ret_number);

/* Names, kept as hashes: what is in it twice is found, in bounded memory. Two names with
 * the same hash of 64 bits count as the same, which refuses. */
struct name_set {
	struct name_seen {
		uint64_t hash, at;
	} * items;
	size_t n, capacity;
};

void name_set_fini(struct name_set *set);
/* Returns 0 or -ENOMEM. `at` is where in the file it is. */
int name_set_add(struct name_set *set, const void *name, size_t n, uint64_t at);
/* Whether a name was added twice, and where the later one is. Sorts the set. */
bool name_set_repeats(struct name_set *set, uint64_t *ret_at);

/* Room for one more item of `size` bytes: 0 or -ENOMEM. */
int array_reserve(void **items, size_t n, size_t *capacity, size_t size);

/* Sets the reason. */
void format_say(struct format_verdict *verdict, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, and is false. */
#define format_refuse(verdict, ...) (format_say((verdict), __VA_ARGS__), false)

/* The checkers: true if the file keeps to the format; else the verdict says why, or
 * source->error is set. */
bool format_safetensors(struct source *source, struct format_verdict *verdict);
bool format_gguf(struct source *source, struct format_verdict *verdict);
bool format_onnx(struct source *source, struct format_verdict *verdict);

/* Whether loading it runs code, or it is a compressed archive of which that cannot be
 * told: then the format and the reason are set. */
bool format_pickle(struct source *source, struct format_verdict *verdict);
bool format_numpy(struct source *source, struct format_verdict *verdict);
bool format_archive(struct source *source, struct format_verdict *verdict);

/* What a walk over pickle opcodes from an offset on came to. */
struct pickle_walk {
	bool calls;	/* it names an object and calls it */
	bool stops;	/* a whole pickle that ends with STOP */
	bool protocol;	/* it begins with PROTO, as all since protocol 2 do */
	bool unending;	/* opcodes only, as far as was looked */
	uint64_t end;	/* behind the last opcode that was understood */
	uint64_t named; /* where the first name of an object is: the opcode */
};

/* At most `max` opcodes, and lines within `max` bytes: what has nothing but opcodes until
 * there is `unending`, and must count as a pickle. */
#define PICKLE_LOOK (16 << 20)
void pickle_walk(struct source *source, uint64_t offset, uint64_t max,
		 struct pickle_walk *ret_walk);

enum numpy_kind { NUMPY_NONE, NUMPY_NUMBERS, NUMPY_OBJECTS };
/* Whether a NumPy array is there, and whether loading it loads a pickle. */
enum numpy_kind numpy_kind(struct source *source, uint64_t at);
