/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: the answer for a person. */
#include <string.h>

#include "config/identity.h"
#include "config/text.h"

#include "fuse/ctl-explain.h"
#include "fuse/ctl-holding.h"
#include "fuse/ctl.h"

#define NAME_SIZE 256

static void label(const char *word)
{
	printf("  %s%-9s%s ", ctl_colour(stdout, CTL_DIM), word,
	       ctl_colour(stdout, CTL_PLAIN));
}

static void print_place(const struct policy *policy, unsigned line)
{
	ctl_puts_safe(stdout, policy->file);
	printf(":%u", line);
}

static void print_verdict(const struct question *question, const struct answer *answer)
{
	bool allowed = answer_allowed(answer);

	printf("%s%s%s  ", ctl_colour(stdout, allowed ? CTL_GREEN : CTL_RED),
	       allowed ? "ALLOWED" : "DENIED", ctl_colour(stdout, CTL_PLAIN));
	ctl_puts_safe(stdout, question->user);
	printf(": %s ", question->word);
	ctl_puts_safe(stdout, question->path);
	if (question->owner) {
		fputs(" (owned by ", stdout);
		ctl_puts_safe(stdout, question->owner);
		fputs(")", stdout);
	} else if (question->owns) {
		fputs(" (an own one)", stdout);
	}
	fputs("\n\n", stdout);
}

static void print_zone(const struct policy *policy, const struct zone *zone)
{
	label("zone");
	if (!zone) {
		puts("none: no zone's path covers it");
		return;
	}
	printf("%s, ", zone->name);
	ctl_puts_safe(stdout, zone->path);
	fputs(" (", stdout);
	print_place(policy, zone->line);
	puts(")");
}

static void print_role(const struct policy *policy, const struct question *question,
		       const struct answer *answer)
{
	label("role");
	if (!answer->rule.role) {
		puts(answer->verdict.zone ? "none that is granted anything in this zone"
					  : "none");
		return;
	}
	printf("%s, ", answer->rule.role->name);
	ctl_print_holding(policy, &question->subject,
			  (unsigned)(answer->rule.role - policy->roles),
			  &answer->holding);
	putchar('\n');
}

static void print_line(const struct policy *policy, unsigned number)
{
	size_t length;
	const char *line = policy_line(policy, number, &length);

	if (!line)
		return;
	label("decided");
	print_place(policy, number);
	fputs(": ", stdout);
	/* Columns of the policy are aligned with blanks; here they would only take room.
	 */
	for (size_t i = 0; i < length; i++) {
		bool repeated =
			i > 0 && text_is_blank(line[i]) && text_is_blank(line[i - 1]);

		if (!repeated)
			ctl_print_safe(stdout, text_is_blank(line[i]) ? " " : &line[i],
				       1);
	}
	putchar('\n');
}

static void print_reason(const struct question *question, const struct answer *answer)
{
	const struct verdict *verdict = &answer->verdict;
	const char *verb = verb_name(verdict->verb);

	label("because");
	if (answer->allowed_as_way) {
		printf("it may be walked through: it leads to the zone %s, ",
		       answer->way->name);
		ctl_puts_safe(stdout, answer->way->path);
		fputs("\n            and only names that lead to such zones are shown\n",
		      stdout);
	} else if (answer->allowed_as_root) {
		puts("anybody may look at the root of the share; what is in it is "
		     "another "
		     "question");
	} else if (verdict->decision == DECISION_ALLOWED) {
		printf("'%s' is granted\n", verb);
	} else if (verdict->reason == DENIAL_NO_ZONE) {
		puts("what is in no zone is granted to nobody");
	} else if (verdict->reason == DENIAL_NOT_OWNER) {
		fputs("it is granted only on what ", stdout);
		ctl_puts_safe(stdout, question->user);
		fputs(" owns (then ask with --owner ", stdout);
		ctl_puts_safe(stdout, question->user);
		puts(")");
	} else {
		printf("%s: '%s' is missing\n", denial_reason_name(verdict->reason),
		       verb);
	}
	if (answer->way && !answer->allowed_as_way) {
		fputs("            (as a directory it may be walked through: it leads to "
		      "the zone ",
		      stdout);
		printf("%s)\n", answer->way->name);
	}
}

/* The policy alone is asked here; the source decides as well. */
static void print_modes(const struct zone *zone)
{
	if (!zone || zone->modes != ZONE_MODES_OWNER)
		return;
	label("modes");
	puts("owner: the mode bits and ACLs of the source must allow it, too");
}

