/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl who: everybody who may do something at a path. */
#include <getopt.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-event.h"
#include "fuse/ctl-grants.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl-holding.h"
#include "fuse/ctl-people.h"
#include "fuse/ctl-rights.h"
#include "fuse/ctl-words.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

enum { OPTION_CAN = CTL_LONG, OPTION_MOUNT, OPTION_JSON };

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE", "decide by this policy instead of the installed one" },
	{ OPTION_CAN, "can", "VERB",
	  "only those who may do this; exit with 1 if nobody" },
	{ OPTION_MOUNT, "mount", "DIR", "PATH begins with the mount point DIR" },
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

struct arguments {
	const char *policy, *mount, *path;
	bool any_verb; /* else: */
	enum verb verb;
	bool json;
};

struct row {
	const struct person *person;
	struct rights rights;
};

struct table {
	const struct policy *policy;
	const struct people *people;
	const struct zone *zone;
	const char *path;
	verb_set columns;
	struct row *rows; /* of those who may do something */
	size_t n_rows;
};

#define BASIC_COLUMNS                                                        \
	(VERB_SET(VERB_LIST) | VERB_SET(VERB_READ) | VERB_SET(VERB_CREATE) | \
	 VERB_SET(VERB_WRITE) | VERB_SET(VERB_DELETE))
#define OWN_COLUMNS (VERB_SET(VERB_WRITE_OWN) | VERB_SET(VERB_DELETE_OWN))

/* The -own form that shows in the column of a verb, or the verb itself. */
static enum verb own_form(enum verb verb)
{
	if (verb == VERB_WRITE)
		return VERB_WRITE_OWN;
	return verb == VERB_DELETE ? VERB_DELETE_OWN : verb;
}

/* The verb that a cell shows, N_VERBS if there is none. */
static enum verb verb_of_cell(const struct table *table, const struct row *row,
			      enum verb column)
{
	enum verb own = own_form(column);

	if (row->rights.verbs & VERB_SET(column))
		return column;
	/* A column alone is about this very verb. */
	if (table->columns != VERB_SET(column) && (row->rights.verbs & VERB_SET(own)))
		return own;
	return N_VERBS;
}

static const char *cell(const struct table *table, const struct row *row,
			enum verb column)
{
	enum verb verb = verb_of_cell(table, row, column);

	if (verb == N_VERBS)
		return "-";
	if (verb != column)
		return "own";
	return verb == VERB_LIST && row->rights.way ? "way" : "yes";
}

/* The members of a group that are listed stand for it. */
static bool is_shown(const struct arguments *arguments, const struct row *row)
{
	verb_set asked = arguments->any_verb ? ~(verb_set)0 : VERB_SET(arguments->verb);

	if (row->person->kind == PERSON_GROUP && row->person->listing == LISTING_WHOLE)
		return false;
	return (row->rights.verbs & asked) != 0;
}

static int fill(const struct arguments *arguments, struct table *table)
{
	verb_set verbs = 0;

	table->zone = policy_zone(table->policy, table->path);
	table->rows = calloc(table->people->n_items, sizeof(*table->rows));
	if (!table->rows)
		return ctl_fail("no memory");
	for (size_t i = 0; i < table->people->n_items; i++) {
		struct row *row = &table->rows[table->n_rows];

		row->person = &table->people->items[i];
		ctl_rights_at(table->policy, &row->person->subject, table->path,
			      &row->rights);
		if (!is_shown(arguments, row))
			continue;
		verbs |= row->rights.verbs;
		table->n_rows++;
	}
	table->columns = arguments->any_verb ? (verbs & ~OWN_COLUMNS) | BASIC_COLUMNS
					     : VERB_SET(arguments->verb);
	return CTL_OK;
}

static void print_zone(const struct table *table)
{
	ctl_puts_safe(stdout, table->path);
	if (!table->zone) {
		puts(": in no zone, where nothing is granted");
		return;
	}
	printf(": zone %s, ", table->zone->name);
	ctl_puts_safe(stdout, table->zone->path);
	fputs(" (", stdout);
	ctl_print_place(table->policy, table->zone->line);
	puts(")");
}

