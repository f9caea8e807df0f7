/* SPDX-License-Identifier: Apache-2.0 */
/* Zip archives, by the directory at their end (PKWARE's APPNOTE.TXT): torch.save's and
 * .npz. */
#include <inttypes.h>
#include <string.h>

#include "config/text.h"

#include "fuse/format-source.h"
#include "fuse/util.h"

#define END_BYTES   22 /* of the end record, without its comment */
#define COMMENT_MAX 65535
#define ENTRY_BYTES 46
#define LOCAL_BYTES 30
#define MEMBERS_MAX 20000 /* a torch archive has one a tensor */
#define MEMBER_LOOK (64 << 10)
#define NAME_SHOWN  60
#define IN_ZIP64    UINT32_MAX /* the number is elsewhere */

/* Where the directory of members is. */
struct directory {
	uint64_t at, end;
	uint64_t before; /* bytes in front of the archive, which its offsets leave out */
};

struct member {
	uint64_t flags, method, offset;
	uint64_t name_at;
	size_t name_n;
};

struct archive {
	struct source *source;
	struct format_verdict *verdict;
	struct directory directory;
	struct member *members;
	size_t n, capacity;
};

static void archive_fini(struct archive *archive)
{
	free(archive->members);
}

static uint64_t number_in(const uint8_t *bytes, size_t n)
{
	uint64_t number = 0;

	for (size_t i = n; i > 0; i--)
		number = number << 8 | bytes[i - 1];
	return number;
}

static bool is_signed(struct source *source, uint64_t at, const char *signature)
{
	const uint8_t *bytes = source_bytes(source, at, 4);

	return bytes && memcmp(bytes, signature, 4) == 0;
}

/* The end record of zip64 stands before a locator of 20 bytes, which precedes the other.
 */
static bool use_zip64(struct source *source, uint64_t end_at, struct directory *directory)
{
	const uint8_t *record;
	uint64_t at, size;

	if (end_at < 20 + 56 || !is_signed(source, end_at - 20, "PK\6\7") ||
	    !source_number(source, end_at - 20 + 8, 8, &at))
		return false;
	if (!is_signed(source, at, "PK\6\6"))
		at = end_at - 20 - 56;
	record = source_bytes(source, at, 56);
	if (!record || memcmp(record, "PK\6\6", 4) != 0)
		return false;
	size = number_in(record + 40, 8);
	directory->end = at;
	directory->at = size <= at ? at - size : at;
	directory->before = directory->at - number_in(record + 48, 8);
	return true;
}

/* As Python's zipfile: the directory ends where the end record begins. */
static bool directory_at(struct source *source, uint64_t at, struct directory *ret)
{
	const uint8_t *record = source_bytes(source, at, END_BYTES);
	struct directory directory = { .end = at };
	uint64_t size, offset;

	if (!record || memcmp(record, "PK\5\6", 4) != 0)
		return false;
	size = number_in(record + 12, 4);
	offset = number_in(record + 16, 4);
	if (!use_zip64(source, at, &directory)) {
		if (size > at || at - size < offset)
			return false;
		directory.at = at - size;
		directory.before = directory.at - offset;
	}
	if (!is_signed(source, directory.at, "PK\1\2"))
		return false;
	*ret = directory;
	return true;
}

/* The last that is sound: what a reader takes is the last. */
static bool find_directory(struct source *source, struct directory *ret)
{
	uint64_t tail = END_BYTES + COMMENT_MAX;
	uint64_t from = source->size > tail ? source->size - tail : 0;

	for (uint64_t at = source->size; at >= from + END_BYTES; at--) {
		/* All of it again, from the window unless something else was read. */
		const uint8_t *bytes =
			source_bytes(source, from, (size_t)(source->size - from));

		if (!bytes)
			return false;
		if (memcmp(bytes + (at - END_BYTES - from), "PK\5\6", 4) == 0 &&
		    directory_at(source, at - END_BYTES, ret))
			return true;
	}
	return false;
}

static bool ends_with(const uint8_t *name, size_t n, const char *end)
{
	size_t length = strlen(end);

	if (n < length)
		return false;
	for (size_t i = 0; i < length; i++) {
		int c = name[n - length + i];

		if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != end[i])
			return false;
	}
	return true;
}

