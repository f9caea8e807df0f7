/* SPDX-License-Identifier: Apache-2.0 */
/* Grants that end: roles that are lent to single users until a time. They are kept beside
 * the policy, in a file of their own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/policy-load.h"

#define GRANTS_MAX     1000 /* of one file */
#define GRANT_TEXT_MAX 150  /* bytes of a user's name, and of a reason */

/* When a grant is looked at, in seconds. Two clocks, as one can be set. */
struct moment {
	int64_t wall; /* CLOCK_REALTIME */
	int64_t boot; /* CLOCK_BOOTTIME */
};

/* Why a grant is void whatever the time is: found out when it is loaded. */
enum grant_fault {
	GRANT_SOUND,
	GRANT_NO_ROLE,	     /* the policy does not have the role (any more) */
	GRANT_NOT_GRANTABLE, /* it does not let it be granted */
	GRANT_TOO_LONG,	     /* not for so long */
	GRANT_NO_USER,	     /* the name service does not know the user (any more) */
	GRANT_OTHER_USER,    /* the name is another uid's by now */
	GRANT_OVER,	     /* it had ended when it was loaded */
};

/* Somebody, as they were when it was written down. */
struct grant_person {
	char *name;
	uid_t uid;
};

/* One [grant ID] of the file. The strings are the set's. */
struct timed_grant {
	unsigned id;
	unsigned line; /* of its section; 0: it was not read */
	struct grant_person user, by;
	char *role_name;
	char *reason;
	int64_t from, until; /* CLOCK_REALTIME */
	int64_t boot_from;   /* CLOCK_BOOTTIME when it was made */
	int64_t revoked;     /* CLOCK_REALTIME; 0: it is not */
	struct grant_person revoked_by;
	/* Set by grants_judge(): */
	enum grant_fault fault;
	unsigned role;	    /* index into the roles of the policy */
	int64_t boot_until; /* CLOCK_BOOTTIME */
};

/* Immutable once it is shared. */
struct grants {
	unsigned n_refs; /* atomic */
	struct timed_grant *items;
	size_t n_items;
	struct grants *parent; /* owns the strings; NULL: this set does */
	char *text;	       /* the bytes that were parsed; NULL: none were */
	size_t length;
};

/* An empty set, or NULL without memory. */
struct grants *grants_new(void);

/* Any thread. NULL is fine for unref; it returns NULL. */
struct grants *grants_ref(struct grants *grants);
struct grants *grants_unref(struct grants *grants);
void grants_unrefp(struct grants **grants); /* for __attribute__((cleanup)) */

/* Adds a copy. Returns 0 or -ENOMEM. */
int grants_add(struct grants *grants, const struct timed_grant *grant);

/* Drops those that have ended by the wall clock, revoked ones too. */
void grants_drop_ended(struct grants *grants, int64_t wall);

/* The set as the text of a file: a new string, or NULL without memory. */
char *grants_compose(const struct grants *grants, size_t *ret_length);

/* Whether a name or a reason can be written to the file and read back: 1 to
 * GRANT_TEXT_MAX bytes, no control bytes, no blank at either end, and no ';' at its
 * beginning or after a blank, where it would begin a comment. */
bool grant_text_fits(const char *text);

/* "FILE.grants", for the policy FILE: a new string, or NULL without memory. */
char *grants_file_of(const char *policy_file);

/* Parses the text of a file. Returns 0 and a reference in *ret, -EINVAL with complaints,
 * or -ENOMEM. */
int grants_parse(const char *text, size_t length, struct complaints *complaints,
		 struct grants **ret);

/* Finds each one's role, and what makes it void, under a policy and by what the name
 * service says. Returns 0, -ENOMEM, or -EINVAL with complaints:
 * it could not be told of a user. */
int grants_judge(struct grants *grants, const struct policy *policy,
		 const struct name_lookup *names, const struct moment *now,
		 struct complaints *complaints);

/* Reads, parses and judges the grants beside a policy's file; no file: none. Refused
 * whole, as the policy is, if others could have written it. Returns as policy_load(). */
int grants_load(const struct policy *policy, const struct name_lookup *names,
		const struct moment *now, struct complaints *complaints,
		struct grants **ret);

/* Whether it is in force: not void, not revoked, and of this moment by both clocks. */
bool grant_is_valid(const struct timed_grant *grant, const struct moment *now);

/* Those that are in force: a set that refers to the one it was made from. NULL without
 * memory. */
struct grants *grants_select(struct grants *grants, const struct moment *now);

/* Those of a set of which another has the same: also a set that refers to the first one.
 * NULL without memory. */
struct grants *grants_keep(struct grants *grants, const struct grants *other);

/* Whether it is the same grant, also of another set. */
bool grant_same(const struct timed_grant *one, const struct timed_grant *other);

/* The one of a set that is the same, or NULL. NULL for the set is fine. */
const struct timed_grant *grants_find(const struct grants *grants,
				      const struct timed_grant *grant);

/* The next moment at which, by either clock, one of them begins or ends; INT64_MAX:
 * never. */
void grants_next_change(const struct grants *grants, const struct moment *now,
			struct moment *ret);

/* What it is now, in one word for a program ("in-force", "not-begun", "ended", "revoked",
 * "void"), and why it is void, as a phrase. Static storage. */
const char *grant_state_name(const struct timed_grant *grant, const struct moment *now);
const char *grant_fault_name(enum grant_fault fault);
