/* SPDX-License-Identifier: Apache-2.0 */
/* A question of the past, decided by a policy: a pure function, as the guard decides. */
#include <string.h>
#include <time.h>

#include "fuse/replay-judge.h"

/* What the guard decides with the right of whoever is making the file. */
static bool may_be_makers(enum operation operation)
{
	switch (operation) {
	case OPERATION_READ:
	case OPERATION_WRITE:
	case OPERATION_TRUNCATE:
	case OPERATION_FALLOCATE:
	case OPERATION_CHMOD:
	case OPERATION_CHGRP_OWN:
	case OPERATION_UTIMES:
	case OPERATION_TOUCH:
		return true;
	default:
		return false;
	}
}

static size_t guess_operation(const struct past *past, enum making making,
			      struct guess *ret)
{
	bool may_own = past->exists && past->denial != DENIAL_NOT_OWNER;
	bool may_make = may_be_makers(past->operation) && making != MAKING_NO;
	bool must_make = may_make && making == MAKING_YES;
	size_t n = 0;

	for (int owns = 0; owns <= may_own; owns++)
		for (int makes = must_make; makes <= may_make; makes++)
			ret[n++] = (struct guess){ .owns = owns, .making = makes };
	return n;
}

/* What a rename may have replaced, and what it may have moved. */
static size_t guess_rename(const struct past *past, struct guess *ret)
{
	static const struct {
		enum operation to;
		bool exchange, moves_dir, moves_file, may_own_to;
	} kinds[] = {
		{ OPERATION_RENAME_TO, false, true, true, false },
		{ OPERATION_RENAME_OVER, false, false, true, true },
		{ OPERATION_RENAME_OVER_DIR, false, true, false, true },
		{ OPERATION_RENAME_EXCHANGE, true, true, true, true },
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].exchange != past->exchange)
			continue;
		for (unsigned bits = 0; bits < 16; bits++) {
			struct guess guess = { .owns = bits & 1,
					       .owns_to = bits & 2,
					       .moves_dir = bits & 4,
					       .further_names = bits & 8,
					       .to = kinds[i].to };

			if ((guess.owns_to && !kinds[i].may_own_to) ||
			    (guess.moves_dir ? !kinds[i].moves_dir
					     : !kinds[i].moves_file) ||
			    (guess.moves_dir && guess.further_names))
				continue;
			ret[n++] = guess;
		}
	}
	return n;
}

/* The facts that a refusal to rename tells. */
static size_t drop_refuted(const struct past *past, struct guess *guesses, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct guess *guess = &guesses[i];

		if (((past->copy == COPY_DIRECTORY || past->copy == COPY_HOLDS_ZONE) &&
		     !guess->moves_dir) ||
		    (past->copy == COPY_FURTHER_NAMES && !guess->further_names))
			continue;
		guesses[kept++] = *guess;
	}
	return kept;
}

size_t guesses_make(const struct past *past, enum making making,
		    struct guess ret[static GUESSES_MAX])
{
	switch (past->kind) {
	case PAST_OPERATION:
		return guess_operation(past, making, ret);
	case PAST_RENAME:
		return drop_refuted(past, ret, guess_rename(past, ret));
	case PAST_LINK:
		break;
	}
	ret[0] = (struct guess){ 0 };
	return 1;
}

/* The zone of the directory that a name is in. */
static const struct zone *zone_of_parent(const struct policy *policy, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	size_t length = (size_t)(slash - path);

	if (length == 0 || length >= sizeof(parent))
		return policy_zone(policy, "/");
	memcpy(parent, path, length);
	parent[length] = '\0';
	return policy_zone(policy, parent);
}

static bool has_modes(const struct zone *zone)
{
	return zone && zone->modes == ZONE_MODES_OWNER;
}

void past_find_place(const struct policy *policy, const struct past *past,
		     struct past_place *ret)
{
	bool modes = false, to_modes = false;

