/* SPDX-License-Identifier: Apache-2.0 */
/* Pickles, by their opcodes (CPython's Lib/pickletools.py), and NumPy arrays of objects.
 */
#include <inttypes.h>
#include <string.h>

#include "config/text.h"

#include "fuse/format-source.h"

#define PROTOCOL_MAX 5
#define NAME_SHOWN   100

enum argument {
	INVALID,
	PLAIN, /* none */
	SKIP1, /* so many bytes */
	SKIP2,
	SKIP4,
	SKIP8,
	LENGTH1, /* bytes, after their number in 1, 4 or 8 bytes */
	LENGTH4,
	LENGTH8,
	LINE,	/* any */
	NUMBER, /* a line of it */
	QUOTED_LINE,
	NAMES, /* two lines: a module and a name in it */
};

enum effect { NOTHING, NAMES_OBJECT, CALLS, NAMES_AND_CALLS, STOPS };

struct opcode {
	enum argument argument;
	int needs; /* how many items are on the stack before; a MARK counts as one */
	int adds;  /* at most: what is taken down to a MARK is not counted */
	enum effect effect;
};

static const struct opcode opcodes[256] = {
	['('] = { PLAIN, 0, 1, 0 },
	['.'] = { PLAIN, 1, 0, STOPS },
	['0'] = { PLAIN, 1, -1, 0 },
	['1'] = { PLAIN, 1, 0, 0 },
	['2'] = { PLAIN, 1, 1, 0 },
	['F'] = { NUMBER, 0, 1, 0 },
	['I'] = { NUMBER, 0, 1, 0 },
	['J'] = { SKIP4, 0, 1, 0 },
	['K'] = { SKIP1, 0, 1, 0 },
	['L'] = { NUMBER, 0, 1, 0 },
	['M'] = { SKIP2, 0, 1, 0 },
	['N'] = { PLAIN, 0, 1, 0 },
	['P'] = { LINE, 0, 1, 0 },
	['Q'] = { PLAIN, 1, 0, 0 },
	['R'] = { PLAIN, 2, -1, CALLS },
	['S'] = { QUOTED_LINE, 0, 1, 0 },
	['T'] = { LENGTH4, 0, 1, 0 },
	['U'] = { LENGTH1, 0, 1, 0 },
	['V'] = { LINE, 0, 1, 0 },
	['X'] = { LENGTH4, 0, 1, 0 },
	['a'] = { PLAIN, 2, -1, 0 },
	['b'] = { PLAIN, 2, -1, CALLS },
	['c'] = { NAMES, 0, 1, NAMES_OBJECT },
	['d'] = { PLAIN, 1, 0, 0 },
	['}'] = { PLAIN, 0, 1, 0 },
	['e'] = { PLAIN, 1, 0, 0 },
	['g'] = { NUMBER, 0, 1, 0 },
	['h'] = { SKIP1, 0, 1, 0 },
	['i'] = { NAMES, 1, 0, NAMES_AND_CALLS },
	['j'] = { SKIP4, 0, 1, 0 },
	['l'] = { PLAIN, 1, 0, 0 },
	[']'] = { PLAIN, 0, 1, 0 },
	['o'] = { PLAIN, 2, 0, CALLS },
	['p'] = { NUMBER, 1, 0, 0 },
	['q'] = { SKIP1, 1, 0, 0 },
	['r'] = { SKIP4, 1, 0, 0 },
	['s'] = { PLAIN, 3, -2, 0 },
	['t'] = { PLAIN, 1, 0, 0 },
	[')'] = { PLAIN, 0, 1, 0 },
	['u'] = { PLAIN, 1, 0, 0 },
	['G'] = { SKIP8, 0, 1, 0 },
	[0x80] = { SKIP1, 0, 0, 0 },
	[0x81] = { PLAIN, 2, -1, CALLS },
	[0x82] = { SKIP1, 0, 1, NAMES_OBJECT },
	[0x83] = { SKIP2, 0, 1, NAMES_OBJECT },
	[0x84] = { SKIP4, 0, 1, NAMES_OBJECT },
	[0x85] = { PLAIN, 1, 0, 0 },
	[0x86] = { PLAIN, 2, -1, 0 },
	[0x87] = { PLAIN, 3, -2, 0 },
	[0x88] = { PLAIN, 0, 1, 0 },
	[0x89] = { PLAIN, 0, 1, 0 },
	[0x8a] = { LENGTH1, 0, 1, 0 },
	[0x8b] = { LENGTH4, 0, 1, 0 },
	['B'] = { LENGTH4, 0, 1, 0 },
	['C'] = { LENGTH1, 0, 1, 0 },
	[0x8c] = { LENGTH1, 0, 1, 0 },
	[0x8d] = { LENGTH8, 0, 1, 0 },
	[0x8e] = { LENGTH8, 0, 1, 0 },
	[0x8f] = { PLAIN, 0, 1, 0 },
	[0x90] = { PLAIN, 1, 0, 0 },
	[0x91] = { PLAIN, 1, 0, 0 },
	[0x92] = { PLAIN, 3, -2, CALLS },
	[0x93] = { PLAIN, 2, -1, NAMES_OBJECT },
	[0x94] = { PLAIN, 1, 0, 0 },
	[0x95] = { SKIP8, 0, 0, 0 },
	[0x96] = { LENGTH8, 0, 1, 0 },
	[0x97] = { PLAIN, 0, 1, 0 },
	[0x98] = { PLAIN, 1, 0, 0 },
};

