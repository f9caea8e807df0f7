/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: the question, its answer, and the two forms it is shown in. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "config/decide.h"
#include "config/policy.h"

#include "fuse/ctl-process.h"
#include "fuse/trail-filter.h"

struct question {
	const char *user; /* as it was typed */
	struct subject subject;
	const char *word; /* the verb or operation, as it was typed */
	enum operation operation;
	const char *path;  /* in the share, normalised */
	const char *owner; /* as it was typed, or NULL: somebody else */
	bool owns;
	const struct process *process; /* who asks, or NULL: whoever is the user */
};

struct answer {
	struct role_set roles;
	struct verdict verdict; /* in the zone of the path */
	/* A zone that the path leads to and that the user may list, or NULL. */
	const struct zone *way;
	/* What the zone of the path denies is allowed all the same, as the way to that
	 * zone. */
	bool allowed_as_way;
	/* It is a look at the root of the share, which is anybody's: its name belongs to
	 * the file system around it. */
	bool allowed_as_root;
	/* Whose role and line are shown: the verdict, or that of the zone it leads to. */
	struct verdict rule;
	struct role_holding holding; /* of rule.role, if there is one */
	/* Denied: roles of which each alone would be enough. */
	struct role_set sufficient;
	unsigned sufficient_lines[POLICY_ROLES_MAX]; /* of the policy: where it is granted
						      */
	bool any_sufficient;
	bool sufficient_if_own; /* they are, if the user owns the object */
	/* Of a process: who logs in anew as its user would get the opposite answer. */
	bool login_differs;
};

static inline bool answer_allowed(const struct answer *answer)
{
	return answer->verdict.decision == DECISION_ALLOWED || answer->allowed_as_way ||
	       answer->allowed_as_root;
}

/* The operation of a word: a verb or an operation; what is both is the verb. Sets `owns`
 * for the -own verbs. 0 or -ENOENT. */
int explain_word(struct question *question);

/* Decides, and finds what would be needed if it is denied. */
void explain_decide(const struct policy *policy, const struct question *question,
		    struct answer *ret);

/* Prints on stdout. */
void explain_text(const struct policy *policy, const struct question *question,
		  const struct answer *answer);

/* The same as an object. */
json_t *explain_json(const struct policy *policy, const struct question *question,
		     const struct answer *answer);

/* What a decision on record is asked by. */
struct record_question {
	uint64_t seqno;
	const char *input;
	struct trail_filter filter; /* its times only */
	const char *policy;	    /* NULL: that of the guard */
	const char *owner, *mount;  /* NULL: not known */
	bool json;
};

/* explain --record. Returns the exit status. */
int explain_record(const struct record_question *question);
