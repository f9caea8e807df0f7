/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the zone of a path: a tree of path components.
 *
 * A node is reached by a literal component or by "*". The children of all nodes are in
 * one hash table under (parent, component). Nodes are numbers into one array. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/name-table.h"
#include "config/zone-index.h"

#define NO_NODE 0 /* the root is nobody's child */
#define ROOT	1
#define WALK_MAX \
	64 /* patterns of one length that match one path, for zone_index_leads_to() */
#define STEPS_MAX 100000 /* of one search there: below 20 ms */

struct component {
	const char *name;
	size_t length;
	uint32_t hash;
};

struct node {
	struct component component;
	uint32_t parent;
	uint32_t star;	      /* its "*" child */
	uint32_t first, next; /* its literal children, and its next sibling among them */
	int zone;	      /* -1: none ends here */
	uint32_t depth;	      /* components above it */
	uint32_t deepest;     /* depth of the deepest zone here or below */
	struct role_set granted; /* roles that are granted anything in this node's zone */
	struct role_set below;	 /* the same for all zones properly below */
};

struct zone_index {
	struct node *nodes;
	size_t n_nodes;
	uint32_t *slots; /* open addressing, at most half full; NO_NODE: free */
	size_t n_slots;	 /* a power of two */
};

/* The nodes of one depth that match one path, the one that goes before the others first.
 */
struct walk {
	uint32_t ids[WALK_MAX];
	unsigned n;
};

/* Takes the next component off a path that is at a '/' or at its end. */
static bool next_component(const char **path, struct component *ret)
{
	const char *p = *path, *from;

	if (*p == '/')
		p++;
	if (*p == '\0')
		return false;
	for (from = p; *p != '/' && *p != '\0'; p++)
		;
	*ret = (struct component){ from, (size_t)(p - from),
				   name_hash(from, (size_t)(p - from)) };
	*path = p;
	return true;
}

static bool is_star(const struct component *component)
{
	return component->length == 1 && component->name[0] == '*';
}

static bool role_sets_meet(const struct role_set *one, const struct role_set *other)
{
	uint64_t common = 0;

	for (size_t i = 0; i < sizeof(one->bits) / sizeof(one->bits[0]); i++)
		common |= one->bits[i] & other->bits[i];
	return common != 0;
}

static void role_set_merge(struct role_set *into, const struct role_set *from)
{
	for (size_t i = 0; i < sizeof(into->bits) / sizeof(into->bits[0]); i++)
		into->bits[i] |= from->bits[i];
}

/* The slot of a literal child, or the free one where it belongs. */
static uint32_t *child_slot(const struct zone_index *index, uint32_t parent,
			    const struct component *component)
{
	size_t mask = index->n_slots - 1;
	size_t i = (component->hash ^ parent * 2654435761u) & mask;

	for (; index->slots[i] != NO_NODE; i = (i + 1) & mask) {
		const struct node *node = &index->nodes[index->slots[i]];

		if (node->parent == parent && node->component.hash == component->hash &&
		    node->component.length == component->length &&
		    memcmp(node->component.name, component->name, component->length) == 0)
			break;
	}
	return &index->slots[i];
}

static uint32_t new_node(struct zone_index *index, uint32_t parent,
			 const struct component *component)
{
	uint32_t id = (uint32_t)index->n_nodes++;
	struct node *node = &index->nodes[id];

	node->component = *component;
	node->parent = parent;
	node->zone = -1;
	node->depth = parent == NO_NODE ? 0 : index->nodes[parent].depth + 1;
	return id;
}

static uint32_t make_child(struct zone_index *index, uint32_t parent,
			   const struct component *component)
{
	uint32_t *slot;

	if (is_star(component)) {
		if (index->nodes[parent].star == NO_NODE)
			index->nodes[parent].star = new_node(index, parent, component);
		return index->nodes[parent].star;
	}
	slot = child_slot(index, parent, component);
	if (*slot == NO_NODE) {
		*slot = new_node(index, parent, component);
		index->nodes[*slot].next = index->nodes[parent].first;
		index->nodes[parent].first = *slot;
	}
	return *slot;
}

