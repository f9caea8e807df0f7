/* SPDX-License-Identifier: Apache-2.0 */
/* Words from outside: shown so that they can do no harm, compared, cut at commas. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#define NAME_MAX_LENGTH 40
#define DISTANCE_MAX	63

/* Writes one byte's safe form, NUL-terminated, at most four characters; returns how many.
 */
static size_t escape(char byte, char ret[5])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char c = (unsigned char)byte;

	if (c == '\\') {
		memcpy(ret, "\\\\", 3);
		return 2;
	}
	if (c >= 0x20 && c < 0x7f) {
		ret[0] = byte;
		ret[1] = '\0';
		return 1;
	}
	memcpy(ret, "\\x", 2);
	ret[2] = digits[c >> 4];
	ret[3] = digits[c & 0xf];
	ret[4] = '\0';
	return 4;
}

const char *text_quoted(struct quoted *buffer, const char *bytes, size_t length)
{
	const size_t room = sizeof(buffer->text) - sizeof("...'");
	char *out = buffer->text;
	size_t n = 0;

	out[n++] = '\'';
	for (size_t i = 0; i < length; i++) {
		char form[5];
		size_t width = escape(bytes[i], form);

		if (n + width > room) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		memcpy(out + n, form, width);
		n += width;
	}
	out[n++] = '\'';
	out[n] = '\0';
	return out;
}

char *text_safe(const char *bytes, size_t length)
{
	char *out, *end;

	out = end = malloc(4 * length + 5);
	if (!out)
		return NULL;
	*end = '\0';
	for (size_t i = 0; i < length; i++)
		end += escape(bytes[i], end);
	return out;
}

bool text_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

const char *text_skip_blanks(const char *text)
{
	while (text_is_blank(*text))
		text++;
	return text;
}

bool text_is_name(const char *word)
{
	size_t length = strlen(word);

	return length >= 1 && length <= NAME_MAX_LENGTH &&
	       strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789-_.") == length;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

unsigned text_distance(const char *one, const char *other, unsigned limit)
{
	size_t n = strlen(one), m = strlen(other);
	unsigned rows[3][DISTANCE_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	if (n > DISTANCE_MAX || m > DISTANCE_MAX || n > m + limit || m > n + limit)
		return limit + 1;
	for (unsigned j = 0; j <= m; j++)
		last[j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *spare = before;

		now[0] = i;
		for (unsigned j = 1; j <= m; j++) {
			unsigned same = one[i - 1] == other[j - 1] ? 0 : 1;

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + same);
			if (i > 1 && j > 1 && one[i - 1] == other[j - 2] &&
			    one[i - 2] == other[j - 1] && before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[m] > limit ? limit + 1 : last[m];
}

int text_duration(const char *text, int64_t max, int64_t *ret)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 }
	};
	size_t n = strspn(text, "0123456789");
	int64_t number = 0;

	if (n == 0 || text[n] == '\0' || text[n + 1] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < n && number <= max; i++)
		number = 10 * number + (text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].letter != text[n])
			continue;
		if (number == 0 || number > max / units[i].seconds)
			return -ERANGE;
		*ret = number * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

char *text_next_item(char **state)
{
	char *item = *state, *comma, *end;

	if (!item)
		return NULL;
	comma = strchr(item, ',');
	end = comma ? comma : item + strlen(item);
	*state = comma ? comma + 1 : NULL;
	while (text_is_blank(*item))
		item++;
	while (end > item && text_is_blank(end[-1]))
		end--;
	*end = '\0';
	return item;
}