static bool is_named_pickle(struct source *source, const struct member *member)
{
	static const char *const ends[] = { ".pkl", ".pickle", ".pk", ".joblib", ".p" };
	const uint8_t *name = source_bytes(source, member->name_at, member->name_n);

	for (size_t i = 0; name && i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (ends_with(name, member->name_n, ends[i]))
			return true;
	}
	return false;
}

static const char *shown(struct source *source, const struct member *member,
			 struct quoted *buffer)
{
	size_t n = member->name_n < NAME_SHOWN ? member->name_n : NAME_SHOWN;
	const uint8_t *name = source_bytes(source, member->name_at, n);

	return name ? text_quoted(buffer, (const char *)name, n) : "?";
}

/* Until the directory's end, whatever number of members it is said to have. */
static bool read_members(struct archive *archive)
{
	uint64_t at = archive->directory.at;

	while (at < archive->directory.end && archive->n <= MEMBERS_MAX) {
		const uint8_t *entry = source_bytes(archive->source, at, ENTRY_BYTES);

		if (!entry || memcmp(entry, "PK\1\2", 4) != 0)
			break;
		if (array_reserve((void **)&archive->members, archive->n,
				  &archive->capacity, sizeof(*archive->members)) < 0) {
			archive->source->error = -ENOMEM;
			return false;
		}
		archive->members[archive->n++] = (struct member){
			.flags = number_in(entry + 8, 2),
			.method = number_in(entry + 10, 2),
			.offset = number_in(entry + 42, 4),
			.name_at = at + ENTRY_BYTES,
			.name_n = (size_t)number_in(entry + 28, 2),
		};
		at += ENTRY_BYTES + number_in(entry + 28, 2) + number_in(entry + 30, 2) +
		      number_in(entry + 32, 2);
	}
	return true;
}

/* Where the content of a member begins; 0: it cannot be told. */
static uint64_t content_of(struct archive *archive, const struct member *member)
{
	uint64_t at = member->offset + archive->directory.before;
	uint8_t local[LOCAL_BYTES];

	if (member->offset == IN_ZIP64 ||
	    !source_copy(archive->source, at, local, sizeof(local)) ||
	    memcmp(local, "PK\3\4", 4) != 0)
		return 0;
	return at + LOCAL_BYTES + number_in(local + 26, 2) + number_in(local + 28, 2);
}

static bool holds_pickle(struct source *source, uint64_t at)
{
	struct pickle_walk walk;

	pickle_walk(source, at, MEMBER_LOOK, &walk);
	return walk.calls || walk.unending || (walk.protocol && walk.end > at + 2) ||
	       numpy_kind(source, at) == NUMPY_OBJECTS;
}

/* Encrypted, compressed, or where it is said not to be. */
static bool is_hidden(struct archive *archive, const struct member *member)
{
	return (member->flags & 1) || member->method != 0 ||
	       content_of(archive, member) == 0;
}

static bool refuse_member(struct archive *archive, const struct member *member,
			  enum format format, const char *what)
{
	archive->verdict->format = format;
	format_say(archive->verdict, "it is a zip archive, and its member %s %s",
		   shown(archive->source, member, &(struct quoted){ { 0 } }), what);
	return true;
}

bool format_archive(struct source *source, struct format_verdict *verdict)
{
	_cleanup_(archive_fini) struct archive archive = { .source = source,
							   .verdict = verdict };
	const struct member *hidden = NULL;

	if (!find_directory(source, &archive.directory) || !read_members(&archive))
		return false;
	if (archive.n > MEMBERS_MAX) {
		verdict->format = FORMAT_COMPRESSED;
		format_say(verdict, "it is a zip archive of more than %d members",
			   MEMBERS_MAX);
		return true;
	}
	for (size_t i = 0; i < archive.n; i++) {
		const struct member *member = &archive.members[i];

		if (is_named_pickle(source, member))
			return refuse_member(
				&archive, member, FORMAT_PICKLE,
				"is a pickle by its name, which runs code when it is "
				"loaded");
		if (is_hidden(&archive, member))
			hidden = member;
		else if (holds_pickle(source, content_of(&archive, member)))
			return refuse_member(
				&archive, member, FORMAT_PICKLE,
				"is a pickle, which runs code when it is loaded");
	}
	return hidden &&
	       refuse_member(&archive, hidden, FORMAT_COMPRESSED,
			     "is compressed or encrypted: what is inside cannot be told");
}