static void add_zone(struct zone_index *index, const struct zone *zone, int number)
{
	struct component component;
	const char *path = zone->path;
	uint32_t id = ROOT, depth;
	struct node *node;

	while (next_component(&path, &component))
		id = make_child(index, id, &component);
	node = &index->nodes[id];
	node->zone = number;
	for (size_t i = 0; i < zone->n_grants; i++) {
		if (zone->grants[i].verbs != 0)
			role_set_add(&node->granted, zone->grants[i].role);
	}
	depth = node->depth;
	for (uint32_t up = id; up != NO_NODE; up = index->nodes[up].parent) {
		if (index->nodes[up].deepest < depth)
			index->nodes[up].deepest = depth;
		if (up != id)
			role_set_merge(&index->nodes[up].below, &node->granted);
	}
}

static size_t count_components(const struct policy *policy)
{
	size_t n = 0;

	for (size_t i = 0; i < policy->n_zones; i++) {
		for (const char *p = policy->zones[i].path; *p; p++)
			n += *p == '/' ? 1 : 0;
	}
	return n;
}

struct zone_index *zone_index_new(const struct policy *policy)
{
	size_t n = count_components(policy) + 2;
	struct zone_index *index = calloc(1, sizeof(*index));

	if (!index)
		return NULL;
	for (index->n_slots = 4; index->n_slots < 2 * n; index->n_slots *= 2)
		;
	index->nodes = calloc(n, sizeof(*index->nodes));
	index->slots = calloc(index->n_slots, sizeof(*index->slots));
	if (!index->nodes || !index->slots)
		return zone_index_free(index);

	index->n_nodes = ROOT;
	new_node(index, NO_NODE, &(struct component){ "", 0, 0 });
	for (size_t i = 0; i < policy->n_zones; i++)
		add_zone(index, &policy->zones[i], (int)i);
	return index;
}

struct zone_index *zone_index_free(struct zone_index *index)
{
	if (!index)
		return NULL;
	free(index->nodes);
	free(index->slots);
	free(index);
	return NULL;
}

/* Depth first, literals first, so that of equally deep zones the one found first goes
 * before the others; a branch without anything deeper than that is left out. As deep as
 * the longest zone path, which one line of the policy bounds. */
static void find_deepest(const struct zone_index *index, uint32_t id, const char *path,
			 const struct node **best)
{
	const struct node *node = &index->nodes[id];
	struct component component;
	uint32_t child;

	if (node->zone >= 0 && (!*best || node->depth > (*best)->depth))
		*best = node;
	if (*best && node->deepest <= (*best)->depth)
		return;
	if (!next_component(&path, &component))
		return;
	child = *child_slot(index, id, &component);
	if (child != NO_NODE)
		find_deepest(index, child, path, best);
	if (node->star != NO_NODE)
		find_deepest(index, node->star, path, best);
}

int zone_index_find(const struct zone_index *index, const char *path)
{
	const struct node *best = NULL;

	if (path[0] == '/')
		find_deepest(index, ROOT, path, &best);
	return best ? best->zone : -1;
}

static bool has_below(const struct zone_index *index, uint32_t id, const char *path)
{
	const struct node *node = &index->nodes[id];
	struct component component;
	uint32_t child;

	if (!next_component(&path, &component))
		return node->deepest > node->depth;
	child = *child_slot(index, id, &component);
	return (child != NO_NODE && has_below(index, child, path)) ||
	       (node->star != NO_NODE && has_below(index, node->star, path));
}

bool zone_index_has_below(const struct zone_index *index, const char *path)
{
	return path[0] == '/' && has_below(index, ROOT, path);
}

/* One component further; NULL: a name that no zone's path mentions. More matches than a
 * walk holds are left out, which shows less. */
