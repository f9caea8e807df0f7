/* SPDX-License-Identifier: Apache-2.0 */
/* Who acted, as far as the record and the name service tell: roles by each policy. */
#pragma once

#include "config/policy.h"

#include "fuse/record.h"

#define REPLAY_POLICIES_MAX 17 /* the candidate, and those that were in force */

/* By one policy. */
struct replay_roles {
	struct role_set least; /* by the ids on record alone */
	struct role_set now;   /* and by the groups that the name service gives now */
};

struct replay_people;

/* The policies are borrowed. NULL without memory. */
struct replay_people *replay_people_new(const struct policy *const policies[],
					size_t n_policies);
struct replay_people *replay_people_free(struct replay_people *people);

/* The roles of the one by whose right a record's operation was decided, in the order of
 * the policies; valid until the next call. NULL without memory. May ask NSS, with
 * CTL_PATIENCE_SECONDS. */
const struct replay_roles *replay_people_roles(struct replay_people *people,
					       const struct record *record);
