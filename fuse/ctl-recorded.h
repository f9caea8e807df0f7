/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain --record: a decision of the past, found in the trail. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fuse/trail-filter.h"
#include "fuse/trail.h"

struct recorded {
	struct record *record; /* NULL: there is none */
	enum trail_outcome outcome;
	char *node;
	bool is_decision;
	uint64_t n_others; /* earlier ones of the same number */
	/* What the trail has of its guard; NULL: nothing any more. */
	char *mountpoint;
	char *policy_file;
	char hash[65]; /* of the policy of the record's generation; "" if not there */
};

/* Finds the latest record of a number, at or below a mount point (NULL: any). Returns
 * CTL_OK, also if there is none, or CTL_FAILED, having said why. recorded_fini() in any
 * case. */
int recorded_find(const char *input, const struct trail_filter *times, uint64_t seqno,
		  const char *mount, struct recorded *ret);
void recorded_fini(struct recorded *recorded);
