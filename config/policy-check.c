/* SPDX-License-Identifier: Apache-2.0 */
/* What can be checked only when the whole policy was read, and what this version does not
 * enforce. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/decide.h"
#include "config/parser.h"
#include "config/zone-index.h"

/* The role that a line names, or -1 with a complaint. */
static int find_role(struct parser *parser, const struct role_ref *ref)
{
	unsigned role;

	if (name_table_find(&parser->role_names, ref->name, &role) == 0)
		return (int)role;
	if (parser->lost_section)
		return -1; /* it may be that one */
	parser_complain(
		parser, ref->line,
		"unknown role %s%s: add a section [role NAME], or correct it",
		QUOTED(ref->name),
		parser_suggest_role(parser, &(struct quoted){ { 0 } }, ref->name));
	return -1;
}

/* Inclusion as edges: those of one role are neighbours, as its `include` is one line. */
struct edge {
	unsigned from, to, line;
};

struct closing {
	struct parser *parser;
	struct edge *edges;
	size_t n_edges;
	size_t first[POLICY_ROLES_MAX +
		     1]; /* of a role's edges; the next role's is the end */
	unsigned char state[POLICY_ROLES_MAX]; /* 0 not seen, 1 on the way, 2 done */
};

/* Joins role->holds of everything included, depth first; at most POLICY_ROLES_MAX deep.
 */
static void close_role(struct closing *closing, unsigned role)
{
	struct role *roles = closing->parser->policy->roles;

	closing->state[role] = 1;
	for (size_t i = closing->first[role]; i < closing->first[role + 1]; i++) {
		const struct edge *edge = &closing->edges[i];

		if (closing->state[edge->to] == 1) {
			parser_complain(closing->parser, edge->line,
					"a cycle: '%s' includes '%s', which includes "
					"'%s' in turn: "
					"remove one of the two",
					roles[edge->from].name, roles[edge->to].name,
					roles[edge->from].name);
			continue;
		}
		if (closing->state[edge->to] == 0)
			close_role(closing, edge->to);
		for (size_t j = 0; j < POLICY_ROLES_MAX / 64; j++)
			roles[role].holds.bits[j] |= roles[edge->to].holds.bits[j];
	}
	closing->state[role] = 2;
}

static void close_includes(struct parser *parser)
{
	size_t n_roles = parser->policy->n_roles;
	struct closing closing = { .parser = parser };
	unsigned role = 0;

	closing.edges = calloc(parser->includes.n_items + 1, sizeof(*closing.edges));
	if (!closing.edges) {
		parser_no_memory(parser);
		return;
	}
	/* The references are in the order of the lines, and so of the roles. */
	for (size_t i = 0; i < parser->includes.n_items; i++) {
		const struct role_ref *ref = &parser->includes.items[i];
		int to = find_role(parser, ref);

		if (to < 0)
			continue;
		while (role <= ref->owner)
			closing.first[role++] = closing.n_edges;
		closing.edges[closing.n_edges++] =
			(struct edge){ ref->owner, (unsigned)to, ref->line };
	}
	while (role <= n_roles)
		closing.first[role++] = closing.n_edges;
	for (unsigned i = 0; i < n_roles; i++) {
		if (closing.state[i] == 0)
			close_role(&closing, i);
	}
	free(closing.edges);
}

/* The allow lines of one zone become its grants. */
static void make_grants(struct parser *parser, const struct role_ref *refs, size_t n_refs)
{
	struct zone *zone = &parser->policy->zones[refs->owner];
	unsigned line_of[POLICY_ROLES_MAX] = { 0 };

	zone->grants = calloc(n_refs, sizeof(*zone->grants));
	if (!zone->grants) {
		parser_no_memory(parser);
		return;
	}
	for (size_t i = 0; i < n_refs; i++) {
		int role = find_role(parser, &refs[i]);
		verb_set verbs = refs[i].verbs;

		if (role < 0)
			continue;
		if (line_of[role] != 0) {
			parser_complain(parser, refs[i].line,
					"a second 'allow %s' in this zone: the first is "
					"in line %u, merge the two",
					refs[i].name, line_of[role]);
			continue;
		}
		line_of[role] = refs[i].line;
		if (verbs != 0)
			verbs |= VERB_SET(VERB_LIST);
		zone->grants[zone->n_grants++] =
			(struct grant){ (unsigned)role, refs[i].line, verbs };
		zone->verbs_of_any |= verbs;
		if (role == 0)
			zone->verbs_of_everyone |= verbs;
	}
}

