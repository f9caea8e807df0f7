/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl grants: the grants that end, and what became of them. */
#include <getopt.h>
#include <string.h>

#include "fuse/ctl-ask.h"
#include "fuse/ctl-event.h"
#include "fuse/ctl-grants.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl.h"
#include "fuse/moment.h"
#include "fuse/util.h"

enum { OPTION_JSON = CTL_LONG };

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE",
	  "the grants of this policy instead of the installed one" },
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

/* What it is if it is not in force. */
static void print_state(const struct timed_grant *grant, const char *state)
{
	printf(" %s(%s", ctl_colour(stdout, CTL_RED), state);
	if (strcmp(state, "void") == 0)
		printf(": %s", grant_fault_name(grant->fault));
	if (strcmp(state, "revoked") == 0) {
		fputs(" by ", stdout);
		ctl_puts_safe(stdout, grant->revoked_by.name);
	}
	printf(")%s", ctl_colour(stdout, CTL_PLAIN));
}

void ctl_print_grant(const struct timed_grant *grant, const struct moment *now)
{
	const char *state = grant_state_name(grant, now);
	bool in_force = strcmp(state, "in-force") == 0;
	char until[CTL_TIME_SIZE];

	ctl_puts_safe(stdout, grant->user.name);
	printf(" %s %s until %s, by ", in_force ? "has" : "was granted", grant->role_name,
	       ctl_time(grant->until, until));
	ctl_puts_safe(stdout, grant->by.name);
	fputs(": ", stdout);
	ctl_puts_safe(stdout, grant->reason);
	if (!in_force)
		print_state(grant, state);
	putchar('\n');
}

json_t *ctl_json_grant(const struct timed_grant *grant, const struct moment *now)
{
	const char *state = grant_state_name(grant, now);
	json_t *object = json_object();

	ctl_json_set(object, "id", json_integer(grant->id));
	ctl_json_set_text(object, "user", grant->user.name);
	ctl_json_set(object, "uid", json_integer(grant->user.uid));
	ctl_json_set_text(object, "role", grant->role_name);
	ctl_json_set(object, "from", json_integer(grant->from));
	ctl_json_set(object, "until", json_integer(grant->until));
	ctl_json_set_text(object, "by", grant->by.name);
	ctl_json_set_text(object, "reason", grant->reason);
	ctl_json_set_text(object, "state", state);
	ctl_json_set_text(object, "why",
			  strcmp(state, "void") == 0 ? grant_fault_name(grant->fault)
						     : NULL);
	ctl_json_set_text(object, "revoked_by", grant->revoked_by.name);
	return object;
}

static json_t *grantable_json(const struct policy *policy)
{
	json_t *list = json_array();

	for (unsigned i = 1; i < policy->n_roles; i++)
		if (role_set_has(&policy->grantable, i))
			json_array_append_new(list, json_string(policy->roles[i].name));
	return list;
}

static int print_json(const struct policy *policy, const struct grants *grants,
		      const struct moment *now)
{
	json_t *document = json_object(), *list = json_array();

	for (size_t i = 0; i < grants->n_items; i++)
		json_array_append_new(list, ctl_json_grant(&grants->items[i], now));
	ctl_json_set(document, "grants", list);
	ctl_json_set(document, "grantable", grantable_json(policy));
	ctl_json_set(document, "max_grant", json_integer(policy->max_grant));
	ctl_json_set_text(document, "policy_file", policy->file);
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : CTL_OK;
}

static int print_text(const struct policy *policy, const struct grants *grants,
		      const struct moment *now)
{
	ctl_pager_start();
	for (size_t i = 0; i < grants->n_items; i++)
		ctl_print_grant(&grants->items[i], now);
	if (grants->n_items == 0)
		puts("There are no grants.");
	printf("\nThe policy lets these roles be granted: %s; for at most %s.\n",
	       policy->grantable_text, policy->max_grant_text);
	return ctl_pager_end();
}

static int show(const char *file, bool json)
{
	_cleanup_(policy_unrefp) struct policy *policy = NULL;
	_cleanup_(grants_unrefp) struct grants *grants = NULL;
	const struct moment now = moment_now();
	int status = ctl_load_policy(file, &policy);

	if (status == CTL_OK)
		status = ctl_load_grants(policy, &now, &grants);
	if (status != CTL_OK)
		return status;
	return json ? print_json(policy, grants, &now) : print_text(policy, grants, &now);
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
	if (argc > optind)
		return ctl_usage(verb, "takes no arguments");
	return show(file, json);
}

const struct ctl_verb ctl_grants = {
	.name = "grants",
	.arguments = "",
	.summary =
		"Show the grants that end: whose, until when, why, and which are void.",
	.options = options,
	.run = run,
};
