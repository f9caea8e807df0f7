/* SPDX-License-Identifier: Apache-2.0 */
/* The gate. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fuse/guard-internal.h"
#include "fuse/refusal.h"
#include "fuse/util.h"

/* What is recorded although it was allowed (DESIGN, I1); a denial always is. Looking is
 * not: names, attributes, listings and questions put with access(2) have no effect. */
static const bool recorded_when_allowed[N_OPERATIONS] = {
	[OPERATION_OPEN_READ] = true,
	[OPERATION_OPEN_WRITE] = true,
	[OPERATION_OPEN_READ_WRITE] = true,
	[OPERATION_WRITE] = true,
	[OPERATION_TRUNCATE] = true,
	[OPERATION_FALLOCATE] = true,
	[OPERATION_CREATE] = true,
	[OPERATION_MKDIR] = true,
	[OPERATION_MKNOD] = true,
	[OPERATION_SYMLINK] = true,
	[OPERATION_LINK] = true,
	[OPERATION_UNLINK] = true,
	[OPERATION_RMDIR] = true,
	[OPERATION_RENAME_FROM] = true,
	[OPERATION_RENAME_EXCHANGE] = true,
	[OPERATION_MOVE_OUT] = true,
	[OPERATION_CHMOD] = true,
	[OPERATION_CHOWN] = true,
	[OPERATION_CHGRP_OWN] = true,
	[OPERATION_UTIMES] = true,
	[OPERATION_TOUCH] = true,
	[OPERATION_SETXATTR] = true,
	[OPERATION_REMOVEXATTR] = true,
	[OPERATION_SET_ACL] = true,
	[OPERATION_SET_FLAGS] = true,
	[OPERATION_APPROVE] = true,
	[OPERATION_UNAPPROVE] = true,
	[OPERATION_HOLD] = true,
	[OPERATION_RELEASE] = true,
};

int guard_new(const struct guard_parts *parts, struct guard **ret)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	int r;

	if (!guard)
		return -ENOMEM;
	guard->parts = *parts;
	pthread_mutex_init(&guard->second_looks_lock, NULL);
	r = caller_cache_new(&guard->callers);
	if (r == 0)
		r = repeats_new(parts->audit, &guard->repeats);
	if (r == 0)
		r = runs_new(parts->audit, &guard->runs);
	if (r == 0)
		r = ledger_new(&guard->ledger);
	if (r < 0) {
		guard_free(guard);
		return r;
	}
	node_table_set_placer(parts->nodes, guard_place_of, guard);
	*ret = guard;
	return 0;
}

struct guard *guard_free(struct guard *guard)
{
	if (guard) {
		repeats_free(guard->repeats);
		runs_free(guard->runs);
		ledger_free(guard->ledger);
		caller_cache_free(guard->callers);
	}
	free(guard);
	return NULL;
}

/* Who is put on record: the caller as it is now. Nobody asks for the pages of a mapping
 * that the kernel writes back: the opener of the file did it. */
static int question_identify(struct guard *guard, const struct asker *asker,
			     const struct action *action, struct question *question)
{
	struct caller *caller;
	int r;

	if (action->page_write)
		caller = caller_ref(action->authority->opener);
	else if ((r = caller_get_for_record(guard->callers, asker, &question->snapshot,
					    &caller)) < 0)
		return r;
	caller_unref(question->caller);
	question->caller = caller;
	return 0;
}

int question_init(struct guard *guard, const struct asker *asker,
		  const struct authority *authority, struct question *ret)
{
	int r;

	*ret = (struct question){ 0 };
	policy_snapshot_get(guard->parts.policies, &ret->snapshot);
	if (authority) {
		caller_roles(authority->opener, &ret->snapshot, &ret->roles);
		ret->uid = authority->opener->subject.uid;
		return 0;
	}
	r = caller_get(guard->callers, asker, &ret->snapshot, &ret->caller);
	if (r < 0) {
		policy_snapshot_put(&ret->snapshot);
		return r;
	}
	caller_roles(ret->caller, &ret->snapshot, &ret->roles);
	ret->uid = ret->caller->subject.uid;
	return 0;
}

void question_fini(struct question *question)
{
	question->caller = caller_unref(question->caller);
	policy_snapshot_put(&question->snapshot);
}

int guard_caller(struct guard *guard, const struct asker *asker, struct caller **ret)
{
	struct question question;
	int r = question_init(guard, asker, NULL, &question);

	if (r < 0)
		return r;
	*ret = caller_ref(question.caller);
	question_fini(&question);
	return 0;
}

