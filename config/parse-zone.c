/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a [zone] section. */
#include <stdlib.h>
#include <string.h>

#include "config/parser.h"

/* Row numbers of zone_keys. */
enum {
	KEY_PATH,
	KEY_MODES,
	KEY_MAPPED_WRITES,
	KEY_WRITE_ONCE,
	KEY_RETAIN,
	KEY_PROMOTE_FROM,
	KEY_SEPARATION,
	KEY_APPROVALS,
	KEY_FORMATS,
	KEY_PICKLE,
	KEY_CHECK,
};

static const char *const modes_words[] = { "role", "owner" };
static const char *const mapped_words[] = { "allow", "refuse" };
static const char *const pickle_words[] = { "refuse", "allow" };
static const char *const format_words[] = { "safetensors", "gguf", "onnx", "any" };
static const char *const no_yes_words[] = { "no", "yes" };

static bool grow_zones(struct parser *parser)
{
	struct policy *policy = parser->policy;
	size_t capacity = parser->zones_capacity ? 2 * parser->zones_capacity : 16;
	struct zone *zones;

	if (policy->n_zones < parser->zones_capacity)
		return true;
	zones = reallocarray(policy->zones, capacity, sizeof(*zones));
	if (!zones) {
		parser_no_memory(parser);
		return false;
	}
	policy->zones = zones;
	parser->zones_capacity = capacity;
	return true;
}

void parser_begin_zone(struct parser *parser, unsigned line, const char *name)
{
	struct policy *policy = parser->policy;
	unsigned other = 0;
	char *copy;

	if (name_table_find(&parser->zone_names, name, &other) == 0) {
		parser_complain(
			parser, line,
			"a second [zone %s]: the first is in line %u, merge the two or "
			"rename one",
			name, policy->zones[other].line);
		return;
	}
	if (policy->n_zones >= POLICY_ZONES_MAX) {
		parser_complain(parser, line, "too many zones: a policy may have %d",
				POLICY_ZONES_MAX);
		return;
	}
	if (!grow_zones(parser))
		return;
	copy = parser_copy(parser, name);
	if (!copy)
		return;
	policy->zones[policy->n_zones++] = (struct zone){ .name = copy, .line = line };
	if (name_table_add(&parser->zone_names, copy, (unsigned)policy->n_zones - 1,
			   NULL) < 0)
		parser_no_memory(parser);
	parser->section = SECTION_ZONE;
}

void parser_end_zone(struct parser *parser)
{
	if (parser->key_lines[KEY_PATH] == 0)
		parser_complain(parser, parser->section_line,
				"the zone '%s' has no path: add 'path = /...'",
				parser_zone(parser)->name);
}

/* Checks one component of a path. Returns what is wrong with it, or NULL. */
static const char *component_fault(const char *name, size_t length)
{
	if (length == 0)
		return "has an empty component: write single slashes, and none at the "
		       "end";
	if ((length == 1 && name[0] == '.') ||
	    (length == 2 && memcmp(name, "..", 2) == 0))
		return "has a '.' or '..' component: write the path without it";
	if (length > 1 && memchr(name, '*', length))
		return "has a '*' within a component: '*' stands for one whole component";
	if (length > 255)
		return "has a component of more than 255 bytes, which no file name has";
	return NULL;
}

/* Returns what is wrong with a path, or NULL. */
static const char *path_fault(const char *path)
{
	const char *p = path, *slash, *fault = NULL;

	if (*p != '/')
		return "does not begin with '/': paths begin at the root of the share";
	if (p[1] == '\0')
		return NULL;
	while (p && !fault) {
		p++;
		slash = strchr(p, '/');
		fault = component_fault(p, slash ? (size_t)(slash - p) : strlen(p));
		p = slash;
	}
	return fault;
}

