/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of an INI text as events, each checked before inih sees it. */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/ini-reader.h"
#include "config/text.h"

struct reader {
	const char *next, *end;
	unsigned line;		       /* number of the one that inih has now, from 1 */
	char header[INI_NAME_MAX + 1]; /* of the section that inih must be in */
	size_t key_length; /* of the entry that inih must tell next; 0: none */
	bool told_cr;	   /* once a file is enough */
	const struct ini_sink *sink;
	void *data;
};

static void __attribute__((format(printf, 2, 3)))
defect(struct reader *reader, const char *format, ...)
{
	char text[TEXT_QUOTED_MAX + 256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reader->sink->defect(reader->data, reader->line, text);
}

/* An inline comment begins with ';' after a blank, at the earliest at the second byte:
 * the rule of inih's find_chars_or_comment(). Returns where, or the end. */
static const char *find_comment(const char *text, const char *end)
{
	for (const char *p = text; p < end; p++) {
		if (*p == ';' && p > text && text_is_blank(p[-1]))
			return p;
	}
	return end;
}

static bool is_header_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	       text_is_blank(c);
}

/* A byte order mark and a carriage return refuse the file, too, but the line is still
 * read, as if they were not there: what else is wrong with it shall be told at once. */
static void strip(struct reader *reader, const char **line, size_t *length)
{
	if (reader->line == 1 && *length >= 3 && memcmp(*line, "\xef\xbb\xbf", 3) == 0) {
		defect(reader,
		       "the file begins with a byte order mark: save it as plain text "
		       "without one");
		*line += 3;
		*length -= 3;
	}
	if (*length > 0 && (*line)[*length - 1] == '\r') {
		if (!reader->told_cr)
			defect(reader,
			       "the line ends with a carriage return: save the file with "
			       "Unix line ends (dos2unix)");
		reader->told_cr = true;
		(*length)--;
	}
}

/* The line is of a permitted length and holds no byte that inih would trip over. */
static bool check_bytes(struct reader *reader, const char *line, size_t length)
{
	if (length > INI_LINE_MAX) {
		defect(reader,
		       "the line has %zu bytes, more than the %d that are read: shorten "
		       "it, "
		       "or give the rest to a second role and include that",
		       length, INI_LINE_MAX);
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			defect(reader, "control byte \\x%02x at column %zu: remove it", c,
			       i + 1);
			return false;
		}
	}
	return true;
}

/* The header between "[" and "]", trimmed, into reader->header. */
static bool check_header(struct reader *reader, const char *line, const char *end)
{
	const char *from = line + 1, *close = memchr(from, ']', (size_t)(end - from)),
		   *to, *rest;

	if (!close) {
		defect(reader,
		       "the section header has no ']': close it, as in [zone NAME]");
		return false;
	}
	for (const char *p = from; p < close; p++) {
		if (!is_header_byte(*p)) {
			defect(reader,
			       "%s is no section header: write [guard], [role NAME] or "
			       "[zone "
			       "NAME]; names have letters, digits, '-', '_' and '.'",
			       text_quoted(&(struct quoted){ { 0 } }, line,
					   (size_t)(close + 1 - line)));
			return false;
		}
	}
	if (close - from > INI_NAME_MAX) {
		defect(reader,
		       "the section header has %td bytes, more than %d: shorten the name",
		       close - from, INI_NAME_MAX);
		return false;
	}
	for (rest = close + 1; rest < end && text_is_blank(*rest); rest++)
		;
	if (rest < end && *rest != ';') {
		defect(reader, "text after ']': put it on a line of its own, or make it "
			       "a comment "
			       "with ';'");
		return false;
	}
	for (to = close; from < to && text_is_blank(*from);)
		from++;
	while (to > from && text_is_blank(to[-1]))
		to--;
	memcpy(reader->header, from, (size_t)(to - from));
	reader->header[to - from] = '\0';
	return true;
}

