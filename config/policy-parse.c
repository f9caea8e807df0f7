/* SPDX-License-Identifier: Apache-2.0 */
/* From a text to a policy: the lines are handed to the section that they stand in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/hash.h"
#include "config/ini-reader.h"
#include "config/parser.h"

static const char *const section_words[] = { "guard", "role", "zone" };
static const struct word_list sections = { section_words, 3 };

static const char *const failure_words[] = { "deny", "allow" };
static const char *const writes_words[] = { "each", "ranges" };
static const char *const from_words[] = { "process", "database" };

static void parse_audit_failure(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { failure_words, 2 };
	int word = parser_word(parser, line, "audit-failure", value, &list);

	if (word >= 0)
		parser->policy->audit_failure = (enum audit_failure)word;
}

static void parse_audit_writes(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { writes_words, 2 };
	int word = parser_word(parser, line, "audit-writes", value, &list);

	if (word >= 0)
		parser->policy->audit_writes = (enum audit_writes)word;
}

static void parse_groups_from(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { from_words, 2 };
	int word = parser_word(parser, line, "groups-from", value, &list);

	if (word >= 0)
		parser->policy->groups_from = (enum groups_from)word;
}

static void parse_max_grant(struct parser *parser, unsigned line, char *value)
{
	int r = text_duration(value, POLICY_GRANT_MAX, &parser->policy->max_grant);

	parser->policy->max_grant_text = parser_copy(parser, value);
	if (r == -EINVAL)
		parser_complain(
			parser, line,
			"max-grant cannot be %s: write a number and one of s, m, h, "
			"d, w, such as 8h",
			QUOTED(value));
	else if (r < 0)
		parser_complain(parser, line,
				"max-grant cannot be %s: write a time from 1s to 366d",
				QUOTED(value));
}

static bool is_grantable(const struct parser *parser, const char *name)
{
	for (size_t i = 0; i < parser->grantable.n_items; i++) {
		if (strcmp(parser->grantable.items[i].name, name) == 0)
			return true;
	}
	return false;
}

static void parse_grantable(struct parser *parser, unsigned line, char *value)
{
	char *state = value, *name;

	while ((name = text_next_item(&state))) {
		if (!*name)
			parser_complain(parser, line,
					"an empty role name: remove the comma, or name "
					"one after it");
		else if (strcmp(name, "everyone") == 0)
			parser_complain(
				parser, line,
				"the role 'everyone' cannot be granted: everybody "
				"holds it, remove it from the line");
		else if (is_grantable(parser, name))
			parser_complain(parser, line,
					"the role %s is listed twice: remove one",
					QUOTED(name));
		else
			parser_refer(parser, &parser->grantable,
				     &(struct role_ref){ .line = line, .name = name });
	}
}

const struct key guard_keys[] = {
	{ "audit-failure", parse_audit_failure }, { "audit-writes", parse_audit_writes },
	{ "groups-from", parse_groups_from },	  { "max-grant", parse_max_grant },
	{ "grantable", parse_grantable },	  { NULL, NULL },
};

static const struct key *section_keys(enum section section)
{
	switch (section) {
	case SECTION_GUARD:
		return guard_keys;
	case SECTION_ROLE:
		return role_keys;
	default:
		return zone_keys;
	}
}

static const char *section_name(enum section section)
{
	switch (section) {
	case SECTION_GUARD:
		return "[guard]";
	case SECTION_ROLE:
		return "[role]";
	default:
		return "[zone]";
	}
}

/* What the section that ends here lacks. */
static void end_section(struct parser *parser)
{
	if (parser->section == SECTION_ROLE && !parser->lost_line)
		parser_end_role(parser);
	else if (parser->section == SECTION_ZONE && !parser->lost_line)
		parser_end_zone(parser);
	parser->section = SECTION_BAD;
	parser->lost_line = false;
	memset(parser->key_lines, 0, sizeof(parser->key_lines));
}

static void begin_guard(struct parser *parser, unsigned line, const char *name)
{
	if (*name) {
		parser_complain(parser, line, "[guard] takes no name: remove %s",
				QUOTED(name));
		return;
	}
	if (parser->guard_line != 0) {
		parser_complain(
			parser, line,
			"a second [guard]: the first is in line %u, merge the two",
			parser->guard_line);
		return;
	}
	parser->guard_line = line;
	parser->section = SECTION_GUARD;
}

/* The name of a role or a zone, or NULL with a complaint. */
static const char *check_name(struct parser *parser, unsigned line, const char *kind,
			      const char *name)
{
	if (!*name)
		parser_complain(parser, line, "[%s] has no name: write [%s NAME]", kind,
				kind);
	else if (strpbrk(name, " \t"))
		parser_complain(parser, line,
				"the name %s has a blank in it: use '-' or '_' instead",
				QUOTED(name));
	else if (!text_is_name(name))
		parser_complain(parser, line,
				"the name %s has more than 40 characters: shorten it",
				QUOTED(name));
	else
		return name;
	parser->lost_section = true;
	return NULL;
}

static void on_section(void *data, unsigned line, const char *header)
{
	struct parser *parser = data;
	char kind[INI_NAME_MAX + 1];
	const char *name;
	size_t length;

	end_section(parser);
	parser->section_line = line;
	if (!header) {
		parser->lost_section = true;
		return;
	}
	length = strcspn(header, " \t");
	memcpy(kind, header, length);
	kind[length] = '\0';
	name = text_skip_blanks(header + length);

	if (strcmp(kind, "guard") == 0) {
		begin_guard(parser, line, name);
	} else if (strcmp(kind, "role") == 0) {
		name = check_name(parser, line, kind, name);
		if (name)
			parser_begin_role(parser, line, name);
	} else if (strcmp(kind, "zone") == 0) {
		name = check_name(parser, line, kind, name);
		if (name)
			parser_begin_zone(parser, line, name);
	} else {
		parser_complain(parser, line,
				"unknown section %s%s: there are [guard], [role NAME] "
				"and [zone NAME]",
				QUOTED(kind),
				parser_suggest(parser, &(struct quoted){ { 0 } }, kind,
					       &sections));
	}
}

