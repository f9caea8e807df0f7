/* SPDX-License-Identifier: Apache-2.0 */
/* A slow decider that is plainly right: loops over the semantics 1 to 6 of policy.ini(5),
 * for the tests alone. It shares no code with config/ and parses nothing: it works on a
 * model, from which the policy's text is printed as well. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define REF_ROLES      6 /* besides `everyone` */
#define REF_IDS	       3 /* groups, and users, that a role names */
#define REF_ZONES      8
#define REF_DEPTH      4 /* components of a path */
#define REF_COMPONENTS 4
#define REF_TEXT_MAX   16384

/* A component is an index into ref_components, the last one "*". */
extern const char *const ref_components[REF_COMPONENTS + 1];
#define REF_STAR REF_COMPONENTS

struct ref_path {
	unsigned n;
	unsigned components[REF_DEPTH + 1];
};

struct ref_role {
	unsigned n_gids, n_uids;
	uint32_t gids[REF_IDS], uids[REF_IDS];
	bool includes[REF_ROLES]; /* directly */
};

/* The verbs of one `allow` line, by their places in ref_verbs; 0: no line. */
struct ref_zone {
	struct ref_path path;
	uint32_t grants[REF_ROLES + 1];	     /* by role; the last is `everyone` */
	unsigned grant_lines[REF_ROLES + 1]; /* set by ref_print() */
	unsigned line;			     /* the same */
};
#define REF_EVERYONE REF_ROLES

struct ref_policy {
	unsigned n_roles, n_zones;
	struct ref_role roles[REF_ROLES];
	struct ref_zone zones[REF_ZONES];
};

extern const char *const ref_verbs[];
extern const unsigned ref_n_verbs;

struct ref_subject {
	uint32_t uid, gid;
	const uint32_t *groups;
	unsigned n_groups;
};

/* Prints the policy; the model then knows its lines. */
void ref_print(struct ref_policy *policy, char *text, size_t size);

/* Whether the subject holds a role; REF_EVERYONE is held by all. */
bool ref_holds(const struct ref_policy *policy, const struct ref_subject *subject,
	       unsigned role);

/* The number of the zone that a path belongs to, or -1. */
int ref_zone_of(const struct ref_policy *policy, const struct ref_path *path);

/* The verbs that the subject has in a zone, "list" included. */
uint32_t ref_verbs_in(const struct ref_policy *policy, const struct ref_subject *subject,
		      int zone);

enum ref_answer { REF_ALLOWED, REF_NO_ZONE, REF_NO_ROLE, REF_NOT_GRANTED, REF_NOT_OWNER };

/* Decides an operation by its name in the records. */
enum ref_answer ref_decide(const struct ref_policy *policy,
			   const struct ref_subject *subject, int zone,
			   const char *operation, bool owns);

/* Whether any path below this one is in a zone where the subject has a verb. */
bool ref_leads_to_listed(const struct ref_policy *policy,
			 const struct ref_subject *subject, const struct ref_path *path);

/* Whether a zone's path lies properly below. */
bool ref_zones_below(const struct ref_policy *policy, const struct ref_path *path);