/* A checked copy of a path, or NULL with a complaint. */
static char *copy_path(struct parser *parser, unsigned line, const char *key,
		       const char *value)
{
	const char *fault = path_fault(value);

	if (fault) {
		parser_complain(parser, line, "%s %s %s", key, QUOTED(value), fault);
		return NULL;
	}
	return parser_copy(parser, value);
}

static void parse_path(struct parser *parser, unsigned line, char *value)
{
	parser_zone(parser)->path = copy_path(parser, line, "path", value);
	parser_zone(parser)->path_line = line;
}

static void parse_promote_from(struct parser *parser, unsigned line, char *value)
{
	struct zone *zone = parser_zone(parser);

	zone->promote_from_line = line;
	if (strchr(value, '*'))
		parser_complain(
			parser, line,
			"promote-from %s has a '*': name one directory of the share",
			QUOTED(value));
	else
		zone->promote_from = copy_path(parser, line, "promote-from", value);
}

static void parse_write_once(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { no_yes_words, 2 };

	parser_zone(parser)->write_once =
		parser_word(parser, line, "write-once", value, &list) == 1;
	parser_zone(parser)->write_once_line = line;
}

#define RETAIN_MAX ((uint32_t)36500 * 86400)

/* "90d": a number of seconds, minutes, hours or days. 0 if it is none, or too many. */
static uint32_t seconds_of(const char *value)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t length = strspn(value, "0123456789");
	uint64_t n = 0;

	if (length == 0 || length > 10 || value[0] == '0' || strlen(value) != length + 1)
		return 0;
	for (size_t i = 0; i < length; i++)
		n = 10 * n + (uint64_t)(value[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == value[length] && n * units[i].seconds <= RETAIN_MAX)
			return (uint32_t)n * units[i].seconds;
	return 0;
}

static void parse_retain(struct parser *parser, unsigned line, char *value)
{
	uint32_t seconds = seconds_of(value);

	if (seconds == 0)
		parser_complain(
			parser, line,
			"retain %s is no time: write a number and 's', 'm', 'h' or "
			"'d', as in 90d, up to 36500d",
			QUOTED(value));
	parser_zone(parser)->retain = seconds;
	parser_zone(parser)->retain_text = parser_copy(parser, value);
	parser_zone(parser)->retain_line = line;
}

static void parse_modes(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { modes_words, 2 };
	int word = parser_word(parser, line, "modes", value, &list);

	if (word >= 0)
		parser_zone(parser)->modes = (enum zone_modes)word;
}

static void parse_mapped_writes(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { mapped_words, 2 };
	int word = parser_word(parser, line, "mapped-writes", value, &list);

	if (word >= 0)
		parser_zone(parser)->mapped_writes = (enum mapped_writes)word;
}

static void note_gate(struct parser *parser, unsigned line)
{
	if (parser_zone(parser)->gate_line == 0)
		parser_zone(parser)->gate_line = line;
}

static void parse_separation(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { no_yes_words, 2 };

	parser_zone(parser)->gates.separation =
		parser_word(parser, line, "separation-of-duties", value, &list) == 1;
	note_gate(parser, line);
}

static void parse_approvals(struct parser *parser, unsigned line, char *value)
{
	struct zone *zone = parser_zone(parser);

	if (strlen(value) == 1 && value[0] >= '1' && value[0] <= '0' + GATE_APPROVALS_MAX)
		zone->gates.approvals = (unsigned)(value[0] - '0');
	else
		parser_complain(parser, line,
				"approvals %s is no number of people: write 1 to %d, or "
				"remove the line",
				QUOTED(value), GATE_APPROVALS_MAX);
	zone->approvals_line = line;
	note_gate(parser, line);
}

/* One word of formats. */
static void add_format(struct parser *parser, unsigned line, const char *word,
		       unsigned *formats, bool *any)
{
	const struct word_list list = { format_words, 4 };
	int number;

	if (!*word) {
		parser_complain(
			parser, line,
			"an empty format: remove the comma, or name one after it");
		return;
	}
	number = parser_word(parser, line, "formats", word, &list);
	if (number == 3)
		*any = true;
	else if (number >= 0 && *formats & 1U << number)
		parser_complain(parser, line,
				"the format '%s' is listed twice: remove one", word);
	else if (number >= 0)
		*formats |= 1U << number;
}

