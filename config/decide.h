/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: pure functions of a policy and a question. No allocation, lock or I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "config/grants.h"
#include "config/operation.h"
#include "config/policy.h"

/* Who asks. Borrowed by every call that takes it. */
struct subject {
	uid_t uid;
	gid_t gid;
	const gid_t
		*groups; /* supplementary, in any order; NULL is fine if there are none */
	size_t n_groups;
	const char *exe;  /* its program, absolute; NULL: unknown, so no role that asks */
	const char *unit; /* the systemd unit that it runs in; NULL: unknown, or none */
	bool any_program; /* a question about a person: as if by the right program */
	/* Roles may be lent to it, too. Judged under the policy that is asked; NULL: none
	 * count. */
	const struct grants *grants;
	struct moment now; /* when the grants are looked at */
};

/* How a role came to a subject. */
enum role_origin {
	ROLE_NOT_HELD,
	ROLE_BY_EVERYONE,
	ROLE_BY_USER,	 /* users = */
	ROLE_BY_GROUP,	 /* groups = ; *ret_gid says which */
	ROLE_BY_GRANT,	 /* one that ends; *ret_grant says which */
	ROLE_BY_INCLUDE, /* *ret_via is the directly held role that includes it */
};

struct role_holding {
	enum role_origin origin;
	gid_t gid;			 /* for ROLE_BY_GROUP */
	const struct timed_grant *grant; /* for ROLE_BY_GRANT; the one that ends last */
	unsigned via; /* for ROLE_BY_INCLUDE: index of the directly held role */
};

enum decision {
	DECISION_DENIED, /* zero: denied */
	DECISION_ALLOWED,
};

enum denial_reason {
	DENIAL_NONE,	    /* allowed */
	DENIAL_NO_ZONE,	    /* the path is in no zone */
	DENIAL_NO_ROLE,	    /* no role of the subject is granted anything in the zone */
	DENIAL_NOT_GRANTED, /* a role is granted something there, but not this */
	DENIAL_NOT_OWNER,   /* an -own verb is held, but the object is somebody else's */
};

/* Zero-initialised, it denies. */
struct verdict {
	enum decision decision;
	enum denial_reason reason;
	enum verb verb; /* allowed: the verb that decided; denied: the one missing */
	const struct zone *zone; /* NULL: none; lives as long as the policy */
	const struct role *role; /* the role whose grant decided; NULL: none applies */
	unsigned line; /* of the policy: the grant's, else the zone's section, else 0 */
};

/* All roles that a subject holds: directly, by a grant that is in force, by inclusion,
 * and `everyone`. */
void policy_roles(const struct policy *policy, const struct subject *subject,
		  struct role_set *ret);

/* Whether roles that it would hold depend on its program or its unit: these are worth
 * finding out then. */
bool policy_asks_program(const struct policy *policy, const struct subject *subject);

/* How it holds one role; the direct ways are preferred to inclusion. */
void policy_role_holding(const struct policy *policy, const struct subject *subject,
			 unsigned role, struct role_holding *ret);

/* The zone of a path ("/", "/a/b": absolute within the share, no trailing slash, no "."
 * or
 * ".." component, any other byte). NULL if no zone matches: nothing is granted there. */
const struct zone *policy_zone(const struct policy *policy, const char *path);

/* Whether a zone's path lies properly below this one (with "*" matching any component),
 * so that what is below belongs to other zones, or may. */
bool policy_zones_below(const struct policy *policy, const char *path);

/* Whether roles hold any verb in a zone properly below the path: the path may then be
 * walked through although its own zone grants nothing. */
bool policy_leads_to_listed(const struct policy *policy, const struct role_set *roles,
			    const char *path);

/* One of the zones that it leads to, or NULL; slower, for showing. */
const struct zone *policy_zone_led_to(const struct policy *policy,
				      const struct role_set *roles, const char *path);

/* The verbs that a set of roles holds in a zone (NULL: none). */
verb_set policy_verbs(const struct policy *policy, const struct role_set *roles,
		      const struct zone *zone);

/* Decides. `owns`: the subject's uid owns the object. `now`: when; the roles are those of
 * that time, and nothing else depends on it yet. The verdict's pointers live as long as
 * the policy.
 *
 * Allowed: the verb is the last one that was required (its -own form if that was what is
 * held), role and line are of the first grant that has it. Denied: the verb is the first
 * one missing, role and line are of the first grant that applies to the subject at all,
 * with DENIAL_NOT_OWNER of the first that would do if the subject owned the object. */
void policy_decide(const struct policy *policy, const struct role_set *roles,
		   const struct zone *zone, enum operation operation, bool owns,
		   time_t now, struct verdict *ret);

/* One phrase: "not granted", "only what you own", ...; static storage. */
const char *denial_reason_name(enum denial_reason reason);
