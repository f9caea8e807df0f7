/* SPDX-License-Identifier: Apache-2.0 */
/* Which roles a subject holds, and how it came to them. */
#include <string.h>

#include "config/decide.h"

static void add_roles(struct role_set *set, const struct role_set *more)
{
	for (size_t i = 0; i < POLICY_ROLES_MAX / 64; i++)
		set->bits[i] |= more->bits[i];
}

static bool has_text(char *const *texts, size_t n, const char *text)
{
	for (size_t i = 0; text && i < n; i++)
		if (strcmp(texts[i], text) == 0)
			return true;
	return false;
}

/* Whether one of its users or groups holds the role by this program, in this unit. */
static bool admits(const struct role *role, const struct subject *subject)
{
	if (subject->any_program)
		return true;
	return (role->n_exes == 0 || has_text(role->exes, role->n_exes, subject->exe)) &&
	       (role->n_units == 0 ||
		has_text(role->units, role->n_units, subject->unit));
}

static size_t first_of(const struct id_role *pairs, size_t n, uint32_t id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pairs[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The question: who, by which of their ids. */
struct asking {
	const struct policy *policy;
	const struct subject *subject;
};

static void add_roles_of(const struct asking *asking, const struct id_role *pairs,
			 size_t n, uint32_t id, struct role_set *ret)
{
	for (size_t i = first_of(pairs, n, id); i < n && pairs[i].id == id; i++) {
		const struct role *role = &asking->policy->roles[pairs[i].role];

		if (!admits(role, asking->subject))
			continue;
		add_roles(ret, &role->holds);
	}
}

/* Of the grants that are in force for a subject the next one from *at; NULL: none. */
static const struct timed_grant *next_grant(const struct subject *subject, size_t *at)
{
	const struct grants *grants = subject->grants;

	while (grants && *at < grants->n_items) {
		const struct timed_grant *grant = &grants->items[(*at)++];

		if (grant->user.uid == subject->uid &&
		    grant_is_valid(grant, &subject->now))
			return grant;
	}
	return NULL;
}

void policy_roles(const struct policy *policy, const struct subject *subject,
		  struct role_set *ret)
{
	const struct asking asking = { policy, subject };
	const struct timed_grant *grant;
	size_t at = 0;

	*ret = policy->roles[0].holds;
	add_roles_of(&asking, policy->by_uid, policy->n_by_uid, subject->uid, ret);
	add_roles_of(&asking, policy->by_gid, policy->n_by_gid, subject->gid, ret);
	for (size_t i = 0; i < subject->n_groups; i++)
		add_roles_of(&asking, policy->by_gid, policy->n_by_gid,
			     subject->groups[i], ret);
	while ((grant = next_grant(subject, &at)))
		add_roles(ret, &policy->roles[grant->role].holds);
}

bool policy_asks_program(const struct policy *policy, const struct subject *subject)
{
	struct subject any = *subject, none = *subject;
	struct role_set with, without;

	if (!policy->has_limits)
		return false;
	any.any_program = true;
	none.any_program = false;
	none.exe = none.unit = NULL;
	policy_roles(policy, &any, &with);
	policy_roles(policy, &none, &without);
	return memcmp(&with, &without, sizeof(with)) != 0;
}

static bool has_group(const struct subject *subject, gid_t gid)
{
	if (subject->gid == gid)
		return true;
	for (size_t i = 0; i < subject->n_groups; i++) {
		if (subject->groups[i] == gid)
			return true;
	}
	return false;
}

/* Of several grants of a role, the one that ends last. */
static const struct timed_grant *longest_grant(const struct subject *subject,
					       unsigned role)
{
	const struct timed_grant *grant, *longest = NULL;
	size_t at = 0;

	while ((grant = next_grant(subject, &at))) {
		if (grant->role == role && (!longest || grant->until > longest->until))
			longest = grant;
	}
	return longest;
}

/* Directly: everyone, by user, by group, by a grant; else ROLE_NOT_HELD. */
static void direct_holding(const struct policy *policy, const struct subject *subject,
			   unsigned number, struct role_holding *ret)
{
	const struct role *role = &policy->roles[number];

	*ret = (struct role_holding){ .origin = ROLE_NOT_HELD };
	if (number == 0) {
		ret->origin = ROLE_BY_EVERYONE;
		return;
	}
	if (!admits(role, subject))
		return;
	for (size_t i = 0; i < role->n_uids; i++) {
		if (role->uids[i] == subject->uid) {
			ret->origin = ROLE_BY_USER;
			return;
		}
	}
	for (size_t i = 0; i < role->n_gids; i++) {
		if (has_group(subject, role->gids[i])) {
			ret->origin = ROLE_BY_GROUP;
			ret->gid = role->gids[i];
			return;
		}
	}
	ret->grant = longest_grant(subject, number);
	if (ret->grant)
		ret->origin = ROLE_BY_GRANT;
}

void policy_role_holding(const struct policy *policy, const struct subject *subject,
			 unsigned role, struct role_holding *ret)
{
	direct_holding(policy, subject, role, ret);
	for (unsigned i = 1; ret->origin == ROLE_NOT_HELD && i < policy->n_roles; i++) {
		struct role_holding via;

		if (i == role || !role_set_has(&policy->roles[i].holds, role))
			continue;
		direct_holding(policy, subject, i, &via);
		if (via.origin != ROLE_NOT_HELD)
			*ret = (struct role_holding){ .origin = ROLE_BY_INCLUDE,
						      .via = i };
	}
}
