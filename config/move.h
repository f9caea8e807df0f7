/* SPDX-License-Identifier: Apache-2.0 */
/* What a rename or a link takes by the zones of both names, and when it must copy. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/operation.h"

/* Why mv(1) or ln(1) must copy instead, although all of it may be granted. */
enum copy_reason {
	COPY_NOT_NEEDED,
	COPY_MODES,	    /* `modes = owner` on one side only */
	COPY_HOLDS_ZONE,    /* a directory that holds another zone, or may */
	COPY_DIRECTORY,	    /* a directory would change its zone */
	COPY_EXCHANGE,	    /* an exchange across zones */
	COPY_FURTHER_NAMES, /* further names of the file stay in the other zone */
	COPY_LINK,	    /* a link into another zone */
	N_COPY_REASONS,
};

struct move_facts {
	bool same_zone;
	bool zones_below;  /* of either name */
	bool modes_differ; /* of the zones of the two directories */
	bool moves_dir;	   /* either side of an exchange counts */
	bool exchange;
	bool further_names; /* hard links */
};

/* A rename or link may never widen what anyone may do to a file (policy.ini(5)). */
enum copy_reason move_copy_reason(const struct move_facts *facts);

/* The operation that a rename is for its old name. */
enum operation move_operation(const struct move_facts *facts);

/* One phrase, as in records; static storage. NULL of COPY_NOT_NEEDED. */
const char *copy_reason_name(enum copy_reason reason);