static void make_all_grants(struct parser *parser)
{
	const struct role_refs *refs = &parser->allows;
	size_t first = 0;

	for (size_t i = 1; i <= refs->n_items; i++) {
		if (i < refs->n_items && refs->items[i].owner == refs->items[first].owner)
			continue;
		make_grants(parser, &refs->items[first], i - first);
		first = i;
	}
}

static int compare_refs(const void *one, const void *other)
{
	const struct role_ref *a = one, *b = other;

	return strcmp(a->name, b->name);
}

/* What is shown of both settings; sorted, as their order means nothing. */
static void make_grant_texts(struct parser *parser)
{
	struct policy *policy = parser->policy;
	struct role_refs *refs = &parser->grantable;
	size_t size;
	FILE *stream = open_memstream(&policy->grantable_text, &size);

	if (!policy->max_grant_text)
		policy->max_grant_text = parser_copy(parser, POLICY_GRANT_DEFAULT_TEXT);
	if (!stream) {
		parser_no_memory(parser);
		return;
	}
	if (refs->n_items > 0)
		qsort(refs->items, refs->n_items, sizeof(*refs->items), compare_refs);
	for (size_t i = 0; i < refs->n_items; i++)
		fprintf(stream, "%s%s", i == 0 ? "" : ", ", refs->items[i].name);
	if (refs->n_items == 0)
		fputs("none", stream);
	if (fclose(stream) != 0)
		parser_no_memory(parser);
}

static void make_grantable(struct parser *parser)
{
	for (size_t i = 0; i < parser->grantable.n_items; i++) {
		int role = find_role(parser, &parser->grantable.items[i]);

		if (role >= 0)
			role_set_add(&parser->policy->grantable, (unsigned)role);
	}
	make_grant_texts(parser);
}

/* Returns whether every zone has a path of its own. */
static bool check_paths(struct parser *parser)
{
	struct policy *policy = parser->policy;
	struct name_table paths = { 0 };
	bool sound = true;

	for (size_t i = 0; i < policy->n_zones; i++) {
		const struct zone *zone = &policy->zones[i];
		unsigned other = 0;
		int r;

		if (!zone->path) {
			sound = false;
			continue;
		}
		r = name_table_add(&paths, zone->path, (unsigned)i, &other);
		if (r == -EEXIST)
			parser_complain(parser, zone->path_line,
					"path %s is that of [zone %s] in line %u "
					"already: merge the two zones",
					QUOTED(zone->path), policy->zones[other].name,
					policy->zones[other].line);
		else if (r < 0)
			parser_no_memory(parser);
		sound = sound && r == 0;
	}
	name_table_fini(&paths);
	return sound;
}

static unsigned grant_line(const struct zone *zone, enum verb verb)
{
	for (size_t i = 0; i < zone->n_grants; i++) {
		if (zone->grants[i].verbs & VERB_SET(verb))
			return zone->grants[i].line;
	}
	return 0;
}

static void check_gates(struct parser *parser, const struct zone *zone)
{
	unsigned approve = grant_line(zone, VERB_APPROVE);

	if (zone->gate_line != 0 && zone->promote_from_line == 0)
		parser_complain(
			parser, zone->gate_line,
			"a gate of promotions, but the zone '%s' has no "
			"'promote-from': say where models come from, or remove it",
			zone->name);
	if (approve == 0 && zone->approvals_line != 0)
		parser_complain(parser, zone->approvals_line,
				"'approvals', but no role is granted 'approve' in the "
				"zone '%s': grant it, or remove the line",
				zone->name);
}

