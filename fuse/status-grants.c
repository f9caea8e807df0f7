/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard tells root of the grants that it has read. */
#include <errno.h>

#include "fuse/moment.h"
#include "fuse/status-internal.h"

static const char *why_void(const struct timed_grant *grant, const char *state)
{
	return strcmp(state, "void") == 0 ? grant_fault_name(grant->fault) : NULL;
}

static json_t *grant_json(const struct timed_grant *grant, const struct moment *now,
			  const struct grants *counting)
{
	const char *state = grant_state_name(grant, now);
	const char *why = why_void(grant, state);

	/* Its record has to wait (audit-failure = deny), so it does, too. */
	if (strcmp(state, "in-force") == 0 && !grants_find(counting, grant))
		state = "not-begun";
	return json_pack("{s:I, s:o, s:I, s:o, s:I, s:I, s:o, s:o, s:s, s:o}", "id",
			 (json_int_t)grant->id, "user", json_of(grant->user.name), "uid",
			 (json_int_t)grant->user.uid, "role", json_of(grant->role_name),
			 "from", (json_int_t)grant->from, "until",
			 (json_int_t)grant->until, "by", json_of(grant->by.name),
			 "reason", json_of(grant->reason), "state", state, "why",
			 why ? json_string(why) : json_null());
}

int status_set_grants(struct status *status, json_t *document)
{
	struct grants *known = policy_store_grants(status_policies(status));
	struct policy_snapshot snapshot;
	const struct moment now = moment_now();
	json_t *list = json_array();
	int failed = 0;

	policy_snapshot_get(status_policies(status), &snapshot);
	for (size_t i = 0; i < known->n_items; i++)
		failed |= json_array_append_new(
			list, grant_json(&known->items[i], &now, snapshot.grants));
	policy_snapshot_put(&snapshot);
	grants_unref(known);
	failed |= json_object_set_new(document, "grants", list);
	return failed ? -ENOMEM : 0;
}
