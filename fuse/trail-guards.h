/* SPDX-License-Identifier: Apache-2.0 */
/* Which start of which guard a record is of, and which of its numbers have been seen. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fuse/trail-fields.h"
#include "fuse/trail-parts.h"

struct trail_guards;

/* One start of one guard. Its numbers begin at 1. */
struct trail_guard {
	uint64_t pid;
	uint64_t run; /* unique in the trail, the same in each pass over it */
	char node[256];
	uint64_t used; /* for which goes first when there are too many */
	struct trail_parts parts;
	struct trail_seen *seen;	  /* the last numbers */
	uint64_t lowest, highest, n_seen; /* of the numbers of this run */
};

/* NULL without memory. */
struct trail_guards *trail_guards_new(void);
struct trail_guards *trail_guards_free(struct trail_guards *guards);

/* Forgets all, for another pass. */
void trail_guards_reset(struct trail_guards *guards);

/* Drops all records of which parts are missing; *dropped counts. */
void trail_guards_drop_parts(struct trail_guards *guards, uint64_t *dropped);

/* How many numbers lie between those that were seen and were not seen themselves. */
uint64_t trail_guards_missing(const struct trail_guards *guards);

/* The guard that wrote a record; NULL without memory. */
struct trail_guard *trail_guard_of(struct trail_guards *guards,
				   const struct trail_draft *draft);

/* What has been read of a record's number. */
enum trail_novelty { TRAIL_NEW, TRAIL_COPY };

/* Notes a record as read: TRAIL_COPY if it was sent again and had arrived before. Of a
 * record that corrects another of the same number, *ret_planned is the len= of that. */
enum trail_novelty trail_guard_see(struct trail_guard *guard,
				   const struct trail_draft *draft, bool corrects,
				   uint64_t *ret_planned);