	*ret = (struct past_place){ .zone = policy_zone(policy, past->path) };
	if (policy->has_owner_modes)
		modes = has_modes(zone_of_parent(policy, past->path));
	ret->modes_count = modes || has_modes(ret->zone);
	if (past->kind == PAST_OPERATION)
		return;
	ret->to_zone = policy_zone(policy, past->to_path);
	ret->zones_below = policy_zones_below(policy, past->path) ||
			   policy_zones_below(policy, past->to_path);
	if (policy->has_owner_modes)
		to_modes = has_modes(zone_of_parent(policy, past->to_path));
	ret->modes_differ = modes != to_modes;
	ret->modes_count |= to_modes || has_modes(ret->to_zone);
}

static void decide(const struct policy *policy, const struct role_set *roles,
		   const struct zone *zone, enum operation operation, bool owns,
		   struct decided *ret)
{
	policy_decide(policy, roles, zone, operation, owns, time(NULL), &ret->verdict);
	ret->done = ret->granted = ret->verdict.decision == DECISION_ALLOWED;
}

static void decide_operation(const struct policy *policy, const struct role_set *roles,
			     const struct past *past, const struct past_place *place,
			     const struct guess *guess, struct decided *ret)
{
	decide(policy, roles, place->zone, past->operation, guess->owns, ret);
	if (ret->done)
		return;
	if (operation_walks(past->operation) &&
	    policy_leads_to_listed(policy, roles, past->path))
		ret->done = ret->granted = ret->on_the_way = true;
	else if (guess->making && place->zone)
		decide(policy, roles, place->zone, OPERATION_CREATE, guess->owns, ret);
}

static void decide_link(const struct policy *policy, const struct role_set *roles,
			const struct past *past, const struct past_place *place,
			struct decided *ret)
{
	bool crosses = place->zone != place->to_zone;

	decide(policy, roles, place->zone, crosses ? OPERATION_LOOKUP : OPERATION_LINK,
	       false, ret);
	if (!ret->done && crosses && policy_leads_to_listed(policy, roles, past->path))
		ret->done = ret->granted = true;
	if (ret->done)
		decide(policy, roles, place->to_zone, OPERATION_LINK, false, ret);
	ret->copy = crosses ? COPY_LINK : COPY_NOT_NEEDED;
}

static void decide_rename(const struct policy *policy, const struct role_set *roles,
			  const struct past *past, const struct past_place *place,
			  const struct guess *guess, struct decided *ret)
{
	const struct move_facts facts = {
		.same_zone = place->zone == place->to_zone,
		.zones_below = place->zones_below,
		.modes_differ = place->modes_differ,
		.moves_dir = guess->moves_dir,
		.exchange = past->exchange,
		.further_names = guess->further_names,
	};

	decide(policy, roles, place->zone, move_operation(&facts), guess->owns, ret);
	if (ret->done)
		decide(policy, roles, place->to_zone, guess->to, guess->owns_to, ret);
	ret->copy = move_copy_reason(&facts);
}

void past_decide(const struct policy *policy, const struct role_set *roles,
		 const struct past *past, const struct past_place *place,
		 const struct guess *guess, struct decided *ret)
{
	*ret = (struct decided){ 0 };
	switch (past->kind) {
	case PAST_OPERATION:
		decide_operation(policy, roles, past, place, guess, ret);
		break;
	case PAST_LINK:
		decide_link(policy, roles, past, place, ret);
		break;
	case PAST_RENAME:
		decide_rename(policy, roles, past, place, guess, ret);
		break;
	}
	if (ret->copy != COPY_NOT_NEEDED)
		ret->done = false;
}

static bool same_word(const char *one, const char *other)
{
	return one == other || (one && other && strcmp(one, other) == 0);
}

bool past_is_as_recorded(const struct past *past, const struct decided *decided)
{
	const struct record *record = past->record;
	const struct verdict *verdict = &decided->verdict;

	if (decided->granted != (past->outcome != PAST_DENIED))
		return false;
	if (past->outcome == PAST_DENIED && verdict->reason != past->denial)
		return false;
	if (decided->granted && decided->copy != past->copy)
		return false;
	return verdict->line == record->rule_line &&
	       same_word(verdict->zone ? verdict->zone->name : NULL, record->zone) &&
	       same_word(verdict->role ? verdict->role->name : NULL, record->role);
}