/* KEY = VALUE; sets reader->key_length. */
static bool check_entry(struct reader *reader, const char *line, const char *end)
{
	const char *comment = find_comment(line, end), *p = line, *to;

	while (p < comment && *p != '=' && *p != ':')
		p++;
	if (p == comment) {
		defect(reader,
		       "%s is neither 'key = value' nor a [section]: add the '=', or "
		       "make "
		       "it a comment with ';'",
		       text_quoted(&(struct quoted){ { 0 } }, line,
				   (size_t)(comment - line)));
		return false;
	}
	if (*p == ':') {
		defect(reader, "':' where '=' belongs: write 'key = value'");
		return false;
	}
	for (to = p; to > line && text_is_blank(to[-1]);)
		to--;
	if (to == line) {
		defect(reader, "'=' without a key before it: write 'key = value'");
		return false;
	}
	if (to - line > INI_NAME_MAX) {
		defect(reader, "the key has %td bytes, more than %d: shorten it",
		       to - line, INI_NAME_MAX);
		return false;
	}
	reader->key_length = (size_t)(to - line);
	return true;
}

/* What of the line inih may see: the line itself, or a stand-in that tells it nothing. */
static const char *check_line(struct reader *reader, const char *line, size_t *length)
{
	const char *end = line + *length, *start = line;
	bool sound = check_bytes(reader, line, *length);

	while (start < end && text_is_blank(*start))
		start++;
	if (sound && (start == end || *start == ';' || *start == '#')) {
		*length = 0;
		return "";
	}
	if (sound && start > line) {
		defect(reader,
		       "the line begins with white space, which would continue the line "
		       "above: remove the indentation");
		sound = false;
	}
	if (start < end && *start == '[') {
		sound = sound && check_header(reader, line, end);
		if (!sound)
			reader->header[0] = '\0';
		reader->sink->section(reader->data, reader->line,
				      sound ? reader->header : NULL);
		/* Trimmed, as it is compared with what inih says; a bad one ends the
		 * section. */
		*length = 0;
		return reader->header;
	}
	if (sound && check_entry(reader, line, end))
		return line;
	*length = 0;
	return "";
}

/* Before inih gets another line, it must have told the entry of the last one. */
static void check_told(struct reader *reader)
{
	if (reader->key_length != 0)
		defect(reader, "the line could not be understood: write 'key = value'");
	reader->key_length = 0;
}

static char *next_line(char *buffer, int size, void *stream)
{
	struct reader *reader = stream;
	const char *line = reader->next, *end, *seen;
	size_t length;

	check_told(reader);
	if (line >= reader->end)
		return NULL;
	end = memchr(line, '\n', (size_t)(reader->end - line));
	length = (size_t)((end ? end : reader->end) - line);
	reader->next = end ? end + 1 : reader->end;
	reader->line++;

	strip(reader, &line, &length);
	seen = check_line(reader, line, &length);
	if (seen == reader->header) {
		snprintf(buffer, (size_t)size, "[%s]", reader->header);
		return buffer;
	}
	if (length >=
	    (size_t)size) { /* an inih that was built for less than INI_LINE_MAX */
		defect(reader,
		       "the line has %zu bytes, more than inih was built for: shorten it",
		       length);
		reader->key_length = 0;
		length = 0;
	}
	memcpy(buffer, seen, length);
	buffer[length] = '\0';
	return buffer;
}

static int take_entry(void *user, const char *section, const char *name,
		      const char *value)
{
	struct reader *reader = user;
	char copy[INI_LINE_MAX + 1];

	if (strcmp(section, reader->header) != 0 || strlen(name) != reader->key_length ||
	    strlen(value) >= sizeof(copy))
		return 1; /* check_told() complains */
	reader->key_length = 0;
	memcpy(copy, value, strlen(value) + 1);
	reader->sink->entry(reader->data, reader->line, name, copy);
	return 1;
}

int ini_read(const char *text, size_t length, const struct ini_sink *sink, void *data)
{
	struct reader reader = {
		.next = text,
		.end = text + length,
		.sink = sink,
		.data = data,
	};
	int r;

	/* A positive value is inih's first bad line: there is none, or check_told() told.
	 */
	r = ini_parse_stream(next_line, &reader, take_entry, &reader);
	return r == -2 ? -ENOMEM : 0;
}