static void check_promotion(struct parser *parser, const struct zone *zone, bool indexed)
{
	unsigned line = grant_line(zone, VERB_PROMOTE);

	if (line != 0 && zone->promote_from_line == 0)
		parser_complain(parser, line,
				"'promote' is granted, but the zone '%s' has no "
				"'promote-from': say where "
				"models come from",
				zone->name);
	if (line == 0 && zone->promote_from_line != 0)
		parser_complain(parser, zone->promote_from_line,
				"'promote-from', but no role is granted 'promote' in the "
				"zone '%s': grant "
				"it, or remove the line",
				zone->name);
	if (zone->retain_line != 0 && !zone->write_once)
		parser_complain(parser, zone->retain_line,
				"'retain' goes with 'write-once = yes': add that to the "
				"zone '%s', or remove the line",
				zone->name);
	if (!indexed || !zone->promote_from)
		return;
	if (!policy_zone(parser->policy, zone->promote_from))
		parser_complain(
			parser, zone->promote_from_line,
			"promote-from %s is in no zone: nobody could put a model there",
			QUOTED(zone->promote_from));
	else if (policy_zone(parser->policy, zone->promote_from) == zone)
		parser_complain(
			parser, zone->promote_from_line,
			"promote-from %s is in the zone '%s' itself: name a directory of "
			"another zone",
			QUOTED(zone->promote_from), zone->name);
}

static int compare_ids(const void *one, const void *other)
{
	const struct id_role *a = one, *b = other;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->role < b->role ? -1 : a->role > b->role;
}

static void make_id_indexes(struct parser *parser)
{
	struct policy *policy = parser->policy;
	size_t n_gids = 0, n_uids = 0;

	for (size_t i = 0; i < policy->n_roles; i++) {
		n_gids += policy->roles[i].n_gids;
		n_uids += policy->roles[i].n_uids;
	}
	policy->by_gid = calloc(n_gids + 1, sizeof(*policy->by_gid));
	policy->by_uid = calloc(n_uids + 1, sizeof(*policy->by_uid));
	if (!policy->by_gid || !policy->by_uid) {
		parser_no_memory(parser);
		return;
	}
	for (uint32_t i = 0; i < policy->n_roles; i++) {
		const struct role *role = &policy->roles[i];

		for (size_t j = 0; j < role->n_gids; j++)
			policy->by_gid[policy->n_by_gid++] =
				(struct id_role){ role->gids[j], i };
		for (size_t j = 0; j < role->n_uids; j++)
			policy->by_uid[policy->n_by_uid++] =
				(struct id_role){ role->uids[j], i };
	}
	qsort(policy->by_gid, n_gids, sizeof(*policy->by_gid), compare_ids);
	qsort(policy->by_uid, n_uids, sizeof(*policy->by_uid), compare_ids);
}

void parser_check(struct parser *parser)
{
	struct policy *policy = parser->policy;
	bool indexed;

	close_includes(parser);
	make_all_grants(parser);
	make_grantable(parser);
	make_id_indexes(parser);
	if (policy->n_zones == 0 && !parser->lost_section)
		parser_complain(parser, 0,
				"there is no zone, so nothing is granted to anyone: add "
				"[zone NAME] with a path");
	indexed = check_paths(parser) && parser->error == 0;
	if (indexed) {
		policy->index = zone_index_new(policy);
		if (!policy->index)
			parser_no_memory(parser);
		indexed = policy->index != NULL;
	}
	for (size_t i = 0; i < policy->n_zones; i++) {
		check_promotion(parser, &policy->zones[i], indexed);
		check_gates(parser, &policy->zones[i]);
		if (policy->zones[i].gates.separation || policy->zones[i].gates.approvals)
			policy->keeps_writers = true;
		if (policy->zones[i].modes == ZONE_MODES_OWNER)
			policy->has_owner_modes = true;
	}
}

static int complain_zone(const struct zone *zone, struct complaints *complaints)
{
	unsigned approve = grant_line(zone, VERB_APPROVE);
	int r = 0;

	if (approve != 0 && zone->approvals_line == 0)
		r = complaints_add(complaints, approve,
				   "'approve' is granted, but the zone has no "
				   "'approvals': say how many it takes");
	if (r == 0 && zone->check_line != 0)
		r = complaints_add(complaints, zone->check_line,
				   "check is understood but not yet enforced by this "
				   "version; remove the line");
	return r;
}

int policy_unenforceable(const struct policy *policy, struct complaints *complaints)
{
	size_t n_before = complaints->n_items;
	int r = 0;

	for (size_t i = 0; i < policy->n_zones && r == 0; i++)
		r = complain_zone(&policy->zones[i], complaints);
	if (r < 0)
		return r;
	complaints_sort(complaints);
	return (int)(complaints->n_items - n_before);
}
