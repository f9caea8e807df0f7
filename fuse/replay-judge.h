/* SPDX-License-Identifier: Apache-2.0 */
/* A question of the past, decided by a policy: a pure function, as the guard decides. */
#pragma once

#include "fuse/replay-past.h"

/* What a record does not say. */
struct guess {
	bool owns, owns_to; /* the object; what a rename replaces */
	bool making;	    /* through the handle that made the file */
	bool moves_dir, further_names;
	enum operation to; /* of a rename: the operation on its new name */
};

#define GUESSES_MAX 48

/* What is known of whether a handle made its file. */
enum making { MAKING_UNKNOWN, MAKING_NO, MAKING_YES };

/* All guesses that the record alone does not rule out. Returns how many. */
size_t guesses_make(const struct past *past, enum making making,
		    struct guess ret[static GUESSES_MAX]);

/* Where a question's paths are by a policy. */
struct past_place {
	const struct zone *zone, *to_zone; /* NULL: in none */
	bool zones_below, modes_differ;
	bool modes_count; /* `modes = owner` in any zone that is concerned */
};

void past_find_place(const struct policy *policy, const struct past *past,
		     struct past_place *ret);

struct decided {
	bool done;	       /* granted, and nothing else refuses it */
	bool granted;	       /* by the policy */
	bool on_the_way;       /* only because it leads to a zone that may be listed */
	enum copy_reason copy; /* why a rename or link is refused */
	struct verdict verdict;
};

void past_decide(const struct policy *policy, const struct role_set *roles,
		 const struct past *past, const struct past_place *place,
		 const struct guess *guess, struct decided *ret);

/* Whether a decision by the policy that was in force is what is on record. */
bool past_is_as_recorded(const struct past *past, const struct decided *decided);
