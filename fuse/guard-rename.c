/* SPDX-License-Identifier: Apache-2.0 */
/* What a rename or a link takes: decided by the zones of both names. */
#include <errno.h>
#include <string.h>

#include "fuse/guard-internal.h"

static bool crosses_zones(const struct target *a, const struct target *b)
{
	return !place_same_zone(a->place, b->place);
}

/* Why mv(1) or ln(1) must copy instead, or NULL. A rename or link may never widen what
 * anyone may do to a file (DESIGN, 4 and Nodes). */
static const char *reason_to_copy(struct guard *guard, const struct action *action,
				  const struct rename_facts *facts)
{
	bool moves_dir =
		S_ISDIR(facts->on_type) || (facts->exchange && S_ISDIR(facts->to_type));

	/* The source would have to enforce the modes of one directory and not of the
	 * other, and the file's own would begin or cease to count. */
	if (guard_modes_count(guard, action->on.dir) !=
	    guard_modes_count(guard, action->to.dir))
		return "modes count on one side only";
	if (moves_dir && ((action->on.place | action->to.place) & PLACE_ZONES_BELOW))
		return "the directory holds another zone";
	if (!crosses_zones(&action->on, &action->to))
		return NULL;
	if (moves_dir)
		return "a directory would change its zone";
	if (facts->exchange)
		return "an exchange across zones";
	if (facts->n_links > 1)
		return "further names of the file stay in the other zone";
	return NULL;
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
	locate_both(guard, action);
	if (facts->exchange) {
		action->operation = OPERATION_RENAME_EXCHANGE;
		action->to_operation = OPERATION_RENAME_EXCHANGE;
	} else {
		action->operation = crosses_zones(&action->on, &action->to)
					    ? OPERATION_MOVE_OUT
					    : OPERATION_RENAME_FROM;
		action->to_operation = !action->to.exists ? OPERATION_RENAME_TO
				       : S_ISDIR(facts->to_type)
					       ? OPERATION_RENAME_OVER_DIR
					       : OPERATION_RENAME_OVER;
	}
	return reason_to_copy(guard, action, facts);
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
					   "a link into another zone")
			    : guard_allow(guard, asker, action);
	} while (r == 0 && !place_same_generation(chosen_by, action->on.place));
	return r;
}