/* allow ROLE = VERB, ... */
static bool try_allow(struct parser *parser, unsigned line, const char *key, char *value)
{
	size_t length = strcspn(key, " \t");
	const char *role;

	if (parser->section != SECTION_ZONE || length != strlen("allow") ||
	    strncmp(key, "allow", length) != 0)
		return false;
	role = text_skip_blanks(key + length);
	if (!*role)
		parser_complain(parser, line,
				"allow whom? write 'allow ROLE = VERB, ...'");
	else if (!text_is_name(role))
		parser_complain(parser, line,
				"%s cannot be a role: write one 'allow ROLE = VERB, ...' "
				"line for each role",
				QUOTED(role));
	else
		parser_allow(parser, line, role, value);
	return true;
}

static void complain_key(struct parser *parser, unsigned line, const char *key)
{
	const struct key *keys = section_keys(parser->section);
	const char *words[17];
	struct word_list list = { words, 0 };
	char all[320] = "", first[INI_NAME_MAX + 1];
	size_t n = 0, length = strcspn(key, " \t");

	memcpy(first, key, length); /* of "alow ROLE", the word that may be meant */
	first[length] = '\0';

	for (; keys->name; keys++) {
		words[list.n_words++] = keys->name;
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
				      list.n_words == 1 ? "" : ", ", keys->name);
	}
	if (parser->section == SECTION_ZONE && strcmp(first, "deny") == 0) {
		parser_complain(parser, line,
				"there is no 'deny': what is not granted is denied, "
				"remove the line");
		return;
	}
	if (parser->section == SECTION_ZONE) {
		words[list.n_words++] = "allow";
		snprintf(all + n, sizeof(all) - n, ", allow ROLE");
	}
	parser_complain(parser, line, "unknown key %s%s: %s knows %s", QUOTED(key),
			parser_suggest(parser, &(struct quoted){ { 0 } }, first, &list),
			section_name(parser->section), all);
}

static void on_entry(void *data, unsigned line, const char *key, char *value)
{
	struct parser *parser = data;
	const struct key *keys = section_keys(parser->section);
	size_t i = 0;

	if (parser->section == SECTION_BAD)
		return;
	if (parser->section == SECTION_NONE) {
		parser_complain(
			parser, line,
			"key %s before the first section: put it into [guard], [role "
			"NAME] or [zone NAME]",
			QUOTED(key));
		return;
	}
	if (try_allow(parser, line, key, value))
		return;
	while (keys[i].name && strcmp(keys[i].name, key) != 0)
		i++;
	if (!keys[i].name) {
		complain_key(parser, line, key);
		return;
	}
	if (parser->key_lines[i] != 0) {
		parser_complain(parser, line,
				"a second '%s' in this section: the first is in line %u, "
				"keep one",
				key, parser->key_lines[i]);
		return;
	}
	parser->key_lines[i] = line;
	if (!*value)
		parser_complain(parser, line,
				"'%s' has no value: give it one, or remove the line",
				key);
	else
		keys[i].parse(parser, line, value);
}

static void on_defect(void *data, unsigned line, const char *text)
{
	struct parser *parser = data;

	parser_complain(parser, line, "%s", text);
	parser->lost_line = true;
}

static struct policy *policy_new(const char *file, const char *text, size_t length)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	const char *slash;

	if (!policy)
		return NULL;
	policy->n_refs = 1;
	policy->max_grant = POLICY_GRANT_DEFAULT;
	policy->file = strdup(file);
	policy->text = malloc(length + 1);
	if (!policy->file || !policy->text)
		return policy_unref(policy);
	policy_hash(text, length, policy->hash);
	slash = strrchr(policy->file, '/');
	policy->name = slash ? slash + 1 : policy->file;
	if (length > 0)
		memcpy(policy->text, text, length);
	policy->text[length] = '\0';
	policy->length = length;
	return policy;
}

static void free_refs(struct role_refs *refs)
{
	for (size_t i = 0; i < refs->n_items; i++)
		free(refs->items[i].name);
	free(refs->items);
}

static void parse(struct parser *parser, const char *text, size_t length)
{
	static const struct ini_sink sink = { on_section, on_entry, on_defect };

	/* The built-in role: index 0, no section. */
	parser_begin_role(parser, 0, "everyone");
	parser->section = SECTION_NONE;
	if (ini_read(text, length, &sink, parser) < 0)
		parser_no_memory(parser);
	end_section(parser);
	if (parser->error == 0)
		parser_check(parser);
}

int policy_parse(const char *file, const char *text, size_t length,
		 const struct name_lookup *names, struct complaints *complaints,
		 struct policy **ret)
{
	struct parser parser = { .names = names, .complaints = complaints };
	int r;

	parser.policy = policy_new(file, text, length);
	if (!parser.policy)
		return -ENOMEM;
	parse(&parser, text, length);
	complaints_sort(complaints);

	r = parser.error ? parser.error : parser.refused ? -EINVAL : 0;
	free_refs(&parser.includes);
	free_refs(&parser.allows);
	free_refs(&parser.grantable);
	name_table_fini(&parser.role_names);
	name_table_fini(&parser.zone_names);
	if (r < 0) {
		policy_unref(parser.policy);
		return r;
	}
	*ret = parser.policy;
	return 0;
}
