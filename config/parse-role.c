/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a [role] section. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/parser.h"

/* Row numbers of role_keys. */
enum { KEY_GROUPS, KEY_USERS, KEY_INCLUDE, KEY_EXE, KEY_UNIT };

static bool grow_roles(struct parser *parser)
{
	struct policy *policy = parser->policy;
	size_t capacity = parser->roles_capacity ? 2 * parser->roles_capacity : 16;
	struct role *roles;

	if (policy->n_roles < parser->roles_capacity)
		return true;
	roles = reallocarray(policy->roles, capacity, sizeof(*roles));
	if (!roles) {
		parser_no_memory(parser);
		return false;
	}
	policy->roles = roles;
	parser->roles_capacity = capacity;
	return true;
}

void parser_begin_role(struct parser *parser, unsigned line, const char *name)
{
	struct policy *policy = parser->policy;
	unsigned other = 0;
	struct role *role;
	char *copy;
	int r;

	if (name_table_find(&parser->role_names, name, &other) == 0) {
		if (other == 0)
			parser_complain(parser, line,
					"the role 'everyone' is built in and matches "
					"every caller: remove the section");
		else
			parser_complain(parser, line,
					"a second [role %s]: the first is in line %u, "
					"merge the two",
					name, policy->roles[other].line);
		return;
	}
	if (policy->n_roles >= POLICY_ROLES_MAX) {
		parser_complain(parser, line,
				"too many roles: a policy may have %d besides 'everyone'",
				POLICY_ROLES_MAX - 1);
		return;
	}
	if (!grow_roles(parser))
		return;
	copy = parser_copy(parser, name);
	if (!copy)
		return;
	role = &policy->roles[policy->n_roles];
	*role = (struct role){ .name = copy, .line = line };
	role_set_add(&role->holds, (unsigned)policy->n_roles);
	policy->n_roles++;
	r = name_table_add(&parser->role_names, copy, (unsigned)policy->n_roles - 1,
			   NULL);
	if (r < 0)
		parser_no_memory(parser);
	parser->section = SECTION_ROLE;
}

void parser_end_role(struct parser *parser)
{
	const unsigned *lines = parser->key_lines;

	if (lines[KEY_GROUPS] == 0 && lines[KEY_USERS] == 0 && lines[KEY_INCLUDE] == 0)
		parser_complain(
			parser, parser->section_line,
			"nobody can hold the role '%s': give it 'groups', 'users' or "
			"'include'",
			parser_role(parser)->name);
	for (unsigned key = KEY_EXE; key <= KEY_UNIT; key++)
		if (lines[key] != 0 && lines[KEY_GROUPS] == 0 && lines[KEY_USERS] == 0)
			parser_complain(
				parser, lines[key],
				"'%s' limits the role's own 'users' and 'groups', "
				"and it has none: add them, or remove the line",
				role_keys[key].name);
}

/* Adds an id to an array of them, uid_t and gid_t alike. */
static void add_id(struct parser *parser, uint32_t **ids, size_t *n, uint32_t id)
{
	uint32_t *more = reallocarray(*ids, *n + 1, sizeof(*more));

	if (!more) {
		parser_no_memory(parser);
		return;
	}
	*ids = more;
	more[(*n)++] = id;
}

