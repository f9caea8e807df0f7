/* SPDX-License-Identifier: Apache-2.0 */
/* Records that come in parts, until their last part: those of several threads interleave.
 */
#pragma once

#include "fuse/trail-fields.h"

#define TRAIL_PARTS_MAX 16

struct trail_parts {
	struct trail_draft *items[TRAIL_PARTS_MAX]; /* part 0: not in use */
	unsigned next; /* which one goes first when there are too many */
};

void trail_parts_fini(struct trail_parts *parts);

/* Adds a part. Returns 1 and the whole record, which lives until the next call, 0 if more
 * must come, -EINVAL if it does not go on where its record ended, or -ENOMEM. A record
 * that will not be completed is dropped: *dropped counts. */
int trail_parts_add(struct trail_parts *parts, const struct trail_draft *part,
		    struct trail_draft **ret, uint64_t *dropped);

/* Drops what is not complete. */
void trail_parts_drop(struct trail_parts *parts, uint64_t *dropped);
