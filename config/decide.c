/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: pure functions of a policy and a question. */
#include <string.h>

#include "config/decide.h"
#include "config/zone-index.h"

const struct zone *policy_zone(const struct policy *policy, const char *path)
{
	int number = zone_index_find(policy->index, path);

	return number < 0 ? NULL : &policy->zones[number];
}

bool policy_zones_below(const struct policy *policy, const char *path)
{
	return zone_index_has_below(policy->index, path);
}

bool policy_leads_to_listed(const struct policy *policy, const struct role_set *roles,
			    const char *path)
{
	return zone_index_leads(policy->index, roles, path);
}

const struct zone *policy_zone_led_to(const struct policy *policy,
				      const struct role_set *roles, const char *path)
{
	int number = zone_index_leads_to(policy->index, roles, path);

	return number < 0 ? NULL : &policy->zones[number];
}

verb_set policy_verbs(const struct policy *policy, const struct role_set *roles,
		      const struct zone *zone)
{
	verb_set verbs = 0;

	(void)policy;
	for (size_t i = 0; zone && i < zone->n_grants; i++) {
		if (role_set_has(roles, zone->grants[i].role))
			verbs |= zone->grants[i].verbs;
	}
	return verbs;
}

/* The -own form of a verb, or 0. */
static verb_set own_twin(enum verb verb)
{
	switch (verb) {
	case VERB_WRITE:
		return VERB_SET(VERB_WRITE_OWN);
	case VERB_DELETE:
		return VERB_SET(VERB_DELETE_OWN);
	default:
		return 0;
	}
}

/* What the verbs amount to on an object of the subject's own. */
static verb_set as_owner(verb_set verbs)
{
	if (verbs & VERB_SET(VERB_WRITE_OWN))
		verbs |= VERB_SET(VERB_WRITE);
	if (verbs & VERB_SET(VERB_DELETE_OWN))
		verbs |= VERB_SET(VERB_DELETE);
	return verbs;
}

static bool suffices(verb_set held, verb_set needed, bool any)
{
	if (needed == 0)
		return false;
	return any ? (held & needed) != 0 : (needed & ~held) == 0;
}

/* The set of the rule by which the verbs allow the operation, or 0. */
static verb_set allowing_set(const struct operation_rule *rule, verb_set held, bool owns)
{
	if (owns)
		held = as_owner(held);
	if (suffices(held, rule->verbs, rule->any))
		return rule->verbs;
	if (owns && suffices(held, rule->owner_verbs, rule->any))
		return rule->owner_verbs;
	return 0;
}

static enum verb first_verb(verb_set set)
{
	return (enum verb)__builtin_ctz(set);
}

static enum verb last_verb(verb_set set)
{
	return (enum verb)(31 - __builtin_clz(set));
}

/* The first grant of the zone that applies and has one of the verbs (any: 0), or NULL. */
static const struct grant *applying_grant(const struct zone *zone,
					  const struct role_set *roles, verb_set verbs)
{
	for (size_t i = 0; i < zone->n_grants; i++) {
		const struct grant *grant = &zone->grants[i];

		if (role_set_has(roles, grant->role) &&
		    (verbs == 0 || (grant->verbs & verbs) != 0))
			return grant;
	}
	return NULL;
}

static void set_grant(struct verdict *verdict, const struct policy *policy,
		      const struct grant *grant)
{
	verdict->role = &policy->roles[grant->role];
	verdict->line = grant->line;
}

/* The last verb of the set decided; the plain form goes before the -own form. */
static void allow(const struct policy *policy, const struct role_set *roles,
		  verb_set needed, bool owns, struct verdict *ret)
{
	verb_set held = policy_verbs(policy, roles, ret->zone);
	enum verb verb = last_verb(needed & (owns ? as_owner(held) : held));

	if (!(held & VERB_SET(verb)))
		verb = last_verb(own_twin(verb) & held);
	ret->decision = DECISION_ALLOWED;
	ret->reason = DENIAL_NONE;
	ret->verb = verb;
	set_grant(ret, policy, applying_grant(ret->zone, roles, VERB_SET(verb)));
}

/* The first verb that is missing, of what asks least. */
static void deny(const struct policy *policy, const struct role_set *roles,
		 const struct operation_rule *rule, bool owns, struct verdict *ret)
{
	verb_set held = policy_verbs(policy, roles, ret->zone);
	verb_set needed = owns && rule->owner_verbs ? rule->owner_verbs : rule->verbs;
	verb_set missing = needed & ~(owns ? as_owner(held) : held);
	const struct grant *grant = applying_grant(ret->zone, roles, 0);

	if (missing != 0)
		ret->verb = first_verb(missing);
	ret->line = ret->zone->line;
	ret->reason = DENIAL_NO_ROLE;
	if (!grant)
		return;
	ret->reason = DENIAL_NOT_GRANTED;
	if (!owns && allowing_set(rule, held, true) != 0) {
		verb_set own = own_twin(ret->verb) | rule->owner_verbs;
		const struct grant *twin;

		if (rule->owner_verbs & VERB_SET(VERB_WRITE))
			own |= own_twin(VERB_WRITE);
		twin = own ? applying_grant(ret->zone, roles, own) : NULL;
		if (twin)
			grant = twin;
		ret->reason = DENIAL_NOT_OWNER;
	}
	set_grant(ret, policy, grant);
}

void policy_decide(const struct policy *policy, const struct role_set *roles,
		   const struct zone *zone, enum operation operation, bool owns,
		   time_t now, struct verdict *ret)
{
	const struct operation_rule *rule = operation_rule(operation);
	verb_set held, needed;

	(void)now; /* roles that end have ended in policy_roles() */
	*ret = (struct verdict){
		.decision = DECISION_DENIED,
		.reason = DENIAL_NO_ZONE,
		.zone = zone,
	};
	if (rule->verbs != 0)
		ret->verb = first_verb(rule->verbs);
	if (!zone)
		return;

	held = policy_verbs(policy, roles, zone);
	needed = allowing_set(rule, held, owns);
	if (needed != 0)
		allow(policy, roles, needed, owns, ret);
	else
		deny(policy, roles, rule, owns, ret);
}

const char *denial_reason_name(enum denial_reason reason)
{
	switch (reason) {
	case DENIAL_NONE:
		return "granted";
	case DENIAL_NO_ZONE:
		return "in no zone";
	case DENIAL_NO_ROLE:
		return "no role here";
	case DENIAL_NOT_GRANTED:
		return "not granted";
	case DENIAL_NOT_OWNER:
		return "only what you own";
	}
	return "unknown";
}
