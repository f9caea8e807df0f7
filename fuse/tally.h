/* SPDX-License-Identifier: Apache-2.0 */
/* How often each line of a policy has decided: counted while it is in force. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "config/decide.h"
#include "config/policy.h"

struct line_tally {
	_Atomic uint64_t n_allowed, n_denied;
};

struct tally {
	unsigned n_refs;       /* atomic */
	struct policy *policy; /* a reference */
	unsigned n_lines;
	struct line_tally lines[]; /* [0] is what no line decided */
};

/* References the policy. NULL: no memory. */
struct tally *tally_new(struct policy *policy);
struct tally *tally_ref(struct tally *tally);
struct tally *tally_unref(struct tally *tally);

/* Counts a verdict of its policy at the line that it names: one atomic addition
 * at most. What is allowed only because it leads elsewhere is decided by no line. */
static inline void tally_count(struct tally *tally, const struct verdict *verdict)
{
	struct line_tally *line =
		&tally->lines[verdict->line < tally->n_lines ? verdict->line : 0];

	if (verdict->decision != DECISION_ALLOWED)
		atomic_fetch_add_explicit(&line->n_denied, 1, memory_order_relaxed);
	else if (verdict->reason == DENIAL_NONE)
		atomic_fetch_add_explicit(&line->n_allowed, 1, memory_order_relaxed);
}