static void print_name(const struct row *row, int width)
{
	const struct person *person = row->person;
	_cleanup_(freep) char *safe = text_safe(person->name, strlen(person->name));

	if (person->kind == PERSON_GROUP)
		printf("  @%-*s", width - 1, safe ? safe : "?");
	else
		printf("  %-*s", width, safe ? safe : "?");
}

static int name_width(const struct table *table)
{
	size_t width = strlen("everyone");

	for (size_t i = 0; i < table->n_rows; i++) {
		const char *name = table->rows[i].person->name;
		_cleanup_(freep) char *safe = text_safe(name, strlen(name));
		size_t n = (safe ? strlen(safe) : 1) + 1;

		width = n > width ? n : width;
	}
	return (int)width;
}

/* Each role and line once: "ml-engineer policy.ini:31, ..." */
static void print_rules(const struct table *table, const struct row *row)
{
	unsigned lines[N_VERBS];
	size_t n = 0;

	for (unsigned i = 0; i < N_VERBS; i++) {
		enum verb verb = table->columns & VERB_SET(i)
					 ? verb_of_cell(table, row, (enum verb)i)
					 : N_VERBS;
		const struct verdict *verdict;
		size_t j = 0;

		if (verb == N_VERBS)
			continue;
		verdict = &row->rights.verdicts[verb];
		while (j < n && lines[j] != verdict->line)
			j++;
		if (j < n)
			continue;
		lines[n++] = verdict->line;
		printf("%s%s ", n > 1 ? ", " : "", verdict->role->name);
		ctl_print_place(table->policy, verdict->line);
	}
}

/* What ends by itself: " (ml-engineer until 2026-11-23 22:00:00)" */
static void print_grants(const struct person *person)
{
	const struct grants *grants = person->subject.grants;
	char until[CTL_TIME_SIZE];

	for (size_t i = 0; grants && i < grants->n_items; i++) {
		const struct timed_grant *grant = &grants->items[i];

		if (grant->user.uid == person->subject.uid)
			printf(" (%s granted until %s)", grant->role_name,
			       ctl_time(grant->until, until));
	}
}

static void print_row(const struct table *table, const struct row *row, int width)
{
	print_name(row, width);
	for (unsigned i = 0; i < N_VERBS; i++) {
		const char *text;

		if (!(table->columns & VERB_SET(i)))
			continue;
		text = cell(table, row, (enum verb)i);
		printf("  %s%-*s%s",
		       ctl_colour(stdout, *text == '-' ? CTL_DIM : CTL_GREEN),
		       (int)strlen(verb_name((enum verb)i)), text,
		       ctl_colour(stdout, CTL_PLAIN));
	}
	fputs("  ", stdout);
	print_rules(table, row);
	print_grants(row->person);
	if (row->person->unknown)
		fputs(" (unknown to the name service)", stdout);
	if (row->person->kind == PERSON_GROUP) {
		fputs(" (a group: ", stdout);
		person_print_listing(table->people, row->person);
		fputs(")", stdout);
	}
	putchar('\n');
}

static void print_head(const struct table *table, int width)
{
	printf("\n  %s%-*s", ctl_colour(stdout, CTL_BOLD), width, "");
	for (unsigned i = 0; i < N_VERBS; i++) {
		if (table->columns & VERB_SET(i))
			printf("  %s", verb_name((enum verb)i));
	}
	printf("  by%s\n", ctl_colour(stdout, CTL_PLAIN));
}

/* Roles that take a certain program or unit: in the table as if by that. */
static void print_limits(const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_roles; i++) {
		const struct role *role = &policy->roles[i];

		if (role->n_exes == 0 && role->n_units == 0)
			continue;
		printf("%s is held", role->name);
		ctl_print_limits(role);
		puts(".");
	}
}

/* Explains the words that are in the table. */
static void print_legend(const struct table *table)
{
	bool own = false, way = false;

	for (size_t i = 0; i < table->n_rows; i++) {
		const struct row *row = &table->rows[i];

		own |= (table->columns & ~OWN_COLUMNS) != 0 &&
		       (ctl_verbs_shown(row->rights.verbs) & OWN_COLUMNS) != 0;
		way |= row->rights.way != NULL;
	}
	putchar('\n');
	if (own)
		puts("own: only what they own themselves.");
	if (way)
		puts("way: the names that lead to a zone below where they may do "
		     "something.");
	print_limits(table->policy);
	puts("root has no privilege of its own here.");
}

