/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that a policy grants, and sets of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum verb {
	VERB_LIST,
	VERB_READ,
	VERB_CREATE,
	VERB_WRITE,
	VERB_DELETE,
	VERB_WRITE_OWN,
	VERB_DELETE_OWN,
	VERB_PROMOTE,
	VERB_APPROVE,
	VERB_ADMIN,
	N_VERBS,
};

/* A set of verbs, one bit each. */
typedef uint32_t verb_set;
#define VERB_SET(verb) ((verb_set)1 << (verb))

/* The word of the policy language ("write-own"); static storage. */
const char *verb_name(enum verb verb);

/* Looks a word up. Returns 0 and sets *ret, or -ENOENT. */
int verb_from_name(const char *name, enum verb *ret);
