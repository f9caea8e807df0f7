/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what a change of the policy does to roles that only some programs hold.
 * People are compared as if by the right program; here is what that does not show. */
#include <string.h>

#include "fuse/ctl-effect.h"
#include "fuse/ctl-rights.h"

static verb_set verbs_of(const struct policy *policy, const struct person *person,
			 const struct zone *zone, bool any_program)
{
	struct subject subject = person->subject;
	struct rights rights;

	subject.any_program = any_program;
	ctl_rights(policy, &subject, zone, &rights);
	return rights.verbs;
}

/* Whether somebody may do by any program what took the right one. */
static bool is_freed(const struct effect *effect, const struct point *point)
{
	for (size_t i = 0; i < effect->people->n_items; i++) {
		const struct person *person = &effect->people->items[i];
		verb_set gained = verbs_of(effect->new, person, point->new, false) &
				  ~verbs_of(effect->old, person, point->old, false);

		if (gained & verbs_of(effect->old, person, point->old, true))
			return true;
	}
	return false;
}

static const struct role *find_role(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n_roles; i++)
		if (strcmp(policy->roles[i].name, name) == 0)
			return &policy->roles[i];
	return NULL;
}

static bool has_text(char *const *texts, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(texts[i], text) == 0)
			return true;
	return false;
}

struct limit {
	const char *role, *name;
	char **old, **new;
	size_t n_old, n_new;
};

static int compare_limit(struct effect *effect, const struct limit *limit)
{
	int r = 0;

	if (limit->n_old == 0 && limit->n_new > 0)
		return effect_add_setting(
			effect, &(struct effect_setting){ limit->role, limit->name, "any",
							  limit->new[0], false });
	if (limit->n_new == 0 && limit->n_old > 0)
		return effect_add_setting(
			effect, &(struct effect_setting){ limit->role, limit->name,
							  limit->old[0], "any", true });
	for (size_t i = 0; r == 0 && i < limit->n_new; i++)
		if (!has_text(limit->old, limit->n_old, limit->new[i]))
			r = effect_add_setting(
				effect,
				&(struct effect_setting){ limit->role, limit->name,
							  "none", limit->new[i], true });
	for (size_t i = 0; r == 0 && i < limit->n_old; i++)
		if (!has_text(limit->new, limit->n_new, limit->old[i]))
			r = effect_add_setting(
				effect,
				&(struct effect_setting){ limit->role, limit->name,
							  limit->old[i], "none", false });
	return r;
}

static int compare_roles(struct effect *effect)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < effect->new->n_roles; i++) {
		const struct role *new = &effect->new->roles[i];
		const struct role *old = find_role(effect->old, new->name);

		if (!old)
			continue;
		r = compare_limit(effect,
				  &(struct limit){ new->name, "exe", old->exes, new->exes,
						   old->n_exes, new->n_exes });
		if (r == 0)
			r = compare_limit(effect,
					  &(struct limit){ new->name, "unit", old->units,
							   new->units, old->n_units,
							   new->n_units });
	}
	return r;
}

int effect_find_limits(struct effect *effect)
{
	int r = compare_roles(effect);

	if (!effect->old->has_limits)
		return r;
	for (size_t i = 0; r == 0 && i < effect->points.n_items; i++) {
		const struct point *point = &effect->points.items[i];

		if (is_freed(effect, point))
			r = effect_add_setting(effect, &(struct effect_setting){
							       point->path, "programs",
							       "limited", "any", true });
	}
	return r;
}
