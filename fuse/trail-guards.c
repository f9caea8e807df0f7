/* SPDX-License-Identifier: Apache-2.0 */
/* Which start of which guard a record is of, and which of its numbers have been seen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/hash.h"
#include "fuse/trail-guards.h"

/* Machines with more guards than this at once, in one log, are not expected; forged pids
 * must not take all memory. */
#define GUARDS_MAX 64

/* A guard sends again what it holds in 16 MiB (audit-auditd.c): no record has under 256
 * bytes, so a copy comes at most so many records after the first. */
#define SEEN_MAX (1 << 16)

struct trail_seen {
	struct {
		uint64_t seqno, len;
		bool first, correction; /* which records of this number */
	} of[SEEN_MAX];
};

struct trail_guards {
	struct trail_guard items[GUARDS_MAX];
	size_t n_items;
	uint64_t clock;
	uint64_t n_missing; /* of the runs that are over */
};

struct trail_guards *trail_guards_new(void)
{
	return calloc(1, sizeof(struct trail_guards));
}

static uint64_t missing(const struct trail_guard *guard)
{
	uint64_t range = guard->n_seen > 0 ? guard->highest - guard->lowest + 1 : 0;

	return range > guard->n_seen ? range - guard->n_seen : 0;
}

uint64_t trail_guards_missing(const struct trail_guards *guards)
{
	uint64_t n = guards->n_missing;

	for (size_t i = 0; i < guards->n_items; i++)
		n += missing(&guards->items[i]);
	return n;
}

static void guard_fini(struct trail_guard *guard)
{
	free(guard->seen);
	trail_parts_fini(&guard->parts);
	*guard = (struct trail_guard){ 0 };
}

void trail_guards_reset(struct trail_guards *guards)
{
	for (size_t i = 0; i < guards->n_items; i++)
		guard_fini(&guards->items[i]);
	*guards = (struct trail_guards){ 0 };
}

void trail_guards_drop_parts(struct trail_guards *guards, uint64_t *dropped)
{
	for (size_t i = 0; i < guards->n_items; i++)
		trail_parts_drop(&guards->items[i].parts, dropped);
}

struct trail_guards *trail_guards_free(struct trail_guards *guards)
{
	if (guards)
		trail_guards_reset(guards);
	free(guards);
	return NULL;
}

static struct trail_guard *find(struct trail_guards *guards,
				const struct trail_draft *draft)
{
	for (size_t i = 0; i < guards->n_items; i++) {
		struct trail_guard *guard = &guards->items[i];

		if (guard->pid == draft->guard_pid &&
		    strcmp(guard->node, draft->node) == 0)
			return guard;
	}
	return NULL;
}

/* A free place, or that of the guard that has been silent for longest. */
static struct trail_guard *place(struct trail_guards *guards)
{
	struct trail_guard *oldest = &guards->items[0];

	if (guards->n_items < GUARDS_MAX)
		return &guards->items[guards->n_items++];
	for (size_t i = 1; i < guards->n_items; i++)
		if (guards->items[i].used < oldest->used)
			oldest = &guards->items[i];
	guards->n_missing += missing(oldest);
	guard_fini(oldest);
	return oldest;
}

/* Number 1 is that of the policy, which a guard records before it serves anybody. A copy
 * of it begins nothing. */
static bool begins_a_run(const struct trail_draft *draft)
{
	const struct record *record = &draft->event.record;

	return record->seqno == 1 && record->kind == RECORD_CONFIG && !draft->resent &&
	       draft->part <= 1;
}

/* Who, and since when: what any pass over any part of the trail can tell. */
static uint64_t run_of(const struct trail_draft *draft)
{
	const struct timespec *time = &draft->event.record.time;
	uint64_t begin[] = { draft->guard_pid, 0, 0 };

	if (begins_a_run(draft)) {
		begin[1] = (uint64_t)time->tv_sec;
		begin[2] = (uint64_t)time->tv_nsec;
	}
	return hash_bytes(hash_bytes(0, begin, sizeof(begin)), draft->node,
			  strlen(draft->node));
}

static int begin_run(struct trail_guards *guards, struct trail_guard *guard,
		     const struct trail_draft *draft)
{
	guards->n_missing += missing(guard);
	guard->lowest = guard->highest = guard->n_seen = 0;
	if (!guard->seen)
		guard->seen = malloc(sizeof(*guard->seen));
	if (!guard->seen)
		return -ENOMEM;
	memset(guard->seen, 0, sizeof(*guard->seen));
	guard->run = run_of(draft);
	return 0;
}

struct trail_guard *trail_guard_of(struct trail_guards *guards,
				   const struct trail_draft *draft)
{
	struct trail_guard *guard = find(guards, draft);

	if (!guard) {
		guard = place(guards);
		guard->pid = draft->guard_pid;
		strcpy(guard->node, draft->node);
	}
	if ((!guard->seen || begins_a_run(draft)) && begin_run(guards, guard, draft) < 0)
		return NULL;
	guard->used = ++guards->clock;
	return guard;
}

static void count_number(struct trail_guard *guard, uint64_t seqno)
{
	if (guard->n_seen == 0 || seqno < guard->lowest)
		guard->lowest = seqno;
	if (seqno > guard->highest)
		guard->highest = seqno;
	guard->n_seen++;
}

enum trail_novelty trail_guard_see(struct trail_guard *guard,
				   const struct trail_draft *draft, bool corrects,
				   uint64_t *ret_planned)
{
	uint64_t seqno = draft->event.record.seqno;
	typeof(&guard->seen->of[0]) seen = &guard->seen->of[seqno % SEEN_MAX];
	bool *flag = corrects ? &seen->correction : &seen->first;

	*ret_planned = 0;
	if (seqno == 0)
		return TRAIL_NEW;
	if (seen->seqno != seqno) {
		memset(seen, 0, sizeof(*seen));
		seen->seqno = seqno;
	}
	if (corrects)
		*ret_planned = seen->len;
	else
		seen->len = draft->event.record.len;
	if (*flag && draft->resent)
		return TRAIL_COPY;
	if (!seen->first && !seen->correction)
		count_number(guard, seqno);
	*flag = true;
	return TRAIL_NEW;
}
