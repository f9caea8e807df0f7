/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the verbs. */
#include <errno.h>
#include <string.h>

#include "config/verb.h"

static const char *const verb_words[N_VERBS] = {
	[VERB_LIST] = "list",
	[VERB_READ] = "read",
	[VERB_CREATE] = "create",
	[VERB_WRITE] = "write",
	[VERB_DELETE] = "delete",
	[VERB_WRITE_OWN] = "write-own",
	[VERB_DELETE_OWN] = "delete-own",
	[VERB_PROMOTE] = "promote",
	[VERB_APPROVE] = "approve",
	[VERB_ADMIN] = "admin",
};

const char *verb_name(enum verb verb)
{
	if ((unsigned)verb >= N_VERBS)
		return "none";
	return verb_words[verb];
}

int verb_from_name(const char *name, enum verb *ret)
{
	for (unsigned i = 0; i < N_VERBS; i++) {
		if (strcmp(name, verb_words[i]) == 0) {
			*ret = (enum verb)i;
			return 0;
		}
	}
	return -ENOENT;
}