static void walk_step(const struct zone_index *index, const struct walk *from,
		      const struct component *component, struct walk *ret)
{
	ret->n = 0;
	for (unsigned i = 0; i < from->n && ret->n + 2 <= WALK_MAX; i++) {
		uint32_t star = index->nodes[from->ids[i]].star;

		if (component) {
			uint32_t child = *child_slot(index, from->ids[i], component);

			if (child != NO_NODE)
				ret->ids[ret->n++] = child;
		}
		if (star != NO_NODE)
			ret->ids[ret->n++] = star;
	}
}

/* For a name below which the roles are granted something. Where the stars of many zones
 * overlap, the ways to go are more than can be tried (it is the problem whether a DNF is
 * a tautology): the search ends after STEPS_MAX, which shows less. */
struct search {
	const struct zone_index *index;
	const struct role_set *roles;
	unsigned n_steps;
};

static int walk_leads(struct search *search, const struct walk *walk);

/* The next component is chosen: either the zone there is granted, or one further down. */
static int walk_leads_by(struct search *search, const struct walk *from,
			 const struct component *component)
{
	struct walk walk;

	if (search->n_steps++ >= STEPS_MAX)
		return -1;
	walk_step(search->index, from, component, &walk);
	for (unsigned i = 0; i < walk.n; i++) {
		const struct node *node = &search->index->nodes[walk.ids[i]];

		if (node->zone < 0)
			continue;
		if (role_sets_meet(&node->granted, search->roles))
			return node->zone;
		break; /* that path is this zone's, whatever the others grant */
	}
	return walk_leads(search, &walk);
}

/* Tries a name that no zone's path mentions, as nothing but "*" goes before "*" there;
 * then each that they do mention. Without "*" the first node with the roles below leads
 * straight there. */
static int walk_leads(struct search *search, const struct walk *walk)
{
	const struct node *nodes = search->index->nodes;
	bool any = false;
	int zone = -1;

	for (unsigned i = 0; i < walk->n && !any; i++)
		any = role_sets_meet(&nodes[walk->ids[i]].below, search->roles);
	if (!any)
		return -1;
	zone = walk_leads_by(search, walk, NULL);
	for (unsigned i = 0; i < walk->n; i++) {
		uint32_t child = nodes[walk->ids[i]].first;

		for (; child != NO_NODE && zone < 0; child = nodes[child].next) {
			/* Others of the walk may matter for this name, too, unless alone.
			 */
			const struct node *node = &nodes[child];

			if (walk->n == 1 &&
			    !role_sets_meet(&node->granted, search->roles) &&
			    !role_sets_meet(&node->below, search->roles) &&
			    nodes[walk->ids[0]].star == NO_NODE)
				continue;
			zone = walk_leads_by(search, walk, &node->component);
		}
	}
	return zone;
}

static bool walk_to(const struct zone_index *index, const char *path, struct walk *walk)
{
	struct component component;
	struct walk next;

	if (path[0] != '/')
		return false;
	walk->n = 1;
	walk->ids[0] = ROOT;
	while (walk->n > 0 && next_component(&path, &component)) {
		walk_step(index, walk, &component, &next);
		*walk = next;
	}
	return walk->n > 0;
}

int zone_index_leads_to(const struct zone_index *index, const struct role_set *roles,
			const char *path)
{
	struct search search = { index, roles, 0 };
	struct walk walk;

	return walk_to(index, path, &walk) ? walk_leads(&search, &walk) : -1;
}

bool zone_index_leads(const struct zone_index *index, const struct role_set *roles,
		      const char *path)
{
	struct search search = { index, roles, 0 };
	struct walk walk;

	if (!walk_to(index, path, &walk))
		return false;
	/* What lies below the first of the walk can be beaten by nothing: where its path
	 * has a
	 * "*", a name that no other path mentions is its own. */
	if (role_sets_meet(&index->nodes[walk.ids[0]].below, roles))
		return true;
	return walk.n > 1 && walk_leads(&search, &walk) >= 0;
}
