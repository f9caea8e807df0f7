/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the policy parser share. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/parser.h"

#define SUGGEST_DISTANCE 2
/* Comparing words costs time; after so many complaints nobody reads suggestions. */
#define SUGGEST_COMPLAINTS 100

void parser_no_memory(struct parser *parser)
{
	parser->error = -ENOMEM;
}

void parser_complain(struct parser *parser, unsigned line, const char *format, ...)
{
	char text[2 * TEXT_QUOTED_MAX + 512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	parser->refused = true;
	if (complaints_add(parser->complaints, line, "%s", text) < 0)
		parser_no_memory(parser);
}

struct suggestion {
	const char *word;
	unsigned distance;
};

static void suggestion_try(struct suggestion *best, const char *word,
			   const char *candidate)
{
	unsigned distance = text_distance(word, candidate, best->distance - 1);

	if (distance < best->distance && distance < strlen(word))
		*best = (struct suggestion){ candidate, distance };
}

static const char *suggestion_text(const struct suggestion *best, struct quoted *buffer)
{
	if (!best->word)
		return "";
	snprintf(buffer->text, sizeof(buffer->text), " (did you mean '%s'?)", best->word);
	return buffer->text;
}

const char *parser_suggest(const struct parser *parser, struct quoted *buffer,
			   const char *word, const struct word_list *list)
{
	struct suggestion best = { NULL, SUGGEST_DISTANCE + 1 };

	if (parser->complaints->n_items >= SUGGEST_COMPLAINTS)
		return "";
	for (size_t i = 0; i < list->n_words && best.distance > 0; i++)
		suggestion_try(&best, word, list->words[i]);
	return suggestion_text(&best, buffer);
}

const char *parser_suggest_role(const struct parser *parser, struct quoted *buffer,
				const char *word)
{
	struct suggestion best = { NULL, SUGGEST_DISTANCE + 1 };

	if (parser->complaints->n_items >= SUGGEST_COMPLAINTS)
		return "";
	for (size_t i = 0; i < parser->policy->n_roles && best.distance > 0; i++)
		suggestion_try(&best, word, parser->policy->roles[i].name);
	return suggestion_text(&best, buffer);
}

int parser_word(struct parser *parser, unsigned line, const char *key, const char *value,
		const struct word_list *list)
{
	char choice[128];
	size_t n = 0;

	for (size_t i = 0; i < list->n_words; i++) {
		if (strcmp(value, list->words[i]) == 0)
			return (int)i;
	}
	for (size_t i = 0; i < list->n_words && n < sizeof(choice); i++)
		n += (size_t)snprintf(choice + n, sizeof(choice) - n, "%s'%s'",
				      i == 0 ? "" : " or ", list->words[i]);
	parser_complain(parser, line, "%s cannot be %s: write %s", key, QUOTED(value),
			choice);
	return -1;
}

char *parser_copy(struct parser *parser, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		parser_no_memory(parser);
	return copy;
}

void parser_refer(struct parser *parser, struct role_refs *refs,
		  const struct role_ref *ref)
{
	if (refs->n_items == refs->capacity) {
		size_t capacity = refs->capacity ? 2 * refs->capacity : 16;
		struct role_ref *items =
			reallocarray(refs->items, capacity, sizeof(*items));

		if (!items) {
			parser_no_memory(parser);
			return;
		}
		refs->items = items;
		refs->capacity = capacity;
	}
	refs->items[refs->n_items] = *ref;
	refs->items[refs->n_items].name = parser_copy(parser, ref->name);
	if (refs->items[refs->n_items].name)
		refs->n_items++;
}
