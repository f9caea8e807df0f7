/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a policy. */
#include <stdlib.h>
#include <string.h>

#include "config/policy.h"
#include "config/zone-index.h"

struct policy *policy_ref(struct policy *policy)
{
	__atomic_add_fetch(&policy->n_refs, 1, __ATOMIC_RELAXED);
	return policy;
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

static void free_role(struct role *role)
{
	free_texts(role->exes, role->n_exes);
	free_texts(role->units, role->n_units);
	free(role->name);
	free(role->gids);
	free(role->uids);
}

static void free_zone(struct zone *zone)
{
	free(zone->name);
	free(zone->path);
	free(zone->grants);
	free(zone->promote_from);
	free(zone->retain_text);
}

struct policy *policy_unref(struct policy *policy)
{
	if (!policy || __atomic_sub_fetch(&policy->n_refs, 1, __ATOMIC_ACQ_REL) != 0)
		return NULL;

	for (size_t i = 0; i < policy->n_roles; i++)
		free_role(&policy->roles[i]);
	for (size_t i = 0; i < policy->n_zones; i++)
		free_zone(&policy->zones[i]);
	zone_index_free(policy->index);
	free(policy->roles);
	free(policy->zones);
	free(policy->by_gid);
	free(policy->by_uid);
	free(policy->file);
	free(policy->text);
	free(policy->max_grant_text);
	free(policy->grantable_text);
	free(policy);
	return NULL;
}

void policy_unrefp(struct policy **policy)
{
	*policy = policy_unref(*policy);
}

const char *policy_line(const struct policy *policy, unsigned line, size_t *ret_length)
{
	const char *p = policy->text, *end = policy->text + policy->length, *newline;

	if (line == 0)
		return NULL;
	for (; p < end; p = newline + 1) {
		newline = memchr(p, '\n', (size_t)(end - p));
		if (!newline)
			newline = end;
		if (--line == 0) {
			*ret_length = (size_t)(newline - p);
			return p;
		}
	}
	return NULL;
}
