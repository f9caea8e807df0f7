/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the people whom a policy is about, from the name service. */
#include <stdio.h>
#include <string.h>

#include "config/identity.h"

#include "fuse/ctl-nsswitch.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl-people.h"
#include "fuse/ctl.h"
#include "fuse/moment.h"
#include "fuse/util.h"

#define NAME_SIZE 256
#define NO_ID	  ((uint32_t)-1)

struct names {
	char **items;
	size_t n_items, room;
};

/* A group of a role, and who is in it. */
struct crowd {
	gid_t gid;
	size_t n_members;
	struct names names; /* of the members, as long as they are few enough */
	bool failed;
};

struct gathering {
	struct crowd *crowds; /* by gid, each once */
	size_t n_crowds;
	struct names names; /* of whoever may hold a role */
	struct people *people;
};

static void names_fini(struct names *names)
{
	identity_names_free(names->items, names->n_items);
}

static int names_add(struct names *names, const char *name)
{
	if (names->n_items == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		char **more = reallocarray(names->items, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		names->items = more;
		names->room = room;
	}
	names->items[names->n_items] = strdup(name);
	if (!names->items[names->n_items])
		return -ENOMEM;
	names->n_items++;
	return 0;
}

static int compare_names(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static void names_unique(struct names *names)
{
	size_t n = 0;

	if (names->n_items > 0)
		qsort(names->items, names->n_items, sizeof(*names->items), compare_names);
	for (size_t i = 0; i < names->n_items; i++) {
		if (n > 0 && strcmp(names->items[n - 1], names->items[i]) == 0)
			free(names->items[i]);
		else
			names->items[n++] = names->items[i];
	}
	names->n_items = n;
}

static void gathering_fini(struct gathering *gathering)
{
	for (size_t i = 0; i < gathering->n_crowds; i++)
		names_fini(&gathering->crowds[i].names);
	free(gathering->crowds);
	names_fini(&gathering->names);
}

static int compare_crowds(const void *one, const void *other)
{
	const struct crowd *a = one, *b = other;

	return a->gid < b->gid ? -1 : a->gid > b->gid;
}

/* The groups of all roles, each once. */
static int find_crowds(struct gathering *gathering, const struct policy *const policies[],
		       size_t n_policies)
{
	struct crowd *crowds;
	size_t n = 0, n_unique = 0;

	for (size_t i = 0; i < n_policies; i++)
		n += policies[i]->n_by_gid;
	crowds = calloc(n + 1, sizeof(*crowds));
	if (!crowds)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < n_policies; i++) {
		for (size_t j = 0; j < policies[i]->n_by_gid; j++)
			crowds[n++].gid = policies[i]->by_gid[j].id;
	}
	qsort(crowds, n, sizeof(*crowds), compare_crowds);
	for (size_t i = 0; i < n; i++) {
		if (n_unique == 0 || crowds[n_unique - 1].gid != crowds[i].gid)
			crowds[n_unique++] = crowds[i];
	}
	gathering->crowds = crowds;
	gathering->n_crowds = n_unique;
	return 0;
}

static int crowd_add(struct crowd *crowd, const char *name)
{
	crowd->n_members++;
	return crowd->n_members <= PEOPLE_OF_GROUP_MAX ? names_add(&crowd->names, name)
						       : 0;
}

static int list_members(struct crowd *crowd)
{
	char **names = NULL;
	size_t n = 0;
	int r;

	ctl_patience_start();
	r = identity_group_members(crowd->gid, &names, &n);
	if (r == -EIO)
		crowd->failed = true;
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = crowd_add(crowd, names[i]);
	identity_names_free(names, n);
	return r;
}

/* Is somebody's primary group one of the roles'? */
static int add_primary(void *data, const char *name, gid_t gid)
{
	struct gathering *gathering = data;
	const struct crowd key = { .gid = gid };
	struct crowd *crowd = bsearch(&key, gathering->crowds, gathering->n_crowds,
				      sizeof(key), compare_crowds);

	ctl_patience_start();
	return crowd ? crowd_add(crowd, name) : 0;
}

static struct person *new_person(struct people *people, enum person_kind kind,
				 const char *name)
{
	struct person *more =
		reallocarray(people->items, people->n_items + 1, sizeof(*people->items));
	struct person *person;

	if (!more)
		return NULL;
	people->items = more;
	person = &more[people->n_items];
	*person = (struct person){
		.kind = kind,
		.name = strdup(name),
		.subject = { .uid = NO_ID, .gid = NO_ID, .any_program = true },
	};
	if (!person->name)
		return NULL;
	people->n_items++;
	return person;
}

static enum listing listing_of(const struct people *people, const struct crowd *crowd)
{
	if (crowd->failed)
		return LISTING_FAILED;
	if (crowd->n_members > PEOPLE_OF_GROUP_MAX)
		return LISTING_LARGE;
	if (people->service)
		return LISTING_DIRECTORY;
	return crowd->n_members == 0 ? LISTING_EMPTY : LISTING_WHOLE;
}

/* The group itself, and its members into the names unless they are too many. */
static int add_crowd(struct gathering *gathering, struct crowd *crowd)
{
	char name[NAME_SIZE];
	struct person *group;
	int r = 0;

	if (crowd->n_members <= PEOPLE_OF_GROUP_MAX) {
		names_unique(&crowd->names); /* listed, and by primary group */
		crowd->n_members = crowd->names.n_items;
	}
	ctl_patience_start();
	identity_group_name(crowd->gid, name, sizeof(name));
	group = new_person(gathering->people, PERSON_GROUP, name);
	if (!group)
		return -ENOMEM;
	group->subject.gid = crowd->gid;
	group->n_members = crowd->n_members;
	group->listing = listing_of(gathering->people, crowd);
	if (group->listing == LISTING_LARGE)
		return 0;
	for (size_t i = 0; i < crowd->names.n_items && r == 0; i++)
		r = names_add(&gathering->names, crowd->names.items[i]);
	return r;
}

static int add_crowds(struct gathering *gathering)
{
	int r = 0;

	for (size_t i = 0; i < gathering->n_crowds && r == 0; i++)
		r = list_members(&gathering->crowds[i]);
	if (r < 0)
		return r;
	ctl_patience_start();
	r = identity_each_user(add_primary, gathering);
	/* What it cannot list is then shown by its groups. */
	if (r == -EIO && !gathering->people->service) {
		gathering->people->service = strdup("the name service");
		r = gathering->people->service ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < gathering->n_crowds && r == 0; i++)
		r = add_crowd(gathering, &gathering->crowds[i]);
	return r;
}

/* The single users of roles, by name; one whom nobody knows is a person by number. */
static int add_users(struct gathering *gathering, const struct policy *policy)
{
	int r = 0;

	for (size_t i = 0; i < policy->n_by_uid && r == 0; i++) {
		uid_t uid = policy->by_uid[i].id;
		struct person *person;
		char name[NAME_SIZE];

		ctl_patience_start();
		if (identity_user_name(uid, name, sizeof(name)) == 0) {
			r = names_add(&gathering->names, name);
			continue;
		}
		person = new_person(gathering->people, PERSON_USER, name);
		if (!person)
			return -ENOMEM;
		person->unknown = true;
		person->subject.uid = uid;
	}
	return r;
}

/* Who holds a role by a grant only. */
static int add_granted(struct gathering *gathering)
{
	const struct grants *grants = gathering->people->grants;
	int r = 0;

	for (size_t i = 0; grants && i < grants->n_items && r == 0; i++)
		r = names_add(&gathering->names, grants->items[i].user.name);
	return r;
}

static int add_stranger(struct people *people, const char *name)
{
	char **more = reallocarray(people->strangers, people->n_strangers + 1,
				   sizeof(*people->strangers));

	if (!more)
		return -ENOMEM;
	people->strangers = more;
	more[people->n_strangers] = strdup(name);
	if (!more[people->n_strangers])
		return -ENOMEM;
	people->n_strangers++;
	return 0;
}

/* All that the name service knows of one user, as explain asks it. */
static int add_user(struct people *people, const char *name)
{
	struct subject subject = { .any_program = true };
	gid_t *groups = NULL;
	struct person *person;
	int r;

	ctl_patience_start();
	r = identity_user(name, &subject.uid, &subject.gid, &groups, &subject.n_groups);
	if (r == -ENOENT)
		return add_stranger(people, name);
	if (r < 0)
		return r;
	subject.groups = groups;
	subject.grants = people->grants;
	subject.now = moment_now();
	person = new_person(people, PERSON_USER, name);
	if (!person) {
		free(groups);
		return -ENOMEM;
	}
	person->subject = subject;
	return 0;
}

static int compare_people(const void *one, const void *other)
{
	const struct person *a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* A user without a name may have come from each of the policies. */
static void drop_repeated(struct people *people)
{
	size_t n = 0;

	qsort(people->items, people->n_items, sizeof(*people->items), compare_people);
	for (size_t i = 0; i < people->n_items; i++) {
		struct person *person = &people->items[i];

		if (n > 0 && person->unknown && people->items[n - 1].unknown &&
		    people->items[n - 1].subject.uid == person->subject.uid)
			free(person->name);
		else
			people->items[n++] = *person;
	}
	people->n_items = n;
}

int people_gather(const struct policy *const policies[], size_t n_policies,
		  struct people *ret)
{
	_cleanup_(gathering_fini) struct gathering gathering = { .people = ret };
	int r;

	r = nsswitch_unlisting(&ret->service);
	if (r == 0)
		r = find_crowds(&gathering, policies, n_policies);
	if (r == 0)
		r = add_crowds(&gathering);
	for (size_t i = 0; i < n_policies && r == 0; i++)
		r = add_users(&gathering, policies[i]);
	if (r == 0)
		r = add_granted(&gathering);
	names_unique(&gathering.names);
	for (size_t i = 0; i < gathering.names.n_items && r == 0; i++)
		r = add_user(ret, gathering.names.items[i]);
	if (r == 0 && !new_person(ret, PERSON_EVERYONE, "everyone"))
		r = -ENOMEM;
	ctl_patience_stop();
	if (r == 0)
		drop_repeated(ret);
	return r;
}

int ctl_gather_people(const struct policy *const policies[], size_t n_policies,
		      struct people *ret)
{
	int r = people_gather(policies, n_policies, ret);

	if (r == -ENOMEM)
		return ctl_fail("no memory");
	if (r < 0)
		return ctl_fail("the name service cannot tell who is in the groups: see "
				"/etc/nsswitch.conf and what it names");
	return CTL_OK;
}

void people_fini(struct people *people)
{
	for (size_t i = 0; i < people->n_items; i++) {
		free(people->items[i].name);
		free((gid_t *)people->items[i].subject.groups);
	}
	free(people->items);
	free(people->service);
	identity_names_free(people->strangers, people->n_strangers);
}

bool person_has_group(const struct person *person, gid_t gid)
{
	if (person->subject.gid == gid)
		return true;
	for (size_t i = 0; i < person->subject.n_groups; i++) {
		if (person->subject.groups[i] == gid)
			return true;
	}
	return false;
}

void person_print_listing(const struct people *people, const struct person *person)
{
	switch (person->listing) {
	case LISTING_WHOLE:
		break;
	case LISTING_EMPTY:
		fputs("it lists no members", stdout);
		break;
	case LISTING_LARGE:
		printf("%zu members, too many to list", person->n_members);
		break;
	case LISTING_DIRECTORY:
		ctl_puts_safe(stdout, people->service);
		fputs(" need not list all of its members", stdout);
		break;
	case LISTING_FAILED:
		fputs("its members cannot be listed", stdout);
		break;
	}
}

const char *listing_name(enum listing listing)
{
	static const char *const names[] = {
		[LISTING_WHOLE] = "whole",   [LISTING_EMPTY] = "empty",
		[LISTING_LARGE] = "large",   [LISTING_DIRECTORY] = "directory",
		[LISTING_FAILED] = "failed",
	};

	return names[listing];
}

void people_print_notes(const struct people *people)
{
	if (people->n_strangers > 0) {
		fputs("\nUnknown to the name service, though groups list them: ", stdout);
		for (size_t i = 0; i < people->n_strangers; i++) {
			fputs(i == 0 ? "" : ", ", stdout);
			ctl_puts_safe(stdout, people->strangers[i]);
		}
		putchar('\n');
	}
	if (people->service) {
		putchar('\n');
		ctl_puts_safe(stdout, people->service);
		puts(" need not list all of its users: groups stand for whoever is "
		     "missing.");
	}
}
