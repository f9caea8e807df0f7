/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the people whom a policy is about, from the name service. */
#pragma once

#include <stdbool.h>

#include "config/decide.h"
#include "config/policy.h"

/* A group with more members is shown as a group. */
#define PEOPLE_OF_GROUP_MAX 1000

enum person_kind {
	PERSON_USER,
	PERSON_GROUP,	 /* whoever is in a role's group and holds no role but by it */
	PERSON_EVERYONE, /* whoever holds no role but `everyone` */
};

/* Whether the members of a group are listed one by one. */
enum listing {
	LISTING_WHOLE,	   /* as far as anybody can tell */
	LISTING_EMPTY,	   /* it has no members, or does not show them */
	LISTING_LARGE,	   /* more than PEOPLE_OF_GROUP_MAX: none of them is */
	LISTING_DIRECTORY, /* people->service need not list everybody */
	LISTING_FAILED,	   /* the name service could not tell */
};

struct person {
	enum person_kind kind;
	char *name;
	struct subject subject; /* its groups belong to the person */
	bool unknown;	      /* a user whom the name service does not know (any more) */
	enum listing listing; /* of a group */
	size_t n_members;     /* of a group, as far as it lists them */
};

struct people {
	/* Those that count now; borrowed, and set before they are gathered. NULL: none.
	 */
	const struct grants *grants;
	struct person *items; /* users, then groups, then everyone; each by name */
	size_t n_items;
	/* A service of nsswitch.conf(5) that need not list its users and members when it
	 * is asked for all; NULL: there is none. */
	char *service;
	char **strangers; /* members of groups whom the name service does not know */
	size_t n_strangers;
};

/* Gathers from NSS whoever holds a role of one of the policies by a group, as a user or
 * by a grant, each with all of their groups, each of the roles' groups, and everyone.
 * Returns 0, -ENOMEM, or -EIO if the name service could not tell. Zero-initialise, then
 * people_fini(), also on failure. */
int people_gather(const struct policy *const policies[], size_t n_policies,
		  struct people *ret);
void people_fini(struct people *people);

/* The same. Returns CTL_OK, or CTL_FAILED, having said why. */
int ctl_gather_people(const struct policy *const policies[], size_t n_policies,
		      struct people *ret);

bool person_has_group(const struct person *person, gid_t gid);

/* Why a group stands for its members, as a phrase, on stdout; nothing if its members are
 * listed. */
void person_print_listing(const struct people *people, const struct person *person);

/* One word for the listing: "whole", "empty", ...; static storage. */
const char *listing_name(enum listing listing);

/* What is to be known about people who are not listed, on stdout, or nothing. */
void people_print_notes(const struct people *people);
