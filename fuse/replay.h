/* SPDX-License-Identifier: Apache-2.0 */
/* The decisions of the past, decided again under a candidate policy. */
#pragma once

#include "fuse/replay-rows.h"
#include "fuse/trail-filter.h"
#include "fuse/trail.h"

#define REPLAY_OLD_MAX	   16 /* policies of the past */
#define REPLAY_MISSING_MAX 16 /* hashes that are told of those that are not at hand */

/* What is asked; all of it is borrowed. */
struct replay_question {
	const struct policy *candidate;
	const struct policy *old[REPLAY_OLD_MAX]; /* that were, or may have been, in force
						   */
	size_t n_old;
	const char *mountpoint; /* of the share; NULL: of the only one in the trail */
	/* Where guards are mounted now, for records whose start the trail does not have.
	 */
	const char *const *mounted;
	size_t n_mounted;
	struct trail_filter filter; /* its times only */
};

/* A policy that was in force and is not at hand. */
struct replay_missing {
	char hash[65]; /* "": the trail does not tell */
	uint64_t n_untold;
};

struct replay_answer {
	struct replay_rows rows; /* without REPLAY_SAME */
	uint64_t n_decisions, n_results[N_REPLAY_RESULTS], n_doubts[N_DOUBTS];
	uint64_t n_elsewhere;  /* of other shares than --mount */
	uint64_t n_unrecorded; /* gaps: happened without a record */
	uint64_t n_refused;    /* gaps: refused, so that nothing is known of them */
	struct replay_missing missing[REPLAY_MISSING_MAX];
	size_t n_missing;
	struct timespec first, last;
	char *mountpoint, *other_mountpoint; /* of records, if there are two of them */
};

struct replay;

/* NULL without memory. The question outlives the replay. */
struct replay *replay_new(const struct replay_question *question);
struct replay *replay_free(struct replay *replay);

static inline void replay_freep(struct replay **replay)
{
	*replay = replay_free(*replay);
}

/* Each event of the trail, whatever its time. 0; -ENOMEM; -EXDEV if it is of another
 * share than those before and none was asked for: see other_mountpoint. */
int replay_add(struct replay *replay, const struct trail_event *event);

/* After the last event: sorted. Lives as long as the replay. */
const struct replay_answer *replay_answer(struct replay *replay);
