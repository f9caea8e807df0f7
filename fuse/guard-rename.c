/* SPDX-License-Identifier: Apache-2.0 */
/* What a rename or a link takes: decided by the zones of both names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/move.h"

#include "fuse/guard-internal.h"

static bool crosses_zones(const struct target *a, const struct target *b)
{
	return !place_same_zone(a->place, b->place);
}

static struct move_facts facts_of(struct guard *guard, const struct action *action,
				  const struct rename_facts *facts)
{
	return (struct move_facts){
		.same_zone = !crosses_zones(&action->on, &action->to),
		.zones_below = (action->on.place | action->to.place) & PLACE_ZONES_BELOW,
		.modes_differ = guard_modes_count(guard, action->on.dir) !=
				guard_modes_count(guard, action->to.dir),
		.moves_dir = S_ISDIR(facts->on_type) ||
			     (facts->exchange && S_ISDIR(facts->to_type)),
		.exchange = facts->exchange,
		.further_names = facts->n_links > 1,
	};
}

/* The zones that two names have now, compared without the bit that tells of zones below.
 */
static void locate_both(struct guard *guard, struct action *action)
{
	struct policy_snapshot snapshot;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	action->on.place =
		guard_name_place(guard, &snapshot, action->on.dir, action->on.name);
	action->to.place =
		guard_name_place(guard, &snapshot, action->to.dir, action->to.name);
	policy_snapshot_put(&snapshot);
}

/* Which operations a rename takes, where both names are now; why it must copy, or NULL.
 */
static const char *choose_rename(struct guard *guard, struct action *action,
				 const struct rename_facts *facts)
{
	struct move_facts moved;

	locate_both(guard, action);
	moved = facts_of(guard, action, facts);
	action->operation = move_operation(&moved);
	if (facts->exchange)
		action->to_operation = OPERATION_RENAME_EXCHANGE;
	else
		action->to_operation = !action->to.exists ? OPERATION_RENAME_TO
				       : S_ISDIR(facts->to_type)
					       ? OPERATION_RENAME_OVER_DIR
					       : OPERATION_RENAME_OVER;
	return copy_reason_name(move_copy_reason(&moved));
}

int guard_rename(struct guard *guard, const struct asker *asker, struct action *action,
		 const struct rename_facts *facts)
{
	uint64_t chosen_by;
	int r;

	/* The decision may find a newer policy in force than the choice did, and other
	 * zones. */
	do {
		const char *reason = choose_rename(guard, action, facts);

		chosen_by = action->on.place;
		r = reason ? guard_refuse(guard, asker, action, EXDEV, reason)
			   : guard_allow(guard, asker, action);
	} while (r == 0 && !place_same_generation(chosen_by, action->on.place));
	return r;
}

/* Both are paths of the share. */
static bool lies_below(const char *path, const char *dir)
{
	size_t length = strlen(dir);

	if (length == 1)
		return path[1] != '\0';
	return strncmp(path, dir, length) == 0 && path[length] == '/';
}

bool guard_approval_zone(struct guard *guard, const struct asker *asker,
			 struct node *node, char zone[PLACE_NAME_MAX])
{
	const struct zone *found = NULL;
	struct question question;
	char buffer[NODE_PATH_MAX];
	bool held = false;
	char *path;

	if (question_init(guard, asker, NULL, &question) < 0)
		return false;
	path = node_path(guard->parts.nodes, node, NULL, buffer);
	for (size_t i = 0; path && !held && i < question.snapshot.policy->n_zones; i++) {
		const struct zone *other = &question.snapshot.policy->zones[i];

		if (!other->promote_from || other->gates.approvals == 0 ||
		    !lies_below(path, other->promote_from))
			continue;
		held = policy_verbs(question.snapshot.policy, &question.roles, other) &
		       VERB_SET(VERB_APPROVE);
		if (!found || held)
			found = other;
	}
	if (found)
		snprintf(zone, PLACE_NAME_MAX, "%s", found->name);
	question_fini(&question);
	return found;
}

static bool comes_from(struct guard *guard, const struct target *target,
		       const struct zone *zone)
{
	char buffer[NODE_PATH_MAX];
	char *path;

	if (!zone || !zone->promote_from)
		return false;
	path = node_path(guard->parts.nodes, target->dir, target->name, buffer);
	return path && lies_below(path, zone->promote_from);
}

bool guard_is_promotion(struct guard *guard, struct action *action)
{
	struct policy_snapshot snapshot;
	bool is;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	action->on.place =
		guard_name_place(guard, &snapshot, action->on.dir, action->on.name);
	action->to.place =
		guard_name_place(guard, &snapshot, action->to.dir, action->to.name);
	is = crosses_zones(&action->on, &action->to) &&
	     comes_from(guard, &action->on, place_zone(&snapshot, action->to.place));
	policy_snapshot_put(&snapshot);
	if (is) {
		action->operation = OPERATION_MOVE_OUT;
		action->to_operation = OPERATION_PROMOTE;
	}
	return is;
}

/* Never EXDEV: mv(1) would copy, and a copy is no promotion. */
int guard_check_promotion(struct guard *guard, const struct asker *asker,
			  struct action *action, const struct rename_facts *facts)
{
	if (!guard_would_allow(guard, asker, action)) {
		int r = guard_allow(guard, asker, action);

		/* A new policy that allows it: but it may say something else, too. */
		return r < 0 ? r : guard_settle(guard, asker, action, -EAGAIN);
	}
	if (action->to.exists)
		return guard_refuse(
			guard, asker, action, EEXIST,
			"a promotion takes a new name, and this one is taken");
	if (!S_ISREG(facts->on_type) && !S_ISDIR(facts->on_type))
		return guard_refuse(guard, asker, action, EPERM,
				    "only files and directories are promoted");
	if (guard_modes_count(guard, action->on.dir) !=
	    guard_modes_count(guard, action->to.dir))
		return guard_refuse(guard, asker, action, EPERM,
				    "modes count on one side only");
	if (S_ISDIR(facts->on_type) &&
	    ((action->on.place | action->to.place) & PLACE_ZONES_BELOW))
		return guard_refuse(guard, asker, action, EPERM,
				    "the directory holds another zone");
	return 0;
}

static void locate_link(struct guard *guard, struct action *action)
{
	struct policy_snapshot snapshot;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	action->on.place = guard_node_place(guard, &snapshot, action->on.node);
	action->to.place =
		guard_name_place(guard, &snapshot, action->to.dir, action->to.name);
	policy_snapshot_put(&snapshot);
}

int guard_link(struct guard *guard, const struct asker *asker, struct action *action)
{
	uint64_t chosen_by;
	int r;

	action->to_operation = OPERATION_LINK;
	do {
		bool crosses;

		locate_link(guard, action);
		chosen_by = action->on.place;
		crosses = crosses_zones(&action->on, &action->to);
		/* Of the old name only its sight is asked when nothing can come of it. */
		action->operation = crosses ? OPERATION_LOOKUP : OPERATION_LINK;
		r = crosses ? guard_refuse(guard, asker, action, EXDEV,
					   copy_reason_name(COPY_LINK))
			    : guard_allow(guard, asker, action);
	} while (r == 0 && !place_same_generation(chosen_by, action->on.place));
	return r;
}
