/* SPDX-License-Identifier: Apache-2.0 */
/* Records that come in parts, until their last part. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/trail-parts.h"

void trail_parts_fini(struct trail_parts *parts)
{
	for (unsigned i = 0; i < TRAIL_PARTS_MAX; i++) {
		if (parts->items[i])
			trail_draft_fini(parts->items[i]);
		free(parts->items[i]);
		parts->items[i] = NULL;
	}
}

static void drop(struct trail_draft *whole, uint64_t *dropped)
{
	if (whole && whole->part > 0) {
		(*dropped)++;
		whole->part = 0;
	}
}

void trail_parts_drop(struct trail_parts *parts, uint64_t *dropped)
{
	for (unsigned i = 0; i < TRAIL_PARTS_MAX; i++)
		drop(parts->items[i], dropped);
}

/* A copy that is sent again is a record of its own until it is complete. */
static struct trail_draft *find(struct trail_parts *parts, const struct trail_draft *part)
{
	for (unsigned i = 0; i < TRAIL_PARTS_MAX; i++) {
		struct trail_draft *whole = parts->items[i];

		if (whole && whole->part > 0 && whole->resent == part->resent &&
		    whole->event.record.seqno == part->event.record.seqno)
			return whole;
	}
	return NULL;
}

static struct trail_draft *begin(struct trail_parts *parts,
				 const struct trail_draft *part, uint64_t *dropped)
{
	struct trail_draft **at = &parts->items[parts->next++ % TRAIL_PARTS_MAX];
	struct trail_draft *whole = *at;

	drop(whole, dropped);
	if (!whole)
		whole = *at = calloc(1, sizeof(*whole));
	if (!whole)
		return NULL;
	trail_draft_reset(whole);
	whole->event = part->event;
	whole->event.record.actor = NULL;
	whole->resent = part->resent;
	whole->refused = part->refused;
	whole->n_parts = part->n_parts;
	whole->guard_pid = part->guard_pid;
	strcpy(whole->node, part->node);
	return whole;
}

int trail_parts_add(struct trail_parts *parts, const struct trail_draft *part,
		    struct trail_draft **ret, uint64_t *dropped)
{
	struct trail_draft *whole = find(parts, part);
	int r;

	if (whole && (part->part != whole->part + 1 || part->n_parts != whole->n_parts)) {
		drop(whole, dropped);
		whole = NULL;
	}
	if (!whole && part->part != 1)
		return -EINVAL;
	if (!whole)
		whole = begin(parts, part, dropped);
	if (!whole)
		return -ENOMEM;
	r = trail_draft_append(whole, part);
	if (r < 0)
		return r;
	whole->part = part->part;
	if (whole->part < whole->n_parts)
		return 0;
	whole->part = 0;
	*ret = whole;
	return 1;
}
