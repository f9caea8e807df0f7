/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force: replaced as a whole, or not at all. */
#pragma once

#include <stdint.h>

#include "config/policy.h"

struct policy_store;

/* What one request decides by, however often the policy is replaced meanwhile. */
struct policy_snapshot {
	struct policy *policy; /* a reference */
	uint64_t generation;   /* from 1, grows with every reload */
};

/* Loads a policy file for the first time: 0, or -errno with every complaint logged. */
int policy_store_new(const char *file, struct policy_store **ret);
struct policy_store *policy_store_free(struct policy_store *store);

void policy_snapshot_get(struct policy_store *store, struct policy_snapshot *ret);
void policy_snapshot_put(struct policy_snapshot *snapshot);

/* The generation in force, without a lock. */
uint64_t policy_store_generation(struct policy_store *store);

/* A candidate for the next generation, loaded and checked but not yet in force: 0 and a
 * reference in *ret, or -errno with every complaint logged. */
int policy_store_load(struct policy_store *store, struct policy **ret);

/* Puts a candidate in force; returns its generation. Takes over the reference. */
uint64_t policy_store_replace(struct policy_store *store, struct policy *policy);
