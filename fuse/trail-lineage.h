/* SPDX-License-Identifier: Apache-2.0 */
/* The names that one file had, followed through renames and links, both ways. */
#pragma once

#include <stdbool.h>

#include "fuse/trail.h"

struct lineage;

/* NULL without memory. */
struct lineage *lineage_new(void);
struct lineage *lineage_free(struct lineage *lineage);

static inline void lineage_freep(struct lineage **lineage)
{
	*lineage = lineage_free(*lineage);
}

/* First pass: notes what an event did to names. 0 or -ENOMEM. */
int lineage_note(struct lineage *lineage, const struct trail_event *event);

/* After it: follows whatever had the name `path` at any time to the names that it had
 * before and after. 0 or -ENOMEM. */
int lineage_trace(struct lineage *lineage, const char *path);

/* Second pass: whether an event is about it: at, or below, a name that it had then. */
bool lineage_has(const struct lineage *lineage, const struct trail_event *event);
