/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl grant: lends somebody a role until a time. */
#include <getopt.h>
#include <string.h>

#include "config/identity.h"
#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-event.h"
#include "fuse/ctl-grants.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl-reload.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

#define NAME_SIZE 256

enum { OPTION_FOR = CTL_LONG, OPTION_REASON };

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE",
	  "the grants of this policy instead of the installed one" },
	{ OPTION_FOR, "for", "TIME",
	  "how long: a number and s, m, h, d or w, such as 4h" },
	{ OPTION_REASON, "reason", "TEXT", "what for: it goes on record" },
	{ 0, NULL, NULL, NULL },
};

struct arguments {
	const char *policy, *user, *role, *time, *reason;
	int64_t seconds;
};

static int no(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int no(const char *format, ...)
{
	va_list arguments;

	fputs("modelguardctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return CTL_NO;
}

static int find_role(const struct policy *policy, const char *name)
{
	for (unsigned i = 1; i < policy->n_roles; i++)
		if (strcmp(policy->roles[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* Whether the policy lets it be granted for so long. */
static int check_allowed(const struct arguments *arguments, const struct policy *policy)
{
	int role = find_role(policy, arguments->role);

	if (role < 0)
		return no("there is no role %s in %s", QUOTED(arguments->role),
			  QUOTED(policy->file));
	if (!role_set_has(&policy->grantable, (unsigned)role))
		return no("the role '%s' cannot be granted: 'grantable' in [guard] of %s "
			  "names %s",
			  policy->roles[role].name, QUOTED(policy->file),
			  policy->grantable_text);
	if (arguments->seconds > policy->max_grant)
		return no("%s is too long: max-grant in %s is %s",
			  QUOTED(arguments->time), QUOTED(policy->file),
			  policy->max_grant_text);
	return CTL_OK;
}

/* By the name that the name service has, however they were called. */
static int find_user(const char *typed, struct grant_person *ret, char name[NAME_SIZE])
{
	_cleanup_(freep) gid_t *groups = NULL;
	struct subject subject;
	int status = ctl_find_user(typed, &subject, &groups);
	int r;

	if (status != CTL_OK)
		return status;
	ctl_patience_start();
	r = identity_user_name(subject.uid, name, NAME_SIZE);
	ctl_patience_stop();
	if (r < 0 || !grant_text_fits(name))
		return ctl_fail("the name of uid %u cannot be written down: %s",
				subject.uid, QUOTED(name));
	*ret = (struct grant_person){ name, subject.uid };
	return CTL_OK;
}

static unsigned next_id(const struct grants *grants)
{
	unsigned id = 0;

	for (size_t i = 0; i < grants->n_items; i++)
		if (grants->items[i].id > id)
			id = grants->items[i].id;
	return id + 1;
}

static int add(struct grants_desk *desk, const struct arguments *arguments,
	       const struct grant_person *user)
{
	struct grants *grants = grants_desk_grants(desk);
	const struct moment *now = grants_desk_now(desk);
	struct timed_grant grant = {
		.user = *user,
		.by = *grants_desk_admin(desk),
		.role_name = (char *)arguments->role,
		.reason = (char *)arguments->reason,
		.from = now->wall,
		.until = now->wall + arguments->seconds,
		.boot_from = now->boot,
		.boot_until = INT64_MAX,
	};
	int status;

	grant.id = next_id(grants);
	if (grants->n_items >= GRANTS_MAX)
		return ctl_fail("there are %zu grants already: revoke some",
				grants->n_items);
	if (grants_add(grants, &grant) < 0)
		return ctl_fail("no memory");
	status = grants_desk_install(desk);
	if (status == CTL_OK)
		ctl_print_grant(&grant, now);
	return status;
}

static int grant(const struct arguments *arguments)
{
	_cleanup_(grants_desk_free) struct grants_desk *desk = NULL;
	struct grant_person user;
	char name[NAME_SIZE];
	int status = find_user(arguments->user, &user, name);

	if (status == CTL_OK)
		status = grants_desk_open(arguments->policy, &desk);
	if (status == CTL_OK)
		status = check_allowed(arguments, grants_desk_policy(desk));
	if (status == CTL_OK)
		status = add(desk, arguments, &user);
	return status == CTL_OK ? ctl_reload_guards(arguments->policy) : status;
}

static int check_arguments(const struct ctl_verb *verb, struct arguments *arguments)
{
	int r;

	if (!arguments->time)
		return ctl_usage(verb, "for how long? say --for 4h");
	if (!arguments->reason)
		return ctl_usage(verb, "what for? say --reason 'ticket 4711'");
	r = text_duration(arguments->time, POLICY_GRANT_MAX, &arguments->seconds);
	if (r == -EINVAL)
		return ctl_usage(verb,
				 "--for takes a number and s, m, h, d or w, such as 4h, "
				 "not %s",
				 QUOTED(arguments->time));
	if (r < 0)
		return ctl_usage(verb, "--for takes a time from 1s to 366d, not %s",
				 QUOTED(arguments->time));
	if (!grant_text_fits(arguments->reason))
		return ctl_usage(verb,
				 "a reason has 1 to %d bytes, no blank at either end, no "
				 "control bytes and no ';' after a blank",
				 GRANT_TEXT_MAX);
	return CTL_OK;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { .policy = CTL_POLICY_FILE };
	int code, status;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		switch (code) {
		case 'p':
			arguments.policy = optarg;
			break;
		case OPTION_FOR:
			arguments.time = optarg;
			break;
		case OPTION_REASON:
			arguments.reason = optarg;
			break;
		default:
			return CTL_USAGE;
		}
	}
	if (argc - optind != 2)
		return ctl_usage(verb, "takes a user and a role");
	arguments.user = argv[optind];
	arguments.role = argv[optind + 1];
	status = check_arguments(verb, &arguments);
	return status == CTL_OK ? grant(&arguments) : status;
}

const struct ctl_verb ctl_grant = {
	.name = "grant",
	.arguments = "USER ROLE --for TIME --reason TEXT",
	.summary = "Lend somebody a role that ends by itself.",
	.details = "The policy says which roles may be granted, and for how long: "
		   "'grantable' and\n"
		   "'max-grant' in [guard].\n",
	.options = options,
	.run = run,
};
