/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what someone may do in a zone, verb by verb, as the decision has it. */
#pragma once

#include "config/decide.h"

struct rights {
	verb_set
		verbs; /* what is allowed; `write` has `write-own` with it, as it means */
	struct verdict verdicts[N_VERBS]; /* their pointers live as long as the policy */
};

/* The operation that takes this verb and no other. *ret_owns: it is asked of an object of
 * the user's own, which makes the plain verb the -own form. */
enum operation ctl_operation_of(enum verb verb, bool *ret_owns);

/* Decides each verb. No policy or zone: nothing is allowed. */
void ctl_rights(const struct policy *policy, const struct subject *subject,
		const struct zone *zone, struct rights *ret);

/* Without the -own forms that the plain ones include. */
verb_set ctl_verbs_shown(verb_set verbs);
