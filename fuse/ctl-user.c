/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl user: everything that somebody may do, zone by zone. */
#include <getopt.h>
#include <string.h>

#include "fuse/ctl-ask.h"
#include "fuse/ctl-grants.h"
#include "fuse/ctl-holding.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl-rights.h"
#include "fuse/ctl-words.h"
#include "fuse/ctl.h"
#include "fuse/moment.h"
#include "fuse/util.h"

enum { OPTION_JSON = CTL_LONG };

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE", "decide by this policy instead of the installed one" },
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

struct asked {
	const char *name; /* as it was typed */
	struct subject subject;
	const struct policy *policy;
	struct role_set roles;
};

static void print_user(const struct asked *asked)
{
	const char *separator = "";

	printf("%s", ctl_colour(stdout, CTL_BOLD));
	ctl_puts_safe(stdout, asked->name);
	printf("%s (uid %u), groups ", ctl_colour(stdout, CTL_PLAIN), asked->subject.uid);
	for (size_t i = 0; i < asked->subject.n_groups; i++) {
		fputs(separator, stdout);
		ctl_print_group(asked->subject.groups[i]);
		separator = ", ";
	}
	fputs("\n\n", stdout);
}

static void print_roles(const struct asked *asked)
{
	for (unsigned i = 0; i < asked->policy->n_roles; i++) {
		struct role_holding holding;

		if (!role_set_has(&asked->roles, i))
			continue;
		policy_role_holding(asked->policy, &asked->subject, i, &holding);
		printf("  role %-20s ", asked->policy->roles[i].name);
		ctl_print_holding(asked->policy, &asked->subject, i, &holding);
		putchar('\n');
	}
	putchar('\n');
}

/* The verbs by one line of the policy: those that were not shown yet. */
static verb_set verbs_by(const struct rights *rights, verb_set verbs, unsigned line)
{
	verb_set same = 0;

	for (unsigned i = 0; i < N_VERBS; i++) {
		if ((verbs & VERB_SET(i)) && rights->verdicts[i].line == line)
			same |= VERB_SET(i);
	}
	return same;
}

static void print_rights(const struct asked *asked, const struct rights *rights)
{
	verb_set left = ctl_verbs_shown(rights->verbs);

	while (left != 0) {
		const struct verdict *verdict = &rights->verdicts[__builtin_ctz(left)];
		verb_set verbs = verbs_by(rights, left, verdict->line);

		printf("    %s", ctl_colour(stdout, CTL_GREEN));
		ctl_print_verbs(verbs);
		printf("%s, by %s ", ctl_colour(stdout, CTL_PLAIN), verdict->role->name);
		ctl_print_place(asked->policy, verdict->line);
		if (rights->way) {
			fputs(", as the way to ", stdout);
			ctl_puts_safe(stdout, rights->way->path);
		}
		putchar('\n');
		left &= ~verbs;
	}
}

static void print_zone(const struct asked *asked, const struct zone *zone)
{
	struct rights rights;

	ctl_rights_at(asked->policy, &asked->subject, zone->path, &rights);
	fputs("  ", stdout);
	ctl_puts_safe(stdout, zone->path);
	printf(" (zone %s, ", zone->name);
	ctl_print_place(asked->policy, zone->line);
	puts(")");
	if (rights.verbs == 0)
		printf("    %snothing%s\n", ctl_colour(stdout, CTL_DIM),
		       ctl_colour(stdout, CTL_PLAIN));
	print_rights(asked, &rights);
}

static void print_text(const struct asked *asked)
{
	print_user(asked);
	print_roles(asked);
	for (size_t i = 0; i < asked->policy->n_zones; i++)
		print_zone(asked, &asked->policy->zones[i]);
	if (asked->subject.uid == 0)
		puts("\nroot has no privilege of its own here.");
}

static json_t *groups_json(const struct asked *asked)
{
	json_t *list = json_array();

	for (size_t i = 0; i < asked->subject.n_groups; i++)
		json_array_append_new(list, ctl_json_group(asked->subject.groups[i]));
	return list;
}

static json_t *roles_json(const struct asked *asked)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < asked->policy->n_roles; i++) {
		struct role_holding holding;

		if (!role_set_has(&asked->roles, i))
			continue;
		policy_role_holding(asked->policy, &asked->subject, i, &holding);
		json_array_append_new(
			list,
			ctl_json_holding(asked->policy, &asked->subject, i, &holding));
	}
	return list;
}

static json_t *zones_json(const struct asked *asked)
{
	json_t *list = json_array();

	for (size_t i = 0; i < asked->policy->n_zones; i++) {
		const struct zone *zone = &asked->policy->zones[i];
		json_t *object = ctl_json_zone(zone);
		struct rights rights;

		ctl_rights_at(asked->policy, &asked->subject, zone->path, &rights);
		ctl_json_set(object, "verbs", ctl_json_rights(&rights));
		ctl_json_set(object, "leads_to", ctl_json_zone(rights.way));
		json_array_append_new(list, object);
	}
	return list;
}

static int print_json(const struct asked *asked)
{
	json_t *document = json_object();

	ctl_json_set_text(document, "user", asked->name);
	ctl_json_set(document, "uid", json_integer(asked->subject.uid));
	ctl_json_set(document, "groups", groups_json(asked));
	ctl_json_set(document, "roles", roles_json(asked));
	ctl_json_set(document, "zones", zones_json(asked));
	ctl_json_set_text(document, "policy_file", asked->policy->file);
	ctl_json_set_text(document, "policy_sha256", asked->policy->hash);
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : CTL_OK;
}

static int user(const char *file, const char *name, bool json)
{
	_cleanup_(policy_unrefp) struct policy *policy = NULL;
	_cleanup_(grants_unrefp) struct grants *grants = NULL;
	_cleanup_(freep) gid_t *groups = NULL;
	struct asked asked = { .name = name };
	int status = ctl_find_user(name, &asked.subject, &groups);

	if (status == CTL_OK)
		status = ctl_load_policy(file, &policy);
	if (status == CTL_OK)
		status = ctl_load_valid_grants(policy, &grants);
	if (status != CTL_OK)
		return status;
	asked.subject.grants = grants;
	asked.subject.now = moment_now();
	asked.policy = policy;
	policy_roles(policy, &asked.subject, &asked.roles);
	if (json)
		return print_json(&asked);
	ctl_pager_start();
	print_text(&asked);
	return ctl_pager_end();
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	const char *file = CTL_POLICY_FILE;
	bool json = false;
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code == '?')
			return CTL_USAGE;
		if (code == 'p')
			file = optarg;
		else
			json = true;
	}
	if (argc - optind != 1)
		return ctl_usage(verb, "takes one user");
	return user(file, argv[optind], json);
}

const struct ctl_verb ctl_user = {
	.name = "user",
	.arguments = "USER",
	.summary = "Show everything that somebody may do, zone by zone.",
	.details = "USER is a name or a uid.\n",
	.options = options,
	.run = run,
};
