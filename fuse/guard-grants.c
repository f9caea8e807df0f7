/* SPDX-License-Identifier: Apache-2.0 */
/* Grants come into force and end: on record, by a generation of their own. */
#include <stdlib.h>
#include <string.h>

#include "fuse/guard-internal.h"
#include "fuse/log.h"
#include "fuse/moment.h"
#include "fuse/util.h"

/* A grant that is on record as in force, until its end is. */
struct lent {
	struct grants *of; /* a reference: owns the strings */
	const struct timed_grant *grant;
	uint64_t seqno; /* of the record of its end, which could not be written yet */
};

struct ledger {
	struct lent *items;
	size_t n_items;
};

int ledger_new(struct ledger **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct ledger *ledger_free(struct ledger *ledger)
{
	for (size_t i = 0; ledger && i < ledger->n_items; i++)
		grants_unref(ledger->items[i].of);
	if (ledger)
		free(ledger->items);
	free(ledger);
	return NULL;
}

static bool is_lent(const struct ledger *ledger, const struct timed_grant *grant)
{
	for (size_t i = 0; i < ledger->n_items; i++)
		if (grant_same(ledger->items[i].grant, grant))
			return true;
	return false;
}

/* How one was made, or how it came to an end. */
struct grant_event {
	const char *op, *note;
	const struct grant_person *by; /* NULL: nobody, it ended by itself */
};

/* Whoever made or revoked it did so by modelguardctl, which wrote down who that was; the
 * guard has seen neither the process nor its group. */
static struct actor actor_of(const struct grant_person *by)
{
	return (struct actor){
		.acct = by->name, .uid = by->uid, .gid = (gid_t)-1, .login_uid = by->uid
	};
}

static struct record record_of(const struct timed_grant *grant,
			       const struct grant_event *event, const struct actor *actor)
{
	return (struct record){
		.kind = RECORD_CONFIG,
		.success = true,
		.present = RECORD_GEN | RECORD_SPAN,
		.op = event->op,
		.note = event->note,
		.actor = actor,
		.grantee = grant->user.name,
		.role = grant->role_name,
		.since.tv_sec = grant->from,
		.until.tv_sec = grant->until,
		.reason = grant->reason,
	};
}

int guard_record_grants(struct guard *guard, const struct policy_snapshot *snapshot,
			struct grants *begun)
{
	_cleanup_(freep) char *file = NULL;
	struct ledger *ledger = guard->ledger;
	struct lent *items;
	int r = 0;

	if (begun->n_items == 0)
		return 0;
	file = grants_file_of(snapshot->policy->file);
	items = reallocarray(ledger->items, ledger->n_items + begun->n_items,
			     sizeof(*items));
	if (items)
		ledger->items = items;
	if (!items || !file)
		return -ENOMEM;
	for (size_t i = 0; i < begun->n_items && r == 0; i++) {
		const struct timed_grant *grant = &begun->items[i];
		const struct grant_event made = { .op = "grant", .by = &grant->by };
		const struct actor actor = actor_of(made.by);
		struct record record = record_of(grant, &made, &actor);

		if (is_lent(ledger, grant))
			continue;
		record.path = file;
		record.gen = snapshot->generation;
		r = audit_record(guard->parts.audit, &record);
		if (r == 0)
			items[ledger->n_items++] =
				(struct lent){ .of = grants_ref(begun), .grant = grant };
	}
	return r;
}

/* Why it is in force no longer, by what the file says of it now. */
static struct grant_event end_of(const struct timed_grant *grant,
				 const struct moment *now)
{
	if (!grant)
		return (struct grant_event){ .op = "grant-end", .note = "not-in-file" };
	if (grant->revoked != 0)
		return (struct grant_event){ .op = "grant-revoke",
					     .by = &grant->revoked_by };
	if (grant->fault != GRANT_SOUND && grant->fault != GRANT_OVER)
		return (struct grant_event){ .op = "grant-end", .note = "void" };
	if (now->wall < grant->from)
		return (struct grant_event){ .op = "grant-end",
					     .note = "clock-set-back" };
	return (struct grant_event){ .op = "grant-end", .note = "used-up" };
}

/* What has ended has ended, recorded or not: its record can wait. */
static bool record_end(struct guard *guard, struct lent *lent, struct grants *known,
		       const struct policy_snapshot *snapshot, const struct moment *now)
{
	_cleanup_(freep) char *file = grants_file_of(snapshot->policy->file);
	const struct grant_event end = end_of(grants_find(known, lent->grant), now);
	struct actor actor = { 0 };
	struct record record = record_of(lent->grant, &end, end.by ? &actor : NULL);

	if (end.by)
		actor = actor_of(end.by);
	record.path = file;
	record.gen = snapshot->generation;
	record.seqno = lent->seqno;
	if (audit_record_later(guard->parts.audit, &record) == 0)
		return true;
	lent->seqno = record.seqno;
	return false;
}

bool guard_record_ends(struct guard *guard, struct grants *known,
		       const struct moment *now)
{
	struct ledger *ledger = guard->ledger;
	struct policy_snapshot snapshot;
	size_t n = 0;
	bool all = true;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	for (size_t i = 0; i < ledger->n_items; i++) {
		struct lent *lent = &ledger->items[i];
		bool ended = !grants_find(snapshot.grants, lent->grant);

		if (ended && record_end(guard, lent, known, &snapshot, now)) {
			grants_unref(lent->of);
			continue;
		}
		all = all && !ended;
		ledger->items[n++] = *lent;
	}
	ledger->n_items = n;
	policy_snapshot_put(&snapshot);
	return all;
}

static bool same_members(const struct grants *one, const struct grants *other)
{
	for (size_t i = 0; i < one->n_items; i++)
		if (!grants_find(other, &one->items[i]))
			return false;
	return one->n_items == other->n_items;
}

/* Whether a record would be taken, or may be missing: to try again and again in an outage
 * would have each attempt counted. */
static bool may_record(const struct guard *guard, const struct policy_snapshot *snapshot)
{
	return snapshot->policy->audit_failure == AUDIT_FAILURE_ALLOW ||
	       audit_state(guard->parts.audit) == AUDIT_STATE_RECORDING;
}

/* What begins is put on record before it counts (I1); what cannot be waits. What ends
 * does not wait: each decision has looked at the clock anyway. Returns whether all is
 * done. */
static bool put_in_force(struct guard *guard, struct grants *valid, bool *ret_changed)
{
	struct policy_snapshot snapshot;
	struct grants *taken = valid;
	bool all = true;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	snapshot.generation++;
	*ret_changed = !same_members(valid, snapshot.grants);
	if (*ret_changed && (!may_record(guard, &snapshot) ||
			     guard_record_grants(guard, &snapshot, valid) < 0)) {
		taken = grants_keep(valid, snapshot.grants);
		all = false;
		*ret_changed = taken && !same_members(taken, snapshot.grants);
	}
	if (*ret_changed) {
		policy_store_set_grants(guard->parts.policies, grants_ref(taken));
		runs_flush(guard->runs); /* they were decided by the old ones */
		log_info("grants in force: %zu, by policy generation %llu",
			 taken->n_items, (unsigned long long)snapshot.generation);
	}
	if (taken != valid)
		grants_unref(taken);
	policy_snapshot_put(&snapshot);
	return all;
}

bool guard_review_grants(struct guard *guard, struct moment *ret_next)
{
	_cleanup_(grants_unrefp) struct grants *known =
		policy_store_grants(guard->parts.policies);
	const struct moment now = moment_now();
	_cleanup_(grants_unrefp) struct grants *valid = grants_select(known, &now);
	bool changed = false, all = valid != NULL;

	if (valid)
		all = put_in_force(guard, valid, &changed);
	all = guard_record_ends(guard, known, &now) && all;
	grants_next_change(known, &now, ret_next);
	if (!all && ret_next->wall > now.wall + 1)
		ret_next->wall = now.wall + 1;
	return changed;
}