static void parse_formats(struct parser *parser, unsigned line, char *value)
{
	struct zone *zone = parser_zone(parser);
	bool any = false;
	char *word;

	while ((word = text_next_item(&value)))
		add_format(parser, line, word, &zone->gates.formats, &any);
	if (any && zone->gates.formats)
		parser_complain(parser, line,
				"'any' is every format: remove it, or the others");
	if (any)
		zone->gates.formats = 0;
	note_gate(parser, line);
}

static void parse_pickle(struct parser *parser, unsigned line, char *value)
{
	const struct word_list list = { pickle_words, 2 };

	parser_zone(parser)->gates.pickle =
		parser_word(parser, line, "pickle", value, &list) == 1;
	note_gate(parser, line);
}

static void parse_check(struct parser *parser, unsigned line, char *value)
{
	if (value[0] != '/')
		parser_complain(parser, line,
				"check %s is no program: write its path from '/' on",
				QUOTED(value));
	parser_zone(parser)->check_line = line;
	note_gate(parser, line);
}

const struct key zone_keys[] = {
	[KEY_PATH] = { "path", parse_path },
	[KEY_MODES] = { "modes", parse_modes },
	[KEY_MAPPED_WRITES] = { "mapped-writes", parse_mapped_writes },
	[KEY_WRITE_ONCE] = { "write-once", parse_write_once },
	[KEY_RETAIN] = { "retain", parse_retain },
	[KEY_PROMOTE_FROM] = { "promote-from", parse_promote_from },
	[KEY_SEPARATION] = { "separation-of-duties", parse_separation },
	[KEY_APPROVALS] = { "approvals", parse_approvals },
	[KEY_FORMATS] = { "formats", parse_formats },
	[KEY_PICKLE] = { "pickle", parse_pickle },
	[KEY_CHECK] = { "check", parse_check },
	{ NULL, NULL },
};

static void complain_verb(struct parser *parser, unsigned line, const char *word)
{
	const char *words[N_VERBS];
	const struct word_list list = { words, N_VERBS };

	for (unsigned i = 0; i < N_VERBS; i++)
		words[i] = verb_name((enum verb)i);
	if (strpbrk(word, " \t")) {
		parser_complain(parser, line,
				"unknown verb %s: separate verbs with commas",
				QUOTED(word));
		return;
	}
	parser_complain(parser, line,
			"unknown verb %s%s: there are list, read, create, write, delete, "
			"write-own, delete-own, promote, approve and admin",
			QUOTED(word),
			parser_suggest(parser, &(struct quoted){ { 0 } }, word, &list));
}

void parser_allow(struct parser *parser, unsigned line, const char *role, char *value)
{
	struct role_ref ref = {
		.owner = (unsigned)parser->policy->n_zones - 1,
		.line = line,
		.name = (char *)role, /* parser_refer() copies it */
	};
	char *state = value, *word;
	enum verb verb;

	if (!*value) {
		parser_complain(
			parser, line,
			"'allow %s' has no verbs: name some, or remove the line (what is "
			"not granted is denied)",
			role);
		/* Kept, so that the role's name is checked as well. */
		state = NULL;
	}
	while ((word = text_next_item(&state))) {
		if (!*word)
			parser_complain(
				parser, line,
				"an empty verb: remove the comma, or name one after it");
		else if (verb_from_name(word, &verb) < 0)
			complain_verb(parser, line, word);
		else if (ref.verbs & VERB_SET(verb))
			parser_complain(parser, line,
					"the verb '%s' is listed twice: remove one",
					word);
		else
			ref.verbs |= VERB_SET(verb);
	}
	parser_refer(parser, &parser->allows, &ref);
}
