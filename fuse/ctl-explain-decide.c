/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: the decision, and what would be needed for another. */
#include <string.h>
#include <time.h>

#include "fuse/ctl-explain.h"

/* Each role that would be enough if the user came to hold it, too: by the decision
 * itself. */
static void find_sufficient(const struct policy *policy, const struct question *question,
			    bool owns, struct answer *answer)
{
	for (unsigned i = 1; i < policy->n_roles; i++) {
		struct role_set roles = answer->roles;
		struct verdict verdict;

		for (size_t j = 0; j < POLICY_ROLES_MAX / 64; j++)
			roles.bits[j] |= policy->roles[i].holds.bits[j];
		policy_decide(policy, &roles, answer->verdict.zone, question->operation,
			      owns, time(NULL), &verdict);
		if (verdict.decision != DECISION_ALLOWED)
			continue;
		role_set_add(&answer->sufficient, i);
		answer->sufficient_lines[i] = verdict.line;
		answer->any_sufficient = true;
		answer->sufficient_if_own = owns && !question->owns;
	}
}

/* The verb `list` is asked for by its word: what is in the root is not anybody's. */
static bool is_look_at_root(const struct question *question)
{
	return question->operation == OPERATION_LOOKUP &&
	       strcmp(question->path, "/") == 0 &&
	       strcmp(question->word, verb_name(VERB_LIST)) != 0;
}

void explain_decide(const struct policy *policy, const struct question *question,
		    struct answer *ret)
{
	time_t now = time(NULL);

	*ret = (struct answer){ 0 };
	policy_roles(policy, &question->subject, &ret->roles);
	policy_decide(policy, &ret->roles, policy_zone(policy, question->path),
		      question->operation, question->owns, now, &ret->verdict);
	ret->rule = ret->verdict;
	if (ret->verdict.decision != DECISION_ALLOWED) {
		ret->way = policy_zone_led_to(policy, &ret->roles, question->path);
		ret->allowed_as_way = ret->way && operation_walks(question->operation);
		ret->allowed_as_root = !ret->allowed_as_way && is_look_at_root(question);
		if (ret->allowed_as_way)
			policy_decide(policy, &ret->roles, ret->way, OPERATION_LOOKUP,
				      false, now, &ret->rule);
		find_sufficient(policy, question, question->owns, ret);
		if (!ret->any_sufficient)
			find_sufficient(policy, question, true, ret);
	}
	if (ret->rule.role)
		policy_role_holding(policy, &question->subject,
				    (unsigned)(ret->rule.role - policy->roles),
				    &ret->holding);
}
