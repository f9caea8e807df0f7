/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force: replaced as a whole, or not at all. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "config/policy.h"

#include "fuse/tally.h"

struct complaints;
struct policy_store;

/* What one request decides by, however often the policy is replaced meanwhile. */
struct policy_snapshot {
	struct policy *policy; /* the tally's */
	uint64_t generation;   /* from 1, grows with every reload */
	struct tally *tally;   /* a reference */
};

/* Loads a policy file for the first time: 0, or -errno with every complaint logged. */
int policy_store_new(const char *file, struct policy_store **ret);
struct policy_store *policy_store_free(struct policy_store *store);

void policy_snapshot_get(struct policy_store *store, struct policy_snapshot *ret);
void policy_snapshot_put(struct policy_snapshot *snapshot);

/* The generation in force, without a lock. */
uint64_t policy_store_generation(struct policy_store *store);

/* A candidate for the next generation, loaded and checked but not yet in force: 0 and a
 * reference to its tally in *ret, or -errno with every complaint logged, and in
 * *complaints unless it is NULL. */
int policy_store_load(struct policy_store *store, struct complaints *complaints,
		      struct tally **ret);

/* Puts a candidate in force; returns its generation. Takes over the reference. */
uint64_t policy_store_replace(struct policy_store *store, struct tally *candidate);

/* Since when the policy in force is. */
time_t policy_store_since(struct policy_store *store);

/* How the file is now: "same" as when the policy in force was read, "differs", or
 * "unreadable". */
const char *policy_store_on_disk(struct policy_store *store);
