/* SPDX-License-Identifier: Apache-2.0 */
/* From a verdict to the record that is written of it. */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fuse/guard-internal.h"
#include "fuse/log.h"
#include "fuse/moment.h"
#include "fuse/util.h"

/* The path as users see it: the mount point, then the path in the share. */
static const char *full_path(const struct guard *guard, const char *path,
			     char buffer[static FULL_PATH_MAX])
{
	size_t prefix = strlen(guard->parts.mountpoint);

	if (!path)
		return NULL;
	memcpy(buffer, guard->parts.mountpoint, prefix);
	strcpy(buffer + prefix, strcmp(path, "/") == 0 ? "" : path);
	return buffer;
}

/* One rename is one record, whatever it takes; all else is named as it is decided. */
static const char *operation_word(const struct action *action)
{
	if (action->to_operation == OPERATION_LINK)
		return "link";
	if (action->to_operation == OPERATION_PROMOTE)
		return "promote";
	switch (action->operation) {
	case OPERATION_RENAME_FROM:
	case OPERATION_RENAME_EXCHANGE:
	case OPERATION_MOVE_OUT:
		return "rename";
	default:
		return operation_rule(action->operation)->name;
	}
}

static void fill_details(struct record *record, const struct action *action)
{
	static const struct {
		unsigned detail, field;
	} fields[] = {
		{ ACTION_HAS_OFLAG, RECORD_OFLAG }, { ACTION_HAS_MODE, RECORD_MODE },
		{ ACTION_HAS_RANGE, RECORD_RANGE }, { ACTION_HAS_SIZE, RECORD_SIZE },
		{ ACTION_HAS_OWNER, RECORD_OWNER },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (action->has & fields[i].detail)
			record->present |= fields[i].field;
	record->oflag = action->oflag;
	record->mode = action->mode;
	record->off = action->off;
	record->len = action->len;
	record->size = action->size;
	record->new_uid = action->new_uid;
	record->new_gid = action->new_gid;
	record->xattr = action->xattr;
	record->digest = action->digest;
	record->approvals = action->approvals;
	record->io = action->io;
	if (action->on.exists) {
		record->present |= RECORD_INO;
		record->ino = action->on.ino;
		record->dev_major = gnu_dev_major(action->on.dev);
		record->dev_minor = gnu_dev_minor(action->on.dev);
	}
}

int guard_record(struct guard *guard, const struct statement *statement, uint64_t *seqno)
{
	const struct action *action = statement->action;
	const struct verdict *verdict = statement->verdict;
	const struct question *question = statement->question;
	struct write_run *run = action->authority ? action->authority->run : NULL;
	char on[FULL_PATH_MAX], to[FULL_PATH_MAX];
	struct record record = {
		.kind = RECORD_DECISION,
		.success = statement->error == 0,
		.present = RECORD_PERM | RECORD_GEN,
		.op = operation_word(action),
		.actor = &question->caller->actor,
		.perm = operation_rule(action->operation)->perm,
		.path = full_path(guard, statement->on_path, on),
		.new_path = action->link_target
				    ? action->link_target
				    : full_path(guard, statement->to_path, to),
		.note = statement->note ? statement->note : action->note,
		.role = verdict->role ? verdict->role->name : NULL,
		.zone = verdict->zone ? verdict->zone->name : NULL,
		.rule_file = question->snapshot.policy->name,
		.rule_line = verdict->line,
		.gen = question->snapshot.generation,
		.seqno = *seqno,
		.reason = statement->reason,
	};
	int r;

	fill_details(&record, action);
	if (action->page_write && !record.note)
		record.note = "page-write";
	/* Without it, nobody could tell where the file that was called name= is now. */
	if (action->operation == OPERATION_RENAME_EXCHANGE && !record.note)
		record.note = "exchange";
	if (action->authority && question->caller->subject.uid != question->uid)
		record.opener = action->authority->opener->actor.acct;
	if (statement->error) {
		record.present |= RECORD_ERRNO;
		record.err = statement->error;
		if (!record.reason)
			record.reason = denial_reason_name(verdict->reason);
	}
	if (statement->ret_part && write_run_join(run, &record)) {
		*statement->ret_part = WRITE_JOINED;
		return 0;
	}
	guard_run_flush(run); /* what was done before is recorded before */
	if (statement->may_repeat && repeats_count(guard->repeats, &record))
		return 0;
	r = audit_record(guard->parts.audit, &record);
	*seqno = record.seqno;
	if (r == 0 && statement->ret_part && write_run_begin(run, &record))
		*statement->ret_part = WRITE_FIRST;
	return r;
}

static int record_life(struct guard *guard, const char *op, const char *reason)
{
	struct record record = {
		.kind = RECORD_LIFECYCLE,
		.success = true,
		.op = op,
		.path = guard->parts.mountpoint,
		.reason = reason,
	};

	return audit_record(guard->parts.audit, &record);
}

static int record_policy(struct guard *guard, const struct policy_snapshot *snapshot,
			 const char *old_hash, const char *refused)
{
	struct record record = {
		.kind = RECORD_CONFIG,
		.success = !refused,
		.present = RECORD_GEN,
		.op = old_hash || refused ? "policy-reload" : "policy-load",
		.path = snapshot->policy->file,
		.hash = snapshot->policy->hash,
		.old_hash = old_hash,
		.gen = snapshot->generation,
		.reason = refused,
	};

	return audit_record(guard->parts.audit, &record);
}

int guard_record_start(struct guard *guard)
{
	struct policy_snapshot snapshot;
	int r;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	r = record_policy(guard, &snapshot, NULL, NULL);
	if (r == 0)
		r = guard_record_grants(guard, &snapshot, snapshot.grants);
	if (r == 0)
		r = record_life(guard, "start", NULL);
	policy_snapshot_put(&snapshot);
	return r;
}

int guard_record_end(struct guard *guard, const char *reason)
{
	repeats_settle(guard->repeats);
	runs_settle(guard->runs);
	return record_life(guard, "end", reason);
}

/* Stricter from before the new policy is in force, laxer from after. */
static uint64_t put_in_force(struct guard *guard, struct policy_candidate *candidate,
			     struct grants *valid)
{
	bool allow = candidate->tally->policy->audit_failure == AUDIT_FAILURE_ALLOW;
	uint64_t generation;

	if (!allow)
		audit_set_failure_allowed(guard->parts.audit, false);
	generation = policy_store_replace(guard->parts.policies, candidate, valid);
	audit_set_failure_allowed(guard->parts.audit, allow);
	return generation;
}

/* The records of the new policy and its grants come before they decide anything (I1). */
static int record_candidate(struct guard *guard, const struct policy_snapshot *old,
			    const struct policy_candidate *candidate,
			    struct grants *valid)
{
	const struct policy_snapshot next = { candidate->tally->policy,
					      old->generation + 1, candidate->tally,
					      valid };
	int r = valid ? record_policy(guard, &next, old->policy->hash, NULL) : -ENOMEM;

	if (r < 0)
		return r;
	r = guard_record_grants(guard, &next, valid);
	if (r < 0) /* the first record was not true */
		record_policy(guard, old, NULL,
			      "its grants cannot be recorded; the old policy stays");
	return r;
}

int guard_reload(struct guard *guard, struct complaints *complaints)
{
	_cleanup_(policy_candidate_fini) struct policy_candidate candidate = { 0 };
	_cleanup_(grants_unrefp) struct grants *known = NULL, *valid = NULL;
	const struct moment now = moment_now();
	struct policy_snapshot old;
	uint64_t generation;
	int r;

	policy_snapshot_get(guard->parts.policies, &old);
	r = policy_store_load(guard->parts.policies, complaints, &candidate);
	if (r < 0) {
		log_error("the policy was refused, keeping policy generation %llu",
			  (unsigned long long)old.generation);
		record_policy(guard, &old, NULL, "refused; the old policy stays");
		policy_snapshot_put(&old);
		return r;
	}
	valid = grants_select(candidate.grants, &now);
	r = record_candidate(guard, &old, &candidate, valid);
	if (r == 0) {
		known = grants_ref(candidate.grants);
		generation = put_in_force(guard, &candidate, take_ptr(valid));
		runs_flush(guard->runs); /* they were decided by the old one */
		guard_record_ends(guard, known, &now);
		log_info("policy generation %llu is in force",
			 (unsigned long long)generation);
	} else {
		log_error("the new policy cannot be recorded, keeping generation %llu",
			  (unsigned long long)old.generation);
	}
	policy_snapshot_put(&old);
	return r;
}
