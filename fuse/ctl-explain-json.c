/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: the answer for a program. */
#include <string.h>

#include "config/identity.h"

#include "fuse/ctl-explain.h"
#include "fuse/ctl-holding.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-words.h"

#define NAME_SIZE 256

static json_t *user_json(uid_t uid)
{
	char name[NAME_SIZE];

	identity_user_name(uid, name, sizeof(name));
	return ctl_json_text(name, strlen(name));
}

static json_t *rule_json(const struct policy *policy, unsigned number)
{
	json_t *object = json_object();
	const char *line;
	size_t length;

	ctl_json_set_text(object, "file", policy->file);
	ctl_json_set(object, "line", json_integer(number));
	line = policy_line(policy, number, &length);
	ctl_json_set(object, "text", line ? ctl_json_text(line, length) : NULL);
	return object;
}

/* Each role that alone would be enough, and how one comes to hold it. */
static json_t *needed_json(const struct policy *policy, const struct answer *answer)
{
	json_t *list = json_array();

	for (unsigned i = 1; i < policy->n_roles; i++) {
		const struct role *role = &policy->roles[i];
		json_t *item, *groups, *users;

		if (!role_set_has(&answer->sufficient, i))
			continue;
		item = json_object();
		groups = json_array();
		users = json_array();
		for (size_t j = 0; j < role->n_gids; j++)
			json_array_append_new(groups, ctl_json_group(role->gids[j]));
		for (size_t j = 0; j < role->n_uids; j++)
			json_array_append_new(users, user_json(role->uids[j]));
		ctl_json_set_text(item, "role", role->name);
		ctl_json_set(item, "line", json_integer(role->line));
		ctl_json_set(item, "rule",
			     rule_json(policy, answer->sufficient_lines[i]));
		ctl_json_set(item, "groups", groups);
		ctl_json_set(item, "users", users);
		ctl_json_set(item, "grantable",
			     json_boolean(role_set_has(&policy->grantable, i)));
		json_array_append_new(list, item);
	}
	return list;
}

/* Who asked, as a process. */
static json_t *process_json(const struct question *question)
{
	const struct process *process = question->process;
	json_t *object = json_object(), *groups = json_array();

	for (size_t i = 0; i < question->subject.n_groups; i++)
		json_array_append_new(groups,
				      ctl_json_group(question->subject.groups[i]));
	ctl_json_set(object, "pid", json_integer(process->pid));
	ctl_json_set_text(object, "comm", process->comm);
	ctl_json_set_text(object, "exe", process->exe);
	ctl_json_set(object, "login_uid",
		     process->login_uid == (uid_t)-1 ? NULL
						     : json_integer(process->login_uid));
	ctl_json_set(object, "gid", json_integer(question->subject.gid));
	ctl_json_set(object, "groups", groups);
	return object;
}

json_t *explain_json(const struct policy *policy, const struct question *question,
		     const struct answer *answer)
{
	const struct verdict *verdict = &answer->verdict, *rule = &answer->rule;
	json_t *document = json_object();
	bool allowed = answer_allowed(answer);

	ctl_json_set(document, "allowed", json_boolean(allowed));
	ctl_json_set_text(document, "user", question->user);
	ctl_json_set(document, "uid", json_integer(question->subject.uid));
	ctl_json_set_text(document, "asked", question->word);
	ctl_json_set_text(document, "operation",
			  operation_rule(question->operation)->name);
	ctl_json_set_text(document, "path", question->path);
	ctl_json_set(document, "owns", json_boolean(question->owns));
	ctl_json_set(document, "zone", ctl_json_zone(verdict->zone));
	ctl_json_set(document, "role",
		     verdict->role
			     ? ctl_json_holding(policy, &question->subject,
						(unsigned)(verdict->role - policy->roles),
						&answer->holding)
			     : NULL);
	ctl_json_set(document, "rule", rule->line ? rule_json(policy, rule->line) : NULL);
	ctl_json_set_text(document, "reason",
			  answer->allowed_as_way ? "leads to a zone that may be listed"
			  : answer->allowed_as_root
				  ? "anybody may look at the root"
				  : denial_reason_name(verdict->reason));
	ctl_json_set_text(document, "verb", verb_name(verdict->verb));
	ctl_json_set(document, "leads_to", ctl_json_zone(answer->way));
	if (!allowed)
		ctl_json_set(document, "needed", needed_json(policy, answer));
	if (!allowed && answer->any_sufficient)
		ctl_json_set(document, "needed_only_if_own",
			     json_boolean(answer->sufficient_if_own));
	ctl_json_set_text(document, "policy_sha256", policy->hash);
	if (question->process) {
		ctl_json_set(document, "process", process_json(question));
		ctl_json_set(document, "new_login_differs",
			     json_boolean(answer->login_differs));
	}
	return document;
}
