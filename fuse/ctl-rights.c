/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what someone may do in a zone, verb by verb, as the decision has it. */
#include <string.h>
#include <time.h>

#include "fuse/ctl-json.h"
#include "fuse/ctl-rights.h"

/* The operation that stands for a verb: it takes this verb and no other. An -own form is
 * the plain verb on an object of the user's own. */
static const enum operation operation_of_verb[N_VERBS] = {
	[VERB_LIST] = OPERATION_LOOKUP,	      [VERB_READ] = OPERATION_OPEN_READ,
	[VERB_CREATE] = OPERATION_CREATE,     [VERB_WRITE] = OPERATION_OPEN_WRITE,
	[VERB_DELETE] = OPERATION_UNLINK,     [VERB_WRITE_OWN] = OPERATION_OPEN_WRITE,
	[VERB_DELETE_OWN] = OPERATION_UNLINK, [VERB_PROMOTE] = OPERATION_PROMOTE,
	[VERB_APPROVE] = OPERATION_APPROVE,   [VERB_ADMIN] = OPERATION_SETXATTR,
};

enum operation ctl_operation_of(enum verb verb, bool *ret_owns)
{
	*ret_owns = verb == VERB_WRITE_OWN || verb == VERB_DELETE_OWN;
	return operation_of_verb[verb];
}

void ctl_rights(const struct policy *policy, const struct subject *subject,
		const struct zone *zone, struct rights *ret)
{
	struct role_set roles;
	time_t now = time(NULL);

	memset(ret, 0, sizeof(*ret));
	if (!policy)
		return;
	policy_roles(policy, subject, &roles);
	for (unsigned i = 0; i < N_VERBS; i++) {
		bool owns;
		enum operation operation = ctl_operation_of((enum verb)i, &owns);

		policy_decide(policy, &roles, zone, operation, owns, now,
			      &ret->verdicts[i]);
		if (ret->verdicts[i].decision == DECISION_ALLOWED)
			ret->verbs |= VERB_SET(i);
	}
}

void ctl_rights_at(const struct policy *policy, const struct subject *subject,
		   const char *path, struct rights *ret)
{
	struct role_set roles;

	ctl_rights(policy, subject, policy_zone(policy, path), ret);
	if (ret->verbs & VERB_SET(VERB_LIST))
		return;
	policy_roles(policy, subject, &roles);
	ret->way = policy_zone_led_to(policy, &roles, path);
	if (!ret->way)
		return;
	policy_decide(policy, &roles, ret->way, OPERATION_LOOKUP, false, time(NULL),
		      &ret->verdicts[VERB_LIST]);
	ret->verbs |= VERB_SET(VERB_LIST);
}

json_t *ctl_json_rights(const struct rights *rights)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < N_VERBS; i++) {
		const struct verdict *verdict = &rights->verdicts[i];
		json_t *item;

		if (!(rights->verbs & VERB_SET(i)))
			continue;
		item = json_object();
		ctl_json_set_text(item, "role", verdict->role->name);
		ctl_json_set(item, "line", json_integer(verdict->line));
		if (rights->way)
			ctl_json_set_text(item, "way_to", rights->way->path);
		ctl_json_set(object, verb_name((enum verb)i), item);
	}
	return object;
}

verb_set ctl_verbs_shown(verb_set verbs)
{
	if (verbs & VERB_SET(VERB_WRITE))
		verbs &= ~VERB_SET(VERB_WRITE_OWN);
	if (verbs & VERB_SET(VERB_DELETE))
		verbs &= ~VERB_SET(VERB_DELETE_OWN);
	return verbs;
}
