/* SPDX-License-Identifier: Apache-2.0 */
/* Words from outside: shown so that they can do no harm, compared, cut at commas. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line of 198 bytes at four characters a byte, and quotes. */
#define TEXT_QUOTED_MAX 1024

struct quoted {
	char text[TEXT_QUOTED_MAX];
};

/* 'word', every byte that is not printable ASCII as \xNN and what is too long cut with
 * "...": nothing in it can steer a terminal. Returns buffer->text. */
const char *text_quoted(struct quoted *buffer, const char *bytes, size_t length);

/* The same for a NUL-terminated word; lives as long as the enclosing block. */
#define QUOTED(word) text_quoted(&(struct quoted){ { 0 } }, (word), strlen(word))

/* The bytes without quotes, as \xNN where not printable ASCII ("\\" for "\"). Returns a
 * new string, the caller's to free(), or NULL without memory. */
char *text_safe(const char *bytes, size_t length);

/* Blanks are the space and the tab. */
bool text_is_blank(char c);
const char *text_skip_blanks(const char *text);

/* Whether `word` is 1 to 40 letters, digits, '-', '_' and '.'. */
bool text_is_name(const char *word);

/* How many letters must change to make one of the other (insert, remove, replace, swap of
 * neighbours); at most `limit` + 1 is returned. */
unsigned text_distance(const char *one, const char *other, unsigned limit);

/* A time of one number and one unit, s, m, h, d or w ("8h"), in seconds, at most `max`.
 * Returns 0, -EINVAL if it is none, or -ERANGE if it is 0 or too long. */
int text_duration(const char *text, int64_t max, int64_t *ret);

/* Cuts the next item off a list at its comma, in place, without the blanks around it.
 * Returns NULL at the end; an item may be empty. Start with *state = list. */
char *text_next_item(char **state);
