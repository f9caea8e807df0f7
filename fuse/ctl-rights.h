/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what someone may do in a zone, verb by verb, as the decision has it. */
#pragma once

#include <jansson.h>

#include "config/decide.h"

struct rights {
	verb_set
		verbs; /* what is allowed; `write` has `write-own` with it, as it means */
	struct verdict verdicts[N_VERBS]; /* their pointers live as long as the policy */
	/* `list` is all that is allowed, and only as the way to this zone; its verdict is
	 * the one there. Else NULL. */
	const struct zone *way;
};

/* The operation that takes this verb and no other. *ret_owns: it is asked of an object of
 * the user's own, which makes the plain verb the -own form. */
enum operation ctl_operation_of(enum verb verb, bool *ret_owns);

/* Decides each verb. No policy or zone: nothing is allowed. Ways are not
 * looked for. */
void ctl_rights(const struct policy *policy, const struct subject *subject,
		const struct zone *zone, struct rights *ret);

/* Decides each verb at a path, on the way to another zone as well. */
void ctl_rights_at(const struct policy *policy, const struct subject *subject,
		   const char *path, struct rights *ret);

/* An object: of each verb that is allowed, by which role and line. */
json_t *ctl_json_rights(const struct rights *rights);

/* Without the -own forms that the plain ones include. */
verb_set ctl_verbs_shown(verb_set verbs);