/* The root of the mount can be looked at by everyone: its name belongs to the file system
 * around it, and df(1), mount(8) and shells look at it. Whoever walks a path is decided
 * there, at each name; only those look at an inode itself who have it already, and of an
 * open file they may know what fstat(2) tells, as anywhere. */
static bool is_always_seen(enum operation operation, const struct target *target)
{
	return operation == OPERATION_LOOKUP && target->node &&
	       (target->node->id == NODE_ROOT || target->is_open);
}

bool guard_is_creators(const struct action *action, const struct zone *zone)
{
	const char *made_in =
		action->authority ? action->authority->made_in : action->made_in;

	return zone && made_in && strcmp(made_in, zone->name) == 0;
}

static void decide(const struct question *question, const struct action *action,
		   enum operation operation, const struct target *target,
		   const char *path, struct verdict *ret)
{
	const struct policy *policy = question->snapshot.policy;
	const struct zone *zone = place_zone(&question->snapshot, target->place);
	bool owns = target->exists && target->owner == question->uid;

	policy_decide(policy, &question->roles, zone, operation, owns, time(NULL), ret);
	if (ret->decision == DECISION_ALLOWED)
		return;
	if (is_always_seen(operation, target) ||
	    (operation_walks(operation) && (target->place & PLACE_ZONES_BELOW) &&
	     policy_leads_to_listed(policy, &question->roles, path)))
		ret->decision = DECISION_ALLOWED;
	else if (guard_is_creators(action, zone))
		policy_decide(policy, &question->roles, zone, OPERATION_CREATE, owns,
			      time(NULL), ret);
}

static bool would_allow(struct guard *guard, const struct question *question,
			const struct action *action, enum operation operation,
			struct target *target)
{
	struct verdict verdict = { 0 };
	char buffer[NODE_PATH_MAX];
	char *path;

	if (guard_locate(guard, &question->snapshot, action, target, buffer, &path) == 0)
		decide(question, action, operation, target, path, &verdict);
	return verdict.decision == DECISION_ALLOWED;
}

bool guard_would_allow(struct guard *guard, const struct asker *asker,
		       struct action *action)
{
	struct question question;
	bool allowed;

	if (question_init(guard, asker, action->authority, &question) < 0)
		return false;
	allowed =
		would_allow(guard, &question, action, action->operation, &action->on) &&
		(!action->to_operation || would_allow(guard, &question, action,
						      action->to_operation, &action->to));
	question_fini(&question);
	return allowed;
}

/* audit-writes = ranges: a write may be recorded with those before it through the handle.
 */
static bool may_join(const struct action *action, const struct question *question)
{
	return question->snapshot.policy->audit_writes == AUDIT_WRITES_RANGES &&
	       action->may_join && action->authority->run;
}

/* What status shows of a decision. */
static void count_denial(struct guard *guard)
{
	atomic_fetch_add_explicit(&guard->n_denied, 1, memory_order_relaxed);
}

static void count(struct guard *guard, const struct question *question,
		  const struct verdict *verdict)
{
	tally_count(question->snapshot.tally, verdict);
	if (verdict->decision != DECISION_ALLOWED)
		count_denial(guard);
}

/* Decides both targets, then records once. `refusal` is what is refused although all of
 * it may be granted. */
struct refusal {
	int error; /* positive; 0: none */
	const char *reason;
};

static const char *seal_reason(const struct question *question,
			       const struct action *action, char *buffer)
{
	const char *reason = guard_seal_reason(question, action, action->operation,
					       &action->on, buffer);

	if (!reason && action->to_operation)
		reason = guard_seal_reason(question, action, action->to_operation,
					   &action->to, buffer);
	return reason;
}

