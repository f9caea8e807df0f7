/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the policy parser share; private to config/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/complaint.h"
#include "config/name-table.h"
#include "config/policy-load.h"
#include "config/policy.h"
#include "config/text.h"

enum section {
	SECTION_NONE, /* before the first */
	SECTION_BAD,  /* refused already: what it holds is not looked at */
	SECTION_GUARD,
	SECTION_ROLE,
	SECTION_ZONE,
};

/* A role that is named in a line, which may come before the role's own section. */
struct role_ref {
	unsigned owner; /* include: the role, allow: the zone that the line stands in */
	unsigned line;
	char *name;
	verb_set verbs; /* of an allow line */
};

struct role_refs {
	struct role_ref *items; /* in the order of the lines */
	size_t n_items;
	size_t capacity;
};

struct parser {
	const struct name_lookup *names;
	struct complaints *complaints;
	struct policy *policy; /* being built */
	int error;    /* the first -errno, sticky: without memory nothing else counts */
	bool refused; /* something was complained of */
	size_t roles_capacity;
	size_t zones_capacity;
	struct name_table role_names, zone_names;
	struct role_refs includes, allows, grantable;

	enum section section; /* the one that the lines belong to now */
	unsigned section_line;
	unsigned guard_line;	/* of the [guard] section; 0: none */
	unsigned key_lines[16]; /* of this section, by the row of the key; 0: none */
	bool lost_line;	   /* of this section, so that it may not lack what it seems to */
	bool lost_section; /* so that a role or a zone may not be missing */
};

/* One key of a section. */
struct key {
	const char *name;
	void (*parse)(struct parser *parser, unsigned line, char *value);
};

/* Words of an enumeration; the number is the row. */
struct word_list {
	const char *const *words;
	size_t n_words;
};

extern const struct key guard_keys[], role_keys[], zone_keys[]; /* end with a NULL name */

/* Complains; without memory sets parser->error. */
void parser_complain(struct parser *parser, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Remembers that memory ran out. */
void parser_no_memory(struct parser *parser);

/* " (did you mean 'x'?)" or "", for a word that is none of the list's. */
const char *parser_suggest(const struct parser *parser, struct quoted *buffer,
			   const char *word, const struct word_list *list);

/* The same among the roles. */
const char *parser_suggest_role(const struct parser *parser, struct quoted *buffer,
				const char *word);

/* One of the words, for `key`. Returns its number, or -1 with a complaint. */
int parser_word(struct parser *parser, unsigned line, const char *key, const char *value,
		const struct word_list *list);

/* Makes the text a new string. NULL without memory, which is remembered. */
char *parser_copy(struct parser *parser, const char *text);

/* Keeps a role that a line names for later. */
void parser_refer(struct parser *parser, struct role_refs *refs,
		  const struct role_ref *ref);

/* The sections: begin one (its name is checked), look at what it lacks at its end. */
void parser_begin_role(struct parser *parser, unsigned line, const char *name);
void parser_begin_zone(struct parser *parser, unsigned line, const char *name);
void parser_end_role(struct parser *parser);
void parser_end_zone(struct parser *parser);
void parser_allow(struct parser *parser, unsigned line, const char *role, char *value);

/* After the last line: roles are looked up, inclusions closed, zones checked against one
 * another, indexes built. */
void parser_check(struct parser *parser);

static inline struct role *parser_role(struct parser *parser)
{
	return &parser->policy->roles[parser->policy->n_roles - 1];
}

static inline struct zone *parser_zone(struct parser *parser)
{
	return &parser->policy->zones[parser->policy->n_zones - 1];
}
