/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force: replaced as a whole, or not at all. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "config/grants.h"
#include "config/policy.h"

#include "fuse/tally.h"

struct complaints;
struct policy_store;

/* What one request decides by, however often the policy is replaced meanwhile. */
struct policy_snapshot {
	struct policy *policy; /* the tally's */
	uint64_t generation;   /* from 1, grows with every reload, and with the grants */
	struct tally *tally;   /* a reference */
	struct grants *grants; /* those that count; a reference. Each has its end yet */
};

/* What may come into force next; policy_candidate_fini(). */
struct policy_candidate {
	struct tally *tally;
	struct grants *grants; /* all of the file, judged under the policy */
};

/* Loads a policy file for the first time: 0, or -errno with every complaint logged. */
int policy_store_new(const char *file, struct policy_store **ret);
struct policy_store *policy_store_free(struct policy_store *store);

void policy_snapshot_get(struct policy_store *store, struct policy_snapshot *ret);
void policy_snapshot_put(struct policy_snapshot *snapshot);

/* The generation in force, without a lock. */
uint64_t policy_store_generation(struct policy_store *store);

/* A candidate for the next generation, loaded and checked but not yet in force: 0, or
 * -errno with every complaint logged, and in *complaints unless it is NULL. */
int policy_store_load(struct policy_store *store, struct complaints *complaints,
		      struct policy_candidate *ret);
void policy_candidate_fini(struct policy_candidate *candidate);

/* Puts a candidate in force, and of its grants those that are valid; returns its
 * generation. Takes over all references. */
uint64_t policy_store_replace(struct policy_store *store,
			      struct policy_candidate *candidate, struct grants *valid);

/* The same policy with other grants: a new generation. Takes over the reference. */
void policy_store_set_grants(struct policy_store *store, struct grants *valid);

/* All grants of the file, as it was read with the policy: a reference. */
struct grants *policy_store_grants(struct policy_store *store);

/* Since when the policy in force is, whatever its grants are. */
time_t policy_store_since(struct policy_store *store);

/* How the files are now: "same" as when the policy in force was read, "differs", or
 * "unreadable". */
const char *policy_store_on_disk(struct policy_store *store);
