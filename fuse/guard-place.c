/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are: the zone of a node and of a name, and what of it may be seen. */
#include <stdio.h>
#include <string.h>

#include "fuse/guard-internal.h"
#include "fuse/util.h"
#include "fuse/view.h"

static uint64_t place_of_path(const struct policy_snapshot *snapshot, const char *path)
{
	const struct zone *zone = policy_zone(snapshot->policy, path);

	return place_make(snapshot->generation,
			  policy_zones_below(snapshot->policy, path),
			  zone ? (uint64_t)(zone - snapshot->policy->zones) + 1 : 0) |
	       (zone && zone->modes == ZONE_MODES_OWNER ? PLACE_OWNER_MODES : 0);
}

static bool place_is_current(const struct policy_snapshot *snapshot, uint64_t place)
{
	return place != 0 &&
	       place_same_generation(place, place_make(snapshot->generation, false, 0));
}

uint64_t guard_node_place(struct guard *guard, const struct policy_snapshot *snapshot,
			  struct node *node)
{
	uint64_t n_moves = node_moves(guard->parts.nodes);
	uint64_t place = atomic_load(&node->place), found;
	char buffer[NODE_PATH_MAX];
	char *path;

	if (place_is_current(snapshot, place))
		return place;
	path = node_path(guard->parts.nodes, node, NULL, buffer);
	if (!path)
		return 0;
	found = place_of_path(snapshot, path);
	/* A rename in between sets it to unknown after it changed the name; this may then
	 * store the old place. So it is stored only over what was read before the path,
	 * and not for long: both may have been unknown. */
	if (atomic_compare_exchange_strong(&node->place, &place, found) &&
	    node_moves(guard->parts.nodes) != n_moves)
		atomic_compare_exchange_strong(&node->place, &found, 0);
	return place_of_path(snapshot, path);
}

/* Nearly always the directory's own zone, without looking at a path. */
uint64_t guard_name_place(struct guard *guard, const struct policy_snapshot *snapshot,
			  struct node *dir, const char *name)
{
	uint64_t place = guard_node_place(guard, snapshot, dir);
	char buffer[NODE_PATH_MAX];
	char *path;

	if (place != 0 && !(place & PLACE_ZONES_BELOW))
		return place;
	path = node_path(guard->parts.nodes, dir, name, buffer);
	return path ? place_of_path(snapshot, path) : 0;
}

uint64_t guard_place_of(void *data, const char *path)
{
	struct guard *guard = data;
	struct policy_snapshot snapshot;
	uint64_t place;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	place = place_of_path(&snapshot, path);
	policy_snapshot_put(&snapshot);
	return place;
}

/* What is done through an open handle is done under the name by which it was opened,
 * whatever other names people have given the file since; a rename of the file itself
 * shows. */
static char *path_of_target(struct guard *guard, const struct action *action,
			    const struct target *target, char *buffer)
{
	const struct authority *authority = action->authority;

	if (!target->node)
		return node_path(guard->parts.nodes, target->dir, target->name, buffer);
	if (authority && authority->name &&
	    authority->n_moves == atomic_load(&target->node->n_moves))
		return node_path(guard->parts.nodes, authority->parent, authority->name,
				 buffer);
	return node_path(guard->parts.nodes, target->node, NULL, buffer);
}

static uint64_t place_of_zone(const struct policy_snapshot *snapshot, const char *name)
{
	const struct policy *policy = snapshot->policy;

	for (size_t i = 0; i < policy->n_zones; i++)
		if (strcmp(policy->zones[i].name, name) == 0)
			return place_make(snapshot->generation, false, i + 1);
	return place_make(snapshot->generation, false, 0);
}

int guard_locate(struct guard *guard, const struct policy_snapshot *snapshot,
		 const struct action *action, struct target *target, char *buffer,
		 char **ret_path)
{
	*ret_path = path_of_target(guard, action, target, buffer);
	if (!*ret_path)
		return -ENAMETOOLONG;
	if (target->zone) {
		target->place = place_of_zone(snapshot, target->zone);
		return 0;
	}
	target->place = target->node ? guard_node_place(guard, snapshot, target->node)
				     : guard_name_place(guard, snapshot, target->dir,
							target->name);
	return target->place ? 0 : -ENAMETOOLONG;
}

void guard_zone_name(struct guard *guard, uint64_t place, char name[PLACE_NAME_MAX])
{
	struct policy_snapshot snapshot;
	const struct zone *zone;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	zone = place_is_current(&snapshot, place) ? place_zone(&snapshot, place) : NULL;
	snprintf(name, PLACE_NAME_MAX, "%s", zone ? zone->name : "");
	policy_snapshot_put(&snapshot);
}

uint64_t guard_place(struct guard *guard, struct node *node)
{
	struct policy_snapshot snapshot;
	uint64_t place;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	place = guard_node_place(guard, &snapshot, node);
	policy_snapshot_put(&snapshot);
	return place;
}

/* What cannot be told is as if they counted. */
bool guard_modes_count(struct guard *guard, struct node *node)
{
	uint64_t generation = policy_store_generation(guard->parts.policies);
	uint64_t place = atomic_load(&node->place);

	if (place == 0 || !place_same_generation(place, place_make(generation, false, 0)))
		place = guard_place(guard, node);
	return place == 0 || place & PLACE_OWNER_MODES;
}

