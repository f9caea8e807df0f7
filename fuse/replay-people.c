/* SPDX-License-Identifier: Apache-2.0 */
/* Who acted, as far as the record and the name service tell: roles by each policy. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "config/decide.h"
#include "config/identity.h"

#include "fuse/ctl-patience.h"
#include "fuse/replay-people.h"
#include "fuse/util.h"

/* Forged names must not take all memory: all are forgotten when there are so many. */
#define PEOPLE_MAX 8192

/* Whoever opened a file that somebody else uses is known by name only. */
struct person {
	bool has_ids;
	uid_t uid;
	gid_t gid;
	const char *name;
	struct replay_roles roles[];
};

struct replay_people {
	const struct policy *const *policies;
	size_t n_policies;
	void *tree; /* tsearch(3), of struct person */
	size_t n_people;
	struct person *last;
};

struct replay_people *replay_people_new(const struct policy *const policies[],
					size_t n_policies)
{
	struct replay_people *people = calloc(1, sizeof(*people));

	if (people)
		*people = (struct replay_people){ .policies = policies,
						  .n_policies = n_policies };
	return people;
}

static void person_free(void *node)
{
	struct person *person = node;

	free((char *)person->name);
	free(person);
}

static void forget_all(struct replay_people *people)
{
	tdestroy(people->tree, person_free);
	people->tree = people->last = NULL;
	people->n_people = 0;
}

struct replay_people *replay_people_free(struct replay_people *people)
{
	if (people)
		forget_all(people);
	free(people);
	return NULL;
}

static int compare(const void *one, const void *other)
{
	const struct person *a = one, *b = other;

	if (a->has_ids != b->has_ids)
		return a->has_ids - b->has_ids;
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->gid != b->gid)
		return a->gid < b->gid ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* What NSS knows of the person. A uid that has another name by now is another's. */
static void ask(const struct person *person, struct subject *subject, gid_t **ret_groups)
{
	size_t n_groups = 0;
	uid_t uid;
	gid_t gid;

	ctl_patience_start();
	if (identity_user(person->name, &uid, &gid, ret_groups, &n_groups) == 0) {
		if (!person->has_ids) {
			subject->uid = uid;
			subject->gid = gid;
		}
		subject->groups = *ret_groups;
		subject->n_groups = uid == subject->uid ? n_groups : 0;
	}
	ctl_patience_stop();
}

static void find_roles(const struct replay_people *people, struct person *person)
{
	struct subject known = { .uid = person->uid, .gid = person->gid };
	_cleanup_(freep) gid_t *groups = NULL;
	struct subject now = known;

	now.any_program = true; /* a record names no unit, and a program by name only */
	ask(person, &now, &groups);
	for (size_t i = 0; i < people->n_policies; i++) {
		const struct policy *policy = people->policies[i];

		policy_roles(policy, &known, &person->roles[i].least);
		policy_roles(policy, &now, &person->roles[i].now);
	}
}

static struct person *add(struct replay_people *people, const struct person *key)
{
	size_t size = people->n_policies * sizeof(struct replay_roles);
	struct person *person;

	if (people->n_people >= PEOPLE_MAX)
		forget_all(people);
	person = malloc(sizeof(*person) + size);
	if (!person)
		return NULL;
	*person = *key;
	person->name = strdup(key->name);
	if (!person->name || !tsearch(person, &people->tree, compare)) {
		person_free(person);
		return NULL;
	}
	people->n_people++;
	find_roles(people, person);
	return person;
}

const struct replay_roles *replay_people_roles(struct replay_people *people,
					       const struct record *record)
{
	struct person key = { .has_ids = !record->opener,
			      .uid = (uid_t)-1,
			      .gid = (gid_t)-1,
			      .name = record->opener };
	struct person **found;

	if (key.has_ids) {
		key.uid = record->actor->uid;
		key.gid = record->actor->gid;
		key.name = record->actor->acct;
	}
	if (people->last && compare(people->last, &key) == 0)
		return people->last->roles;
	found = tfind(&key, &people->tree, compare);
	people->last = found ? *found : add(people, &key);
	return people->last ? people->last->roles : NULL;
}
