/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a grants file to a set of grants, or to all that is wrong with it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/complaint.h"
#include "config/grants.h"
#include "config/ini-reader.h"
#include "config/text.h"

struct grant_parser {
	struct complaints *complaints;
	struct grants *grants;
	int error; /* the first -errno, sticky */
	bool refused;
	bool in_grant; /* lines belong to the last item */
	bool lost;     /* something of it, so that it may not lack what it seems to */
	unsigned seen; /* keys of it, by row */
};

struct grant_key {
	const char *name;
	bool needed;
	/* Returns whether the value was understood; it may be changed. */
	bool (*parse)(struct grant_parser *parser, struct timed_grant *grant,
		      char *value);
};

static void __attribute__((format(printf, 3, 4)))
complain(struct grant_parser *parser, unsigned line, const char *format, ...)
{
	char text[TEXT_QUOTED_MAX + 256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	parser->refused = parser->lost = true;
	if (complaints_add(parser->complaints, line, "%s", text) < 0)
		parser->error = -ENOMEM;
}

/* Decimal, from 0 to `max`. */
static bool parse_number(const char *text, int64_t max, int64_t *ret)
{
	int64_t number = 0;

	if (*text == '\0' || strlen(text) > 18 ||
	    text[strspn(text, "0123456789")] != '\0')
		return false;
	for (; *text; text++)
		number = 10 * number + (*text - '0');
	*ret = number;
	return number <= max;
}

static bool copy(struct grant_parser *parser, const char *text, char **ret)
{
	free(*ret);
	*ret = strdup(text);
	if (!*ret)
		parser->error = -ENOMEM;
	return *ret != NULL;
}

/* Cuts the last word off. NULL: there is only one. */
static char *cut_last(char *value)
{
	char *blank = strrchr(value, ' ');

	if (!blank)
		return NULL;
	*blank = '\0';
	return blank + 1;
}

/* NAME UID */
static bool parse_person(struct grant_parser *parser, struct grant_person *person,
			 char *value)
{
	const char *number = cut_last(value);
	int64_t uid;

	if (!number || !parse_number(number, UINT32_MAX - 1, &uid) ||
	    !grant_text_fits(value))
		return false;
	person->uid = (uid_t)uid;
	return copy(parser, value, &person->name);
}

static bool parse_user(struct grant_parser *parser, struct timed_grant *grant,
		       char *value)
{
	return parse_person(parser, &grant->user, value);
}

static bool parse_by(struct grant_parser *parser, struct timed_grant *grant, char *value)
{
	return parse_person(parser, &grant->by, value);
}

static bool parse_revoked_by(struct grant_parser *parser, struct timed_grant *grant,
			     char *value)
{
	return parse_person(parser, &grant->revoked_by, value);
}

static bool parse_role(struct grant_parser *parser, struct timed_grant *grant,
		       char *value)
{
	return text_is_name(value) && copy(parser, value, &grant->role_name);
}

static bool parse_reason(struct grant_parser *parser, struct timed_grant *grant,
			 char *value)
{
	return grant_text_fits(value) && copy(parser, value, &grant->reason);
}

static bool parse_from(struct grant_parser *parser, struct timed_grant *grant,
		       char *value)
{
	(void)parser;
	return parse_number(value, INT64_MAX, &grant->from);
}

static bool parse_until(struct grant_parser *parser, struct timed_grant *grant,
			char *value)
{
	(void)parser;
	return parse_number(value, INT64_MAX, &grant->until);
}

static bool parse_revoked(struct grant_parser *parser, struct timed_grant *grant,
			  char *value)
{
	(void)parser;
	return parse_number(value, INT64_MAX, &grant->revoked) && grant->revoked != 0;
}

static bool parse_uptime(struct grant_parser *parser, struct timed_grant *grant,
			 char *value)
{
	(void)parser;
	return parse_number(value, INT64_MAX, &grant->boot_from);
}

static const struct grant_key keys[] = {
	{ "user", true, parse_user },
	{ "role", true, parse_role },
	{ "from", true, parse_from },
	{ "until", true, parse_until },
	{ "uptime", true, parse_uptime },
	{ "by", true, parse_by },
	{ "reason", true, parse_reason },
	{ "revoked", false, parse_revoked },
	{ "revoked-by", false, parse_revoked_by },
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static struct timed_grant *last(struct grant_parser *parser)
{
	return &parser->grants->items[parser->grants->n_items - 1];
}

/* What the section that ends here lacks. */
static void end_grant(struct grant_parser *parser)
{
	const struct timed_grant *grant;

	if (!parser->in_grant || parser->lost)
		return;
	grant = last(parser);
	for (size_t i = 0; i < N_KEYS; i++) {
		if (keys[i].needed && !(parser->seen & 1u << i)) {
			complain(parser, grant->line, "[grant %u] has no '%s'", grant->id,
				 keys[i].name);
			return;
		}
	}
	if (grant->until <= grant->from)
		complain(parser, grant->line, "[grant %u] ends before it begins",
			 grant->id);
	else if ((grant->revoked != 0) != (grant->revoked_by.name != NULL))
		complain(parser, grant->line,
			 "[grant %u] has one of 'revoked' and 'revoked-by' without the "
			 "other",
			 grant->id);
}

static bool has_id(const struct grants *grants, unsigned id)
{
	for (size_t i = 0; i < grants->n_items; i++) {
		if (grants->items[i].id == id)
			return true;
	}
	return false;
}

static void on_section(void *data, unsigned line, const char *header)
{
	struct grant_parser *parser = data;
	int64_t id;

	end_grant(parser);
	parser->in_grant = parser->lost = false;
	parser->seen = 0;
	if (!header)
		return;
	if (strncmp(header, "grant ", 6) != 0 ||
	    !parse_number(header + 6, INT32_MAX, &id))
		complain(parser, line, "unknown section %s: there is [grant NUMBER]",
			 QUOTED(header));
	else if (has_id(parser->grants, (unsigned)id))
		complain(parser, line, "a second [grant %u]", (unsigned)id);
	else if (parser->grants->n_items >= GRANTS_MAX)
		complain(parser, line, "more than %d grants", GRANTS_MAX);
	else if (grants_add(parser->grants, &(struct timed_grant){ .id = (unsigned)id,
								   .line = line }) < 0)
		parser->error = -ENOMEM;
	else
		parser->in_grant = true;
}

static void on_entry(void *data, unsigned line, const char *name, char *value)
{
	struct grant_parser *parser = data;
	struct quoted shown;
	size_t i = 0;

	if (!parser->in_grant) {
		if (parser->grants->n_items == 0)
			complain(parser, line, "key %s before the first [grant NUMBER]",
				 QUOTED(name));
		return;
	}
	while (i < N_KEYS && strcmp(keys[i].name, name) != 0)
		i++;
	if (i == N_KEYS) {
		complain(parser, line, "unknown key %s", QUOTED(name));
		return;
	}
	if (parser->seen & 1u << i) {
		complain(parser, line, "a second '%s' in this section", name);
		return;
	}
	parser->seen |= 1u << i;
	text_quoted(&shown, value, strlen(value));
	if (!keys[i].parse(parser, last(parser), value))
		complain(parser, line, "%s cannot be %s", name, shown.text);
}

static void on_defect(void *data, unsigned line, const char *text)
{
	complain(data, line, "%s", text);
}

static int keep_text(struct grants *grants, const char *text, size_t length)
{
	grants->text = malloc(length + 1);
	if (!grants->text)
		return -ENOMEM;
	if (length > 0)
		memcpy(grants->text, text, length);
	grants->length = length;
	return 0;
}

int grants_parse(const char *text, size_t length, struct complaints *complaints,
		 struct grants **ret)
{
	static const struct ini_sink sink = { on_section, on_entry, on_defect };
	struct grant_parser parser = { .complaints = complaints, .grants = grants_new() };
	int r;

	if (!parser.grants)
		return -ENOMEM;
	r = ini_read(text, length, &sink, &parser);
	end_grant(&parser);
	complaints_sort(complaints);
	if (r == 0)
		r = parser.error;
	if (r == 0)
		r = parser.refused ? -EINVAL : keep_text(parser.grants, text, length);
	if (r < 0)
		grants_unref(parser.grants);
	else
		*ret = parser.grants;
	return r;
}
