/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: does anybody hold what should be in two hands? */
#include <string.h>

#include "config/decide.h"

#include "fuse/ctl-rights.h"
#include "fuse/doctor.h"

enum { PROMOTES, APPROVES };

/* The rule: whoever can put a model where it is promoted from must not be able to promote
 * or approve it. Else one person alone decides what production runs. */
static const struct doctor_check checks[] = {
	[PROMOTES] = { "conflict-promote", DOCTOR_WARNING,
		       "one person can make or change a model and promote it as well, so "
		       "that nobody else has to look at it",
		       "take {} out of one of the two groups, or split the role" },
	[APPROVES] = { "conflict-approve", DOCTOR_WARNING,
		       "one person can make or change a model and approve it as well, so "
		       "that the approval is of their own work",
		       "take {} out of one of the two groups, or split the role" },
};

static const struct {
	const struct doctor_check *check;
	enum verb verb;
} conflicts[] = {
	{ &checks[PROMOTES], VERB_PROMOTE },
	{ &checks[APPROVES], VERB_APPROVE },
};

/* Which of these one may do there; N_VERBS: none. */
static enum verb making_verb(const struct rights *rights)
{
	static const enum verb making[] = { VERB_WRITE, VERB_CREATE, VERB_WRITE_OWN };

	for (size_t i = 0; i < sizeof(making) / sizeof(making[0]); i++) {
		if (rights->verbs & VERB_SET(making[i]))
			return making[i];
	}
	return N_VERBS;
}

static void look_at_person(struct doctor *doctor, const struct person *person,
			   const struct zone *zone)
{
	const struct zone *from = policy_zone(doctor->policy, zone->promote_from);
	struct rights here, there;
	enum verb making;

	ctl_rights(doctor->policy, &person->subject, zone, &here);
	ctl_rights(doctor->policy, &person->subject, from, &there);
	making = making_verb(&there);
	for (size_t i = 0; making < N_VERBS && i < 2; i++) {
		enum verb verb = conflicts[i].verb;

		if (!(here.verbs & VERB_SET(verb)))
			continue;
		doctor_found(doctor, conflicts[i].check, person->name,
			     "may %s in %s (as %s, line %u) and %s in %s, which is "
			     "promoted from (as %s, line %u)",
			     verb_name(verb), zone->name, here.verdicts[verb].role->name,
			     here.verdicts[verb].line, verb_name(making), from->name,
			     there.verdicts[making].role->name,
			     there.verdicts[making].line);
	}
}

/* The members that a group lists stand for it. */
static bool stands_alone(const struct person *person)
{
	return person->kind != PERSON_GROUP || person->listing == LISTING_LARGE ||
	       person->listing == LISTING_DIRECTORY || person->listing == LISTING_FAILED;
}

static void look(struct doctor *doctor)
{
	const struct policy *policy = doctor->policy;

	if (!doctor->has_people) {
		doctor_unknown(doctor, &checks[PROMOTES], doctor->policy_file,
			       "without a policy and its people");
		return;
	}
	for (size_t i = 0; i < policy->n_zones; i++) {
		if (!policy->zones[i].promote_from)
			continue;
		for (size_t j = 0; j < doctor->people.n_items; j++) {
			if (stands_alone(&doctor->people.items[j]))
				look_at_person(doctor, &doctor->people.items[j],
					       &policy->zones[i]);
		}
	}
}

const struct doctor_area doctor_people = { DOCTOR_CHECKS(checks), false, look };