bool guard_is_write_once(struct guard *guard, struct node *node, const char *name)
{
	struct policy_snapshot snapshot;
	const struct zone *zone;
	bool is;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	zone = place_zone(&snapshot, name ? guard_name_place(guard, &snapshot, node, name)
					  : guard_node_place(guard, &snapshot, node));
	is = zone && zone->write_once;
	policy_snapshot_put(&snapshot);
	return is;
}

bool guard_gates(struct guard *guard, uint64_t place, struct gates *ret,
		 char name[PLACE_NAME_MAX])
{
	struct policy_snapshot snapshot;
	const struct zone *zone;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	zone = place_is_current(&snapshot, place) ? place_zone(&snapshot, place) : NULL;
	if (zone) {
		*ret = zone->gates;
		snprintf(name, PLACE_NAME_MAX, "%s", zone->name);
	}
	policy_snapshot_put(&snapshot);
	return zone;
}

bool guard_keeps_writers(struct guard *guard)
{
	struct policy_snapshot snapshot;
	bool keeps;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	keeps = snapshot.policy->keeps_writers;
	policy_snapshot_put(&snapshot);
	return keeps;
}

bool guard_mapped_writes(struct guard *guard, struct node *node)
{
	struct policy_snapshot snapshot;
	const struct zone *zone;
	bool allowed;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	zone = place_zone(&snapshot, guard_node_place(guard, &snapshot, node));
	allowed = zone && zone->mapped_writes == MAPPED_WRITES_ALLOW && !zone->write_once;
	policy_snapshot_put(&snapshot);
	return allowed;
}

static bool everyone_may_list(const struct policy_snapshot *snapshot, uint64_t place)
{
	const struct zone *zone = place_zone(snapshot, place);

	return zone && zone->verbs_of_everyone != 0;
}

bool guard_may_cache(struct guard *guard, struct node *dir, uint64_t place)
{
	struct policy_snapshot snapshot;
	uint64_t dir_place;
	bool may = false;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	dir_place = guard_node_place(guard, &snapshot, dir);
	if (dir_place != 0 && !(dir_place & PLACE_OWNER_MODES) &&
	    place_is_current(&snapshot, place))
		may = everyone_may_list(&snapshot, place) ||
		      (dir->id != NODE_ROOT && !(dir_place & PLACE_ZONES_BELOW) &&
		       place_same_zone(dir_place, place));
	policy_snapshot_put(&snapshot);
	return may;
}

bool guard_may_cache_listing(struct guard *guard, struct node *dir)
{
	uint64_t place = guard_place(guard, dir);

	return place != 0 && !(place & PLACE_ZONES_BELOW);
}

/* A place of an older generation shows nothing: its zone may not exist any more. */
void guard_show(struct guard *guard, uint64_t place, struct stat *st)
{
	struct policy_snapshot snapshot;
	const struct zone *zone;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	zone = place_is_current(&snapshot, place) ? place_zone(&snapshot, place) : NULL;
	st->st_mode = view_mode(snapshot.policy, zone, st->st_mode);
	policy_snapshot_put(&snapshot);
}

int guard_acl(struct guard *guard, uint64_t place, const struct stat *st, void **ret,
	      size_t *ret_size)
{
	struct policy_snapshot snapshot;
	const struct zone *zone;
	int r;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	zone = place_is_current(&snapshot, place) ? place_zone(&snapshot, place) : NULL;
	r = view_acl(snapshot.policy, zone, st, ret, ret_size);
	policy_snapshot_put(&snapshot);
	return r;
}

bool guard_made_acl(struct guard *guard, const struct stat *st, const void *acl,
		    size_t size)
{
	struct policy_snapshot snapshot;
	bool made;

	policy_snapshot_get(guard->parts.policies, &snapshot);
	made = view_made_acl(snapshot.policy, st, acl, size);
	policy_snapshot_put(&snapshot);
	return made;
}

struct guard_view {
	struct guard *guard;
	struct question question;
	struct node *dir; /* borrowed from the open directory */
	uint64_t place;
	bool lists_zone;
};

int guard_view_new(struct guard *guard, const struct asker *asker, struct node *dir,
		   struct guard_view **ret)
{
	struct guard_view *view = calloc(1, sizeof(*view));
	int r;

	if (!view)
		return -ENOMEM;
	view->guard = guard;
	view->dir = dir;
	r = question_init(guard, asker, NULL, &view->question);
	if (r < 0) {
		free(view);
		return r;
	}
	view->place = guard_node_place(guard, &view->question.snapshot, dir);
	view->lists_zone =
		policy_verbs(view->question.snapshot.policy, &view->question.roles,
			     place_zone(&view->question.snapshot, view->place)) != 0;
	*ret = view;
	return 0;
}

struct guard_view *guard_view_free(struct guard_view *view)
{
	if (view)
		question_fini(&view->question);
	free(view);
	return NULL;
}

bool guard_view_shows(struct guard_view *view, const char *name)
{
	const struct policy_snapshot *snapshot = &view->question.snapshot;
	char buffer[NODE_PATH_MAX];
	char *path;

	if (view->place == 0)
		return false;
	if (!(view->place & PLACE_ZONES_BELOW))
		return view->lists_zone;
	path = node_path(view->guard->parts.nodes, view->dir, name, buffer);
	if (!path)
		return false;
	return policy_verbs(snapshot->policy, &view->question.roles,
			    place_zone(snapshot, place_of_path(snapshot, path))) != 0 ||
	       policy_leads_to_listed(snapshot->policy, &view->question.roles, path);
}

uint64_t guard_view_place(struct guard_view *view, const char *name)
{
	return guard_name_place(view->guard, &view->question.snapshot, view->dir, name);
}
