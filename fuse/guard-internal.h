/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the gate share; nobody else includes it. */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <time.h>

#include "fuse/audit.h"
#include "fuse/guard.h"
#include "fuse/place.h"
#include "fuse/policy-store.h"
#include "fuse/record.h"

#define N_SECOND_LOOKS 256

/* A look-up that was denied and recorded, and that the kernel is about to repeat. */
struct second_look {
	uint64_t key; /* of caller, directory and name; 0: none */
	struct timespec denied_at;
};

struct ledger;
struct repeats;
struct runs;

struct guard {
	struct guard_parts parts;
	struct caller_cache *callers;
	struct repeats *repeats;
	struct runs *runs;
	struct ledger *ledger;		   /* of whoever reloads */
	_Atomic uint64_t n_denied;	   /* for status */
	pthread_mutex_t second_looks_lock; /* nothing is taken below it */
	struct second_look second_looks[N_SECOND_LOOKS];
};

/* Everything one decision is made from; guard_question_fini() releases it. */
struct question {
	struct policy_snapshot snapshot;
	struct caller *caller; /* who asks now: the actor of the record. NULL until it is
				needed, where an open handle is what decides */
	struct role_set roles; /* by which it is decided: the caller's, or an opener's */
	uid_t uid;	       /* who must own what -own verbs are about */
};

int question_init(struct guard *guard, const struct asker *asker,
		  const struct authority *authority, struct question *ret);
void question_fini(struct question *question);

/* Whether the verbs suffice for an action, both targets, without a record: to save the
 * work that comes before the decision. */
bool guard_would_allow(struct guard *guard, const struct asker *asker,
		       struct action *action);

#define SEAL_REASON_MAX (HOLD_REASON_MAX + 64)

/* Why a write-once zone refuses an operation that is granted, or NULL: guard-seal.c. */
const char *guard_seal_reason(const struct question *question,
			      const struct action *action, enum operation operation,
			      const struct target *target,
			      char buffer[static SEAL_REASON_MAX]);

/* Who made a file may go on writing to it and dating it while it is open, in the zone
 * where it was made (DESIGN, 4): by the zone's name, which outlives a reload. */
bool guard_is_creators(const struct action *action, const struct zone *zone);

/* The place of a target of an action, and its path in the share: "/a/b". `buffer` holds
 * NODE_PATH_MAX bytes. 0 or -ENAMETOOLONG. */
int guard_locate(struct guard *guard, const struct policy_snapshot *snapshot,
		 const struct action *action, struct target *target, char *buffer,
		 char **ret_path);

/* Whether a denied action is only the kernel's second look: see guard-second-look.c. */
bool guard_is_second_look(struct guard *guard, const struct asker *asker,
			  const struct action *action);

/* For node_table_set_placer(). */
uint64_t guard_place_of(void *guard, const char *path);

uint64_t guard_node_place(struct guard *guard, const struct policy_snapshot *snapshot,
			  struct node *node);
uint64_t guard_name_place(struct guard *guard, const struct policy_snapshot *snapshot,
			  struct node *dir, const char *name);

static inline const struct zone *place_zone(const struct policy_snapshot *snapshot,
					    uint64_t place)
{
	uint64_t index = place_zone_number(place);

	return index ? &snapshot->policy->zones[index - 1] : NULL;
}

/* Room for the mount point and a path below it. */
#define FULL_PATH_MAX (PATH_MAX + NODE_PATH_MAX)

/* One attempt to get a verdict on record. */
struct statement {
	const struct question *question;
	const struct action *action;
	const char *on_path, *to_path; /* in the share; to_path may be NULL */
	const struct verdict *verdict;
	int error; /* positive errno of a denial or a failed effect; 0: success */
	const char *reason; /* NULL: the verdict's */
	const char *note;   /* NULL: the action's */
	bool may_repeat;    /* a denial: from a certain number on, identical ones are
			       only counted */
	enum write_part *ret_part; /* not NULL: a write that may join those before it;
				      set to what became of it */
};

/* Writes it; *seqno is the record's number, given if it is 0: it stays 0 if it was only
 * counted, or joined a run. 0 or -EIO. */
int guard_record(struct guard *guard, const struct statement *statement, uint64_t *seqno);

/* Which grants are on record as in force: guard-grants.c. 0 or -ENOMEM. */
int ledger_new(struct ledger **ret);
struct ledger *ledger_free(struct ledger *ledger);

/* Records each grant that is about to come into force, by the generation of the snapshot,
 * and is not on record yet. 0, -EIO or -ENOMEM. */
int guard_record_grants(struct guard *guard, const struct policy_snapshot *snapshot,
			struct grants *begun);

/* Records how each came to an end that is on record and counts no longer; `known` is what
 * the file says of it. False: some have to wait. */
bool guard_record_ends(struct guard *guard, struct grants *known,
		       const struct moment *now);

/* Counts denials that are identical to some that were just recorded, and records their
 * number from a thread of its own, at most a second later: guard-repeat.c. 0, -ENOMEM or
 * another -errno. */
int repeats_new(struct audit *audit, struct repeats **ret);
struct repeats *repeats_free(struct repeats *repeats);

/* Whether a denial that is about to be recorded has been counted instead. Any thread. */
bool repeats_count(struct repeats *repeats, const struct record *record);

/* Records all that is counted, now. To be called when nothing more is served. */
void repeats_settle(struct repeats *repeats);

/* Runs of contiguous writes, and a thread that ends those that get old: guard-runs.c. 0,
 * -ENOMEM or another -errno. */
int runs_new(struct audit *audit, struct runs **ret);
struct runs *runs_free(struct runs *runs);

/* Whether a write that is about to be recorded goes on where the run is: then it needs no
 * record of its own, and write_run_settle() must follow. */
bool write_run_join(struct write_run *run, const struct record *record);

/* After the record of a write was accepted: whether it is the first of a run; then
 * write_run_settle() must follow. */
bool write_run_begin(struct write_run *run, const struct record *record);

/* How a write of a run went: `result` of `length` bytes, or -errno. */
void write_run_settle(struct write_run *run, enum write_part part, uint64_t length,
		      ssize_t result);

/* Ends and records all runs that are under way. */
void runs_flush(struct runs *runs);

/* The same, and what is owed from an outage. To be called when nothing more is served. */
void runs_settle(struct runs *runs);