static bool has_id(const uint32_t *ids, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

/* Groups and users are read alike. */
struct kind {
	const char *what;
	int (*lookup)(const char *name, uint32_t *ret);
	uint32_t **ids;
	size_t *n_ids;
};

static void complain_name(struct parser *parser, unsigned line, const struct kind *kind,
			  const char *name, int error)
{
	if (error == -ENOENT)
		parser_complain(
			parser, line,
			"no such %s: %s; create it, or correct the name (names are "
			"separated by commas)",
			kind->what, QUOTED(name));
	else
		parser_complain(parser, line,
				"cannot tell whether the %s %s exists: %s; see that the "
				"name service answers",
				kind->what, QUOTED(name), strerrordesc_np(-error));
}

static void parse_names(struct parser *parser, unsigned line, char *value,
			const struct kind *kind)
{
	char *state = value, *name;
	uint32_t id;
	int r;

	while ((name = text_next_item(&state))) {
		if (!*name) {
			parser_complain(parser, line,
					"an empty %s name: remove the comma, or name one "
					"after it",
					kind->what);
			continue;
		}
		r = kind->lookup(name, &id);
		if (r < 0)
			complain_name(parser, line, kind, name, r);
		else if (has_id(*kind->ids, *kind->n_ids, id))
			parser_complain(parser, line,
					"the %s %s is listed twice: remove one",
					kind->what, QUOTED(name));
		else
			add_id(parser, kind->ids, kind->n_ids, id);
	}
}

_Static_assert(sizeof(gid_t) == sizeof(uint32_t) && sizeof(uid_t) == sizeof(uint32_t) &&
		       (gid_t)-1 > 0 && (uid_t)-1 > 0,
	       "uids and gids are kept as uint32_t");

static void parse_groups(struct parser *parser, unsigned line, char *value)
{
	struct role *role = parser_role(parser);
	const struct kind kind = { "group", parser->names->group, &role->gids,
				   &role->n_gids };

	parse_names(parser, line, value, &kind);
}

static void parse_users(struct parser *parser, unsigned line, char *value)
{
	struct role *role = parser_role(parser);
	const struct kind kind = { "user", parser->names->user, &role->uids,
				   &role->n_uids };

	parse_names(parser, line, value, &kind);
}

/* Texts that a role's users or groups are limited to. */
struct limit {
	const char *what;
	const char *wanted;
	bool (*is_sound)(const char *text);
	char ***texts;
	size_t *n;
};

static void add_limit(struct parser *parser, const struct limit *limit, const char *text)
{
	char **more = reallocarray(*limit->texts, *limit->n + 1, sizeof(*more));

	if (!more) {
		parser_no_memory(parser);
		return;
	}
	*limit->texts = more;
	more[*limit->n] = parser_copy(parser, text);
	if (more[*limit->n])
		(*limit->n)++;
	parser->policy->has_limits = true;
}

static void parse_limits(struct parser *parser, unsigned line, char *value,
			 const struct limit *limit)
{
	char *state = value, *text;

	while ((text = text_next_item(&state))) {
		bool repeated = false;

		for (size_t i = 0; i < *limit->n; i++)
			repeated = repeated || strcmp((*limit->texts)[i], text) == 0;
		if (!limit->is_sound(text))
			parser_complain(parser, line, "%s is no %s: write %s",
					QUOTED(text), limit->what, limit->wanted);
		else if (repeated)
			parser_complain(parser, line,
					"the %s %s is listed twice: remove one",
					limit->what, QUOTED(text));
		else
			add_limit(parser, limit, text);
	}
}

/* As the kernel shows it: no link, "." or ".." is in it. */
static bool is_program_path(const char *path)
{
	if (path[0] != '/')
		return false;
	while (*path == '/') {
		size_t length = strcspn(++path, "/");

		if (length == 0 || (length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += length;
	}
	return true;
}

/* systemd.unit(5). */
static bool is_service_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789:-_.\\@";
	static const char ending[] = ".service";
	size_t length = strlen(name);

	return length >= sizeof(ending) && length < 256 &&
	       strspn(name, letters) == length &&
	       strcmp(name + length - (sizeof(ending) - 1), ending) == 0;
}

static void parse_exe(struct parser *parser, unsigned line, char *value)
{
	struct role *role = parser_role(parser);
	const struct limit limit = { "program", "its absolute path, as in /usr/bin/mv",
				     is_program_path, &role->exes, &role->n_exes };

	parse_limits(parser, line, value, &limit);
}

static void parse_unit(struct parser *parser, unsigned line, char *value)
{
	struct role *role = parser_role(parser);
	const struct limit limit = { "service", "NAME.service", is_service_name,
				     &role->units, &role->n_units };

	parse_limits(parser, line, value, &limit);
}

static bool is_included(const struct parser *parser, unsigned line, const char *name)
{
	const struct role_refs *refs = &parser->includes;

	for (size_t i = refs->n_items; i > 0 && refs->items[i - 1].line == line; i--) {
		if (strcmp(refs->items[i - 1].name, name) == 0)
			return true;
	}
	return false;
}

static void parse_include(struct parser *parser, unsigned line, char *value)
{
	const char *self = parser_role(parser)->name;
	char *state = value, *name;

	while ((name = text_next_item(&state))) {
		if (!*name)
			parser_complain(parser, line,
					"an empty role name: remove the comma, or name "
					"one after it");
		else if (strcmp(name, self) == 0)
			parser_complain(
				parser, line,
				"the role '%s' includes itself: remove it from the line",
				self);
		else if (is_included(parser, line, name))
			parser_complain(parser, line,
					"the role %s is listed twice: remove one",
					QUOTED(name));
		else
			parser_refer(
				parser, &parser->includes,
				&(struct role_ref){
					.owner = (unsigned)parser->policy->n_roles - 1,
					.line = line,
					.name = name,
				});
	}
}

const struct key role_keys[] = {
	[KEY_GROUPS] = { "groups", parse_groups },
	[KEY_USERS] = { "users", parse_users },
	[KEY_INCLUDE] = { "include", parse_include },
	[KEY_EXE] = { "exe", parse_exe },
	[KEY_UNIT] = { "unit", parse_unit },
	{ NULL, NULL },
};
