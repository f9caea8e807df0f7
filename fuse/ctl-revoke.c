/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl revoke: a grant ends now. */
#include <getopt.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-grants.h"
#include "fuse/ctl-reload.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE",
	  "the grants of this policy instead of the installed one" },
	{ 0, NULL, NULL, NULL },
};

struct arguments {
	const char *policy, *user, *role; /* role: NULL for all */
};

/* By the name or uid that is written down: who left the name service can still lose it.
 */
static bool is_meant(const struct arguments *arguments, const struct timed_grant *grant)
{
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", grant->user.uid);
	return grant->revoked == 0 &&
	       (strcmp(arguments->user, grant->user.name) == 0 ||
		strcmp(arguments->user, uid) == 0) &&
	       (!arguments->role || strcmp(arguments->role, grant->role_name) == 0);
}

/* Which of the grants were in force until now. */
struct marks {
	bool has[GRANTS_MAX];
};

/* Returns how many, or -ENOMEM. */
static int mark(struct grants_desk *desk, const struct arguments *arguments,
		struct marks *marks)
{
	struct grants *grants = grants_desk_grants(desk);
	const struct grant_person *admin = grants_desk_admin(desk);
	int64_t wall = grants_desk_now(desk)->wall;
	int n = 0;

	for (size_t i = 0; i < grants->n_items; i++) {
		struct timed_grant *grant = &grants->items[i];

		if (!is_meant(arguments, grant))
			continue;
		grant->revoked_by =
			(struct grant_person){ strdup(admin->name), admin->uid };
		if (!grant->revoked_by.name)
			return -ENOMEM;
		grant->revoked = wall;
		marks->has[i] = true;
		n++;
	}
	return n;
}

static void print_marked(struct grants_desk *desk, const struct marks *marks)
{
	const struct grants *grants = grants_desk_grants(desk);
	const struct moment *now = grants_desk_now(desk);

	for (size_t i = 0; i < grants->n_items; i++)
		if (marks->has[i])
			ctl_print_grant(&grants->items[i], now);
}

static int revoke_grants(const struct arguments *arguments)
{
	_cleanup_(grants_desk_free) struct grants_desk *desk = NULL;
	int status = grants_desk_open(arguments->policy, &desk);
	struct marks marks = { 0 };
	int n;

	if (status != CTL_OK)
		return status;
	n = mark(desk, arguments, &marks);
	if (n < 0)
		return ctl_fail("no memory");
	if (n == 0) {
		ctl_fail("%s has no such grant: 'modelguardctl grants' shows them",
			 QUOTED(arguments->user));
		return CTL_NO;
	}
	status = grants_desk_install(desk);
	if (status != CTL_OK)
		return status;
	print_marked(desk, &marks);
	return ctl_reload_guards(arguments->policy);
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { .policy = CTL_POLICY_FILE };
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code != 'p')
			return CTL_USAGE;
		arguments.policy = optarg;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return ctl_usage(verb, "takes a user, and a role if not all are meant");
	arguments.user = argv[optind];
	arguments.role = argv[optind + 1]; /* NULL ends them */
	return revoke_grants(&arguments);
}

const struct ctl_verb ctl_revoke = {
	.name = "revoke",
	.arguments = "USER [ROLE]",
	.summary = "End grants before their time.",
	.details = "All grants of USER, or those of ROLE.\n",
	.options = options,
	.run = run,
};
