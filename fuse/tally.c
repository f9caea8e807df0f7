/* SPDX-License-Identifier: Apache-2.0 */
/* How often each line of a policy has decided. */
#include <stdlib.h>

#include "fuse/tally.h"

/* Verdicts name lines of grants and of sections of zones. */
static unsigned last_line(const struct policy *policy)
{
	unsigned last = 0;

	for (size_t i = 0; i < policy->n_zones; i++) {
		const struct zone *zone = &policy->zones[i];

		if (zone->line > last)
			last = zone->line;
		for (size_t j = 0; j < zone->n_grants; j++)
			if (zone->grants[j].line > last)
				last = zone->grants[j].line;
	}
	return last;
}

struct tally *tally_new(struct policy *policy)
{
	unsigned n_lines = last_line(policy) + 1;
	struct tally *tally =
		calloc(1, sizeof(*tally) + n_lines * sizeof(struct line_tally));

	if (!tally)
		return NULL;
	tally->n_refs = 1;
	tally->policy = policy_ref(policy);
	tally->n_lines = n_lines;
	return tally;
}

struct tally *tally_ref(struct tally *tally)
{
	__atomic_add_fetch(&tally->n_refs, 1, __ATOMIC_RELAXED);
	return tally;
}

struct tally *tally_unref(struct tally *tally)
{
	if (tally && __atomic_sub_fetch(&tally->n_refs, 1, __ATOMIC_ACQ_REL) == 0) {
		policy_unref(tally->policy);
		free(tally);
	}
	return NULL;
}
