/* SPDX-License-Identifier: Apache-2.0 */
/* What status shows of the gate. */
#include <string.h>
#include <time.h>

#include "fuse/guard-internal.h"

uint64_t guard_denials(struct guard *guard)
{
	return atomic_load_explicit(&guard->n_denied, memory_order_relaxed);
}

bool guard_may_still_read(struct guard *guard, const struct authority *authority,
			  struct node *node)
{
	struct policy_snapshot snapshot;
	const struct zone *zone;
	struct verdict verdict;
	struct role_set roles;
	bool may;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	caller_roles(authority->opener, &snapshot, &roles);
	zone = place_zone(&snapshot, guard_node_place(guard, &snapshot, node));
	policy_decide(snapshot.policy, &roles, zone, OPERATION_OPEN_READ,
		      authority->owner == authority->opener->subject.uid, time(NULL),
		      &verdict);
	may = verdict.decision == DECISION_ALLOWED ||
	      (zone && strcmp(authority->made_in, zone->name) == 0);
	policy_snapshot_put(&snapshot);
	return may;
}
