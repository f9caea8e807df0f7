/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: the question, its answer, and the two forms it is shown in. */
#pragma once

#include <stdbool.h>

#include "config/decide.h"
#include "config/policy.h"

struct question {
	const char *user; /* as it was typed */
	struct subject subject;
	const char *word; /* the verb or operation, as it was typed */
	enum operation operation;
	const char *path;  /* in the share, normalised */
	const char *owner; /* as it was typed, or NULL: somebody else */
	bool owns;
};

struct answer {
	struct role_set roles;
	struct verdict verdict; /* in the zone of the path */
	/* A zone that the path leads to and that the user may list, or NULL. */
	const struct zone *way;
	/* What the zone of the path denies is allowed all the same, as the way to that
	 * zone. */
	bool allowed_as_way;
	/* Whose role and line are shown: the verdict, or that of the zone it leads to. */
	struct verdict rule;
	struct role_holding holding; /* of rule.role, if there is one */
	/* Denied: roles of which each alone would be enough. */
	struct role_set sufficient;
	bool any_sufficient;
	bool sufficient_if_own; /* they are, if the user owns the object */
};

static inline bool answer_allowed(const struct answer *answer)
{
	return answer->verdict.decision == DECISION_ALLOWED || answer->allowed_as_way;
}

/* Prints on stdout. */
void explain_text(const struct policy *policy, const struct question *question,
		  const struct answer *answer);

/* Prints on stdout. Returns 0 or -ENOMEM. */
int explain_json(const struct policy *policy, const struct question *question,
		 const struct answer *answer);