struct reader {
	struct source *source;
	uint64_t at, end;
	uint64_t limit; /* how far lines are looked for */
	bool too_far;
};

/* A line, its newline taken as well; every byte must be one that is allowed there. */
static bool read_line(struct reader *reader, bool (*allowed)(int c))
{
	while (reader->at < reader->end) {
		int c = source_byte(reader->source, reader->at);

		if (reader->at >= reader->limit) {
			reader->too_far = true;
			return false;
		}
		reader->at++;
		if (c == '\n')
			return true;
		if (c < 0 || !allowed(c))
			return false;
	}
	return false;
}

static bool is_any(int c)
{
	return c >= 0;
}

/* What int() and float() take: also 0x1f, 1_000, infinity, blanks. */
static bool is_of_number(int c)
{
	return c >= 0x80 || (c && strchr("+-._ \t\r", c)) || (c >= '0' && c <= '9') ||
	       ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_of_name(int c)
{
	return c >= 0x80 || c == '_' || c == '.' || (c >= '0' && c <= '9') ||
	       ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool skip_bytes(struct reader *reader, uint64_t n)
{
	if (n > reader->end - reader->at)
		return false;
	reader->at += n;
	return true;
}

static bool skip_counted(struct reader *reader, size_t width)
{
	uint64_t n, at = reader->at;

	return skip_bytes(reader, width) &&
	       source_number(reader->source, at, width, &n) && skip_bytes(reader, n);
}

static bool read_quoted(struct reader *reader)
{
	int c = source_byte(reader->source, reader->at);

	return (c == '\'' || c == '"') && read_line(reader, is_any);
}

static bool read_argument(struct reader *reader, enum argument argument)
{
	switch (argument) {
	case INVALID:
		return false;
	case PLAIN:
		return true;
	case SKIP1:
	case SKIP2:
	case SKIP4:
	case SKIP8:
		return skip_bytes(reader, 1ULL << (argument - SKIP1));
	case LENGTH1:
		return skip_counted(reader, 1);
	case LENGTH4:
		return skip_counted(reader, 4);
	case LENGTH8:
		return skip_counted(reader, 8);
	case LINE:
		return read_line(reader, is_any);
	case NUMBER:
		return read_line(reader, is_of_number);
	case QUOTED_LINE:
		return read_quoted(reader);
	case NAMES:
		return read_line(reader, is_of_name) && read_line(reader, is_of_name);
	}
	return false;
}

/* The stack's height is the most that it can be, so that no pickle is missed. */
void pickle_walk(struct source *source, uint64_t offset, uint64_t max,
		 struct pickle_walk *ret_walk)
{
	struct reader reader = { source, offset, source->size, offset + max, false };
	struct pickle_walk walk = { .end = offset };
	int64_t height = 0;
	bool names = false;

	for (uint64_t n = 0; reader.at < reader.end; n++) {
		uint64_t at = reader.at;
		int c = source_byte(source, at);
		const struct opcode *opcode = c < 0 ? NULL : &opcodes[c];

		if (n >= max)
			reader.too_far = true;
		if (!opcode || reader.too_far || height < opcode->needs)
			break;
		reader.at++;
		if (c == 0x80 && source_byte(source, reader.at) > PROTOCOL_MAX)
			break;
		if (!read_argument(&reader, opcode->argument))
			break;
		height += opcode->adds;
		walk.protocol |= c == 0x80 && at == offset;
		if (!names &&
		    (opcode->effect == NAMES_OBJECT || opcode->effect == NAMES_AND_CALLS))
			walk.named = at;
		walk.calls |= opcode->effect == NAMES_AND_CALLS ||
			      (names && opcode->effect == CALLS);
		names |= opcode->effect == NAMES_OBJECT ||
			 opcode->effect == NAMES_AND_CALLS;
		walk.end = reader.at;
		walk.stops = opcode->effect == STOPS;
		if (walk.stops)
			break;
	}
	walk.unending = reader.too_far;
	*ret_walk = walk;
}

static bool is_of_word(int c)
{
	return c >= ' ' && c != '\x7f';
}

/* What the first GLOBAL or INST names: "os.system"; "" if it is named otherwise. */
static const char *name_of(struct source *source, uint64_t at, struct quoted *buffer)
{
	const uint8_t *bytes;
	char word[NAME_SHOWN];
	size_t n = 0, lines = 0;

	if (source_byte(source, at) != 'c' && source_byte(source, at) != 'i')
		return "";
	for (at++; n < sizeof(word); at++) {
		bytes = source_bytes(source, at, 1);
		if (!bytes || (*bytes == '\n' && ++lines == 2))
			break;
		word[n++] = *bytes == '\n' ? '.' : (char)*bytes;
	}
	return n > 0 && is_of_word(word[0]) ? text_quoted(buffer, word, n) : "";
}

bool format_pickle(struct source *source, struct format_verdict *verdict)
{
	struct quoted buffer;
	struct pickle_walk walk;
	const char *name;

	pickle_walk(source, 0, PICKLE_LOOK, &walk);
	/* Text may begin with a few opcodes; a pickle without PROTO counts if it does
	 * something, or if it is all there is. */
	if (!walk.calls && !walk.unending && !(walk.protocol && walk.end > 2) &&
	    !(walk.stops && walk.end == source->size))
		return false;
	verdict->format = FORMAT_PICKLE;
	name = walk.calls ? name_of(source, walk.named, &buffer) : "";
	if (walk.calls)
		format_say(
			verdict,
			"it is a pickle, which runs code when it is loaded: %s%sat byte "
			"%" PRIu64,
			name, *name ? " " : "it calls what is named ", walk.named);
	else
		format_say(verdict,
			   "it is a pickle, which may run code when it is loaded");
	return true;
}

/* numpy/lib/format.py: magic, version, length, a Python literal; "O" is the type of
 * objects, which are pickled. An escape could hide it. */
static bool has_objects(const uint8_t *header, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (header[i] == 'O' || header[i] == '\\' ||
		    (n - i >= 6 && memcmp(header + i, "object", 6) == 0))
			return true;
	}
	return false;
}

enum numpy_kind numpy_kind(struct source *source, uint64_t at)
{
	const uint8_t *start = source_bytes(source, at, 8), *header;
	uint64_t n;
	size_t width;

	if (!start || memcmp(start, "\x93NUMPY", 6) != 0)
		return NUMPY_NONE;
	width = start[6] == 1 ? 2 : 4;
	if (!source_number(source, at + 8, width, &n) || n > SOURCE_WINDOW)
		return NUMPY_OBJECTS;
	header = source_bytes(source, at + 8 + width, (size_t)n);
	return !header || has_objects(header, (size_t)n) ? NUMPY_OBJECTS : NUMPY_NUMBERS;
}

bool format_numpy(struct source *source, struct format_verdict *verdict)
{
	switch (numpy_kind(source, 0)) {
	case NUMPY_NONE:
		return false;
	case NUMPY_OBJECTS:
		verdict->format = FORMAT_PICKLE;
		format_say(verdict, "it is a NumPy array of objects, which are a pickle");
		return true;
	case NUMPY_NUMBERS:
		break;
	}
	format_say(verdict, "it is a NumPy array, which is not checked");
	return true;
}