/* The groups and users by which one comes to hold a role, or that it may be lent. */
static void print_members(const struct policy *policy, const struct role *role,
			  bool grantable)
{
	const char *separator = "";
	char name[NAME_SIZE];

	for (size_t i = 0; i < role->n_gids; i++) {
		printf("%s", i == 0 ? "through the group " : " or ");
		ctl_print_group(role->gids[i]);
		separator = "; ";
	}
	for (size_t i = 0; i < role->n_uids; i++) {
		printf("%s", i == 0 ? separator : ", ");
		printf("%s", i == 0 ? "its user is " : "");
		identity_user_name(role->uids[i], name, sizeof(name));
		ctl_puts_safe(stdout, name);
	}
	if (grantable)
		printf("%sfor a time by 'modelguardctl grant'",
		       role->n_gids + role->n_uids > 0 ? "; or " : "");
	else if (role->n_gids == 0 && role->n_uids == 0)
		fputs("nobody holds it but through a role that includes it", stdout);
	fputs(" (", stdout);
	print_place(policy, role->line);
	puts(")");
}

static void print_needed(const struct policy *policy, const struct question *question,
			 const struct answer *answer)
{
	const struct zone *zone = answer->verdict.zone;
	const struct operation_rule *rule = operation_rule(question->operation);

	label("needed");
	if (answer->any_sufficient) {
		fputs("one of these roles", stdout);
		if (answer->sufficient_if_own) {
			fputs(", and only on what ", stdout);
			ctl_puts_safe(stdout, question->user);
			fputs(" owns", stdout);
		}
		puts(":");
		for (unsigned i = 1; i < policy->n_roles; i++) {
			if (!role_set_has(&answer->sufficient, i))
				continue;
			printf("              %-18s ", policy->roles[i].name);
			print_members(policy, &policy->roles[i],
				      role_set_has(&policy->grantable, i));
			printf("              %-18s granted by ", "");
			print_place(policy, answer->sufficient_lines[i]);
			putchar('\n');
		}
		return;
	}
	if (!zone) {
		puts("an admin would add a [zone NAME] whose path covers it");
		return;
	}
	fputs("no role is granted ", stdout);
	for (unsigned i = 0, n = 0; i < N_VERBS; i++) {
		if (rule->verbs & VERB_SET(i))
			printf("%s'%s'",
			       n++ == 0	   ? ""
			       : rule->any ? " or "
					   : " and ",
			       verb_name((enum verb)i));
	}
	printf(" here; an admin would add it to\n            an 'allow ROLE = ...' line "
	       "of "
	       "[zone %s] (",
	       zone->name);
	print_place(policy, zone->line);
	puts(")");
}

/* "4711, python3 (/usr/bin/python3.11), logged in as alice" */
static void print_process(const struct process *process)
{
	char name[NAME_SIZE];

	label("process");
	printf("%d, ", process->pid);
	ctl_puts_safe(stdout, process->comm);
	if (process->exe) {
		fputs(" (", stdout);
		ctl_puts_safe(stdout, process->exe);
		fputs(")", stdout);
	}
	if (process->login_uid != (uid_t)-1) {
		identity_user_name(process->login_uid, name, sizeof(name));
		fputs(", logged in as ", stdout);
		ctl_puts_safe(stdout, name);
	}
	putchar('\n');
}

static void print_groups(const struct policy *policy, const struct subject *subject)
{
	label("groups");
	ctl_print_group(subject->gid);
	for (size_t i = 0; i < subject->n_groups; i++) {
		if (subject->groups[i] == subject->gid)
			continue;
		fputs(", ", stdout);
		ctl_print_group(subject->groups[i]);
	}
	puts(policy->groups_from == GROUPS_FROM_DATABASE
		     ? " (of the name service: groups-from = database)"
		     : " (of the process)");
}

static void print_login(const struct question *question, const struct answer *answer)
{
	label("login");
	fputs("the name service has other groups for ", stdout);
	ctl_puts_safe(stdout, question->user);
	printf(" now: after a new login\n            it would be %s\n",
	       answer_allowed(answer) ? "denied" : "allowed");
}

void explain_text(const struct policy *policy, const struct question *question,
		  const struct answer *answer)
{
	print_verdict(question, answer);
	if (question->process) {
		print_process(question->process);
		print_groups(policy, &question->subject);
	}
	print_zone(policy, answer->verdict.zone);
	print_role(policy, question, answer);
	print_line(policy, answer->rule.line);
	print_reason(question, answer);
	if (answer_allowed(answer))
		print_modes(answer->rule.zone);
	if (!answer_allowed(answer))
		print_needed(policy, question, answer);
	if (answer->login_differs)
		print_login(question, answer);
}