static void print_text(const struct arguments *arguments, const struct table *table)
{
	int width = name_width(table);

	print_zone(table);
	if (table->n_rows == 0) {
		printf("\nNobody may %s here, root included.\n",
		       arguments->any_verb ? "do anything" : verb_name(arguments->verb));
	} else {
		print_head(table, width);
		for (size_t i = 0; i < table->n_rows; i++)
			print_row(table, &table->rows[i], width);
		print_legend(table);
	}
	people_print_notes(table->people);
}

static json_t *grants_json(const struct person *person)
{
	const struct grants *grants = person->subject.grants;
	json_t *list = json_array();

	for (size_t i = 0; grants && i < grants->n_items; i++)
		if (grants->items[i].user.uid == person->subject.uid)
			json_array_append_new(list, ctl_json_grant(&grants->items[i],
								   &person->subject.now));
	return list;
}

static int print_json(const struct table *table)
{
	json_t *document = json_object(), *people = json_array();

	for (size_t i = 0; i < table->n_rows; i++) {
		const struct row *row = &table->rows[i];
		json_t *person = ctl_json_person(row->person);

		ctl_json_set(person, "verbs", ctl_json_rights(&row->rights));
		ctl_json_set(person, "grants", grants_json(row->person));
		json_array_append_new(people, person);
	}
	ctl_json_set_text(document, "path", table->path);
	ctl_json_set(document, "zone", ctl_json_zone(table->zone));
	ctl_json_set(document, "people", people);
	ctl_json_set_notes(document, table->people);
	ctl_json_set_text(document, "policy_file", table->policy->file);
	ctl_json_set_text(document, "policy_sha256", table->policy->hash);
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : CTL_OK;
}

static int answer(const struct arguments *arguments, const struct policy *policy,
		  const char *path)
{
	_cleanup_(people_fini) struct people people = { 0 };
	struct table table = { .policy = policy, .people = &people, .path = path };
	_cleanup_(grants_unrefp) struct grants *grants = NULL;
	int status = ctl_load_valid_grants(policy, &grants);

	people.grants = grants;
	if (status == CTL_OK)
		status = ctl_gather_people(&policy, 1, &people);
	if (status == CTL_OK)
		status = fill(arguments, &table);
	if (status == CTL_OK && arguments->json) {
		status = print_json(&table);
	} else if (status == CTL_OK) {
		ctl_pager_start();
		print_text(arguments, &table);
		status = ctl_pager_end();
	}
	free(table.rows);
	if (status == CTL_OK && !arguments->any_verb && table.n_rows == 0)
		return CTL_NO;
	return status;
}

static int who(const struct ctl_verb *verb, const struct arguments *arguments)
{
	_cleanup_(policy_unrefp) struct policy *policy = NULL;
	_cleanup_(freep) char *path = NULL;
	const char *fault;
	int status;

	path = ctl_share_path(arguments->path, arguments->mount, &fault);
	if (!path)
		return fault ? ctl_usage(verb, "%s", fault) : ctl_fail("no memory");
	status = ctl_load_policy(arguments->policy, &policy);
	return status == CTL_OK ? answer(arguments, policy, path) : status;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { .policy = CTL_POLICY_FILE, .any_verb = true };
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		switch (code) {
		case 'p':
			arguments.policy = optarg;
			break;
		case OPTION_CAN:
			if (verb_from_name(optarg, &arguments.verb) < 0)
				return ctl_usage(verb, "no such verb: %s",
						 QUOTED(optarg));
			arguments.any_verb = false;
			break;
		case OPTION_MOUNT:
			arguments.mount = optarg;
			break;
		case OPTION_JSON:
			arguments.json = true;
			break;
		default:
			return CTL_USAGE;
		}
	}
	if (argc - optind != 1)
		return ctl_usage(verb, "takes one path");
	arguments.path = argv[optind];
	return who(verb, &arguments);
}

const struct ctl_verb ctl_who = {
	.name = "who",
	.arguments = "PATH",
	.summary = "Show everybody who may do something at a path, by which line.",
	.details =
		"PATH begins at the root of the share, with '/'. Groups that cannot be "
		"listed one by\n"
		"one are shown as @GROUP.\n",
	.options = options,
	.run = run,
};