static int judge(struct guard *guard, const struct asker *asker, struct action *action,
		 const struct refusal *refusal)
{
	char on_buffer[NODE_PATH_MAX], to_buffer[NODE_PATH_MAX];
	char *on_path, *to_path = NULL, seal_buffer[SEAL_REASON_MAX];
	struct question question;
	struct verdict verdict = { 0 };
	struct statement statement = { .question = &question,
				       .action = action,
				       .verdict = &verdict };
	enum operation denied = action->operation;
	bool second_look;
	int r;

	r = question_init(guard, asker, action->authority, &question);
	if (r < 0)
		return r;
	r = guard_locate(guard, &question.snapshot, action, &action->on, on_buffer,
			 &on_path);
	if (r == 0 && action->to_operation)
		r = guard_locate(guard, &question.snapshot, action, &action->to,
				 to_buffer, &to_path);
	if (r < 0)
		goto finish;

	decide(&question, action, action->operation, &action->on, on_path, &verdict);
	if (verdict.decision == DECISION_ALLOWED && action->to_operation) {
		count(guard, &question, &verdict);
		denied = action->to_operation;
		decide(&question, action, action->to_operation, &action->to, to_path,
		       &verdict);
	}
	statement.on_path = on_path;
	statement.to_path = to_path;
	if (verdict.decision != DECISION_ALLOWED) {
		statement.error = operation_rule(denied)->denial_errno;
	} else if (refusal && refusal->error) {
		statement.error = refusal->error;
		statement.reason = refusal->reason;
	} else if ((statement.reason = seal_reason(&question, action, seal_buffer))) {
		statement.error = EPERM;
	} else {
		statement.reason = action->reason;
	}
	statement.may_repeat = statement.error != 0;
	if (!statement.error && may_join(action, &question))
		statement.ret_part = &action->part;
	second_look = statement.error && guard_is_second_look(guard, asker, action);
	if (!second_look)
		count(guard, &question, &verdict);
	if (statement.error ? !second_look : recorded_when_allowed[action->operation]) {
		r = question_identify(guard, asker, action, &question);
		if (r == 0)
			r = guard_record(guard, &statement, &action->seqno);
	}
	if (r == 0)
		r = -statement.error;
finish:
	question_fini(&question);
	return r;
}

int guard_allow(struct guard *guard, const struct asker *asker, struct action *action)
{
	return judge(guard, asker, action, NULL);
}

int guard_refuse(struct guard *guard, const struct asker *asker, struct action *action,
		 int error, const char *reason)
{
	int r = judge(guard, asker, action, &(struct refusal){ error, reason });

	return r < 0 ? r : -error;
}

/* The second record of an effect: it has the number of the first. */
static void record_outcome(struct guard *guard, const struct asker *asker,
			   struct action *action, struct statement *statement)
{
	char on_buffer[NODE_PATH_MAX], to_buffer[NODE_PATH_MAX];
	char *on_path, *to_path = NULL;
	struct verdict verdict = { 0 };
	struct question question;

	if (question_init(guard, asker, action->authority, &question) < 0)
		return;
	if (question_identify(guard, asker, action, &question) == 0 &&
	    guard_locate(guard, &question.snapshot, action, &action->on, on_buffer,
			 &on_path) == 0 &&
	    (!action->to_operation ||
	     guard_locate(guard, &question.snapshot, action, &action->to, to_buffer,
			  &to_path) == 0)) {
		decide(&question, action, action->operation, &action->on, on_path,
		       &verdict);
		statement->question = &question;
		statement->action = action;
		statement->verdict = &verdict;
		statement->on_path = on_path;
		statement->to_path = to_path;
		guard_record(guard, statement, &action->seqno);
	}
	question_fini(&question);
}

static bool modes_count_on(struct guard *guard, const struct target *target)
{
	struct node *node = target->node ? target->node : target->dir;

	return node && guard_modes_count(guard, node);
}

/* Whether an error is the answer of the source's modes and ACLs. */
static bool is_denial_by_modes(struct guard *guard, const struct action *action,
			       int result)
{
	return (result == -EACCES || result == -EPERM) &&
	       (modes_count_on(guard, &action->on) || modes_count_on(guard, &action->to));
}

int guard_settle(struct guard *guard, const struct asker *asker,
		 const struct action *action, int result)
{
	bool by_modes = is_denial_by_modes(guard, action, result);
	bool is_of_effect = action->seqno != 0 || action->part == WRITE_JOINED;
	struct action failed = *action;
	struct statement statement = {
		.error = -result,
		.reason = by_modes ? REFUSAL_BY_MODES : "allowed, but it failed",
		.note = is_of_effect ? "effect-failed" : NULL,
		.may_repeat = !is_of_effect,
	};

	/* What is not recorded when it is allowed has no record yet. */
	if (result < 0 &&
	    (is_of_effect || (by_modes && !guard_is_second_look(guard, asker, action)))) {
		if (by_modes)
			count_denial(guard);
		record_outcome(guard, asker, &failed, &statement);
	}
	return result;
}

static void settle_short(struct guard *guard, const struct asker *asker,
			 const struct action *action, uint64_t length)
{
	struct action done = *action;

	done.len = length;
	if (action->seqno != 0)
		record_outcome(guard, asker, &done,
			       &(struct statement){ .note = "short" });
}

int guard_settle_length(struct guard *guard, const struct asker *asker,
			const struct action *action, ssize_t result)
{
	if (action->part != WRITE_ALONE)
		write_run_settle(action->authority->run, action->part, action->len,
				 result);
	if (result < 0)
		return guard_settle(guard, asker, action, (int)result);
	if ((uint64_t)result < action->len)
		settle_short(guard, asker, action, (uint64_t)result);
	return 0;
}
