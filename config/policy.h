/* SPDX-License-Identifier: Apache-2.0 */
/* The policy as it was read: roles, zones and grants. Immutable once loaded. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/verb.h"

#define POLICY_ROLES_MAX 256 /* roles a policy may have, `everyone` included */
#define POLICY_ZONES_MAX 4096
#define POLICY_BYTES_MAX (16u << 20) /* a larger file is refused before it is read */

#define POLICY_GRANT_DEFAULT	  (24 * 60 * 60) /* s: max-grant, if it is not written */
#define POLICY_GRANT_DEFAULT_TEXT "24h"
#define POLICY_GRANT_MAX	  (366 * 24 * 60 * 60) /* s: the largest max-grant */

enum audit_failure { AUDIT_FAILURE_DENY, AUDIT_FAILURE_ALLOW };
enum audit_writes { AUDIT_WRITES_EACH, AUDIT_WRITES_RANGES };
enum groups_from { GROUPS_FROM_PROCESS, GROUPS_FROM_DATABASE };
enum zone_modes { ZONE_MODES_ROLE, ZONE_MODES_OWNER };
enum mapped_writes { MAPPED_WRITES_ALLOW, MAPPED_WRITES_REFUSE };

enum gate_format {
	GATE_SAFETENSORS = 1 << 0,
	GATE_GGUF = 1 << 1,
	GATE_ONNX = 1 << 2,
};

#define GATE_APPROVALS_MAX 8

/* What a promotion into a zone takes beside the verb. Zeroed: no more than that nothing
 * in it is a pickle. */
struct gates {
	bool separation;    /* who wrote any of it cannot promote it */
	unsigned approvals; /* by so many people */
	unsigned formats;   /* bits of enum gate_format; 0: any */
	bool pickle;	    /* what runs code when it is loaded may pass */
};

/* A set of roles, one bit for each index into policy->roles. */
struct role_set {
	uint64_t bits[POLICY_ROLES_MAX / 64];
};

struct role {
	char *name;
	unsigned line; /* of its section */
	gid_t *gids;   /* its groups, resolved when the policy was loaded */
	size_t n_gids;
	uid_t *uids; /* its single users */
	size_t n_uids;
	/* Only these of them hold it: programs by absolute path, units of systemd by
	 * name; none: whatever the program, or the unit */
	char **exes, **units;
	size_t n_exes, n_units;
	struct role_set holds; /* itself and every role it includes, transitively */
};

/* One `allow ROLE = VERB, ...` line. */
struct grant {
	unsigned role; /* index into policy->roles */
	unsigned line;
	verb_set verbs; /* as written, plus VERB_LIST if any */
};

struct zone {
	char *name;
	char *path;	      /* normalised: "/" or "/a/b", components may be "*" */
	unsigned line;	      /* of its section */
	struct grant *grants; /* in the order of their lines */
	size_t n_grants;
	verb_set verbs_of_any; /* the union of all grants: what somebody may do here */
	verb_set verbs_of_everyone; /* what the role `everyone` may do here */
	enum zone_modes modes;
	enum mapped_writes mapped_writes;
	bool write_once;
	uint32_t retain;    /* seconds for which what is sealed cannot be removed */
	char *retain_text;  /* as it is written; NULL: it is not */
	char *promote_from; /* NULL, or a normalised path */
	struct gates gates; /* of a promotion into it */
	/* Of the settings that are written down, else 0. */
	unsigned path_line;
	unsigned write_once_line;
	unsigned promote_from_line;
	unsigned retain_line;
	unsigned approvals_line;
	unsigned check_line;
	unsigned gate_line; /* the first of any gate */
};

/* A user or group, and a role that it holds directly. */
struct id_role {
	uint32_t id;
	uint32_t role;
};

struct zone_index; /* finds the zone of a path; private to config/ */

struct policy {
	unsigned n_refs;    /* atomic */
	char *file;	    /* as it was named to policy_load() */
	const char *name;   /* its last component: what `rule=` shows */
	char hash[65];	    /* SHA-256 of the bytes that were parsed, hex */
	struct role *roles; /* [0] is always `everyone` */
	size_t n_roles;
	struct zone *zones;
	size_t n_zones;
	struct zone_index *index;
	enum audit_failure audit_failure;
	enum audit_writes audit_writes;
	enum groups_from groups_from;
	bool keeps_writers; /* some zone's gates ask who wrote a file */
	int64_t max_grant;  /* s: the longest that `modelguardctl grant` may lend */
	struct role_set grantable; /* the roles that it may */
	char *max_grant_text;	   /* for showing: "8h", as it was written; */
	char *grantable_text;	   /* the roles by name, with commas, or "none" */
	bool has_owner_modes;	   /* some zone says `modes = owner` */
	bool has_limits;	   /* some role says `exe` or `unit` */
	struct id_role *by_gid; /* every role's gids, sorted by id; for policy_roles() */
	size_t n_by_gid;
	struct id_role *by_uid;
	size_t n_by_uid;
	char *text; /* the bytes that were parsed, and a NUL */
	size_t length;
};

/* Takes a reference; returns its argument. Any thread. */
struct policy *policy_ref(struct policy *policy);

/* Drops one and frees with the last. NULL is fine; returns NULL. Any thread. */
struct policy *policy_unref(struct policy *policy);
void policy_unrefp(struct policy **policy); /* for __attribute__((cleanup)) */

/* The text of a line, from 1, without its newline; not NUL-terminated, borrowed from the
 * policy. NULL if it has no such line. */
const char *policy_line(const struct policy *policy, unsigned line, size_t *ret_length);

static inline bool role_set_has(const struct role_set *set, unsigned role)
{
	return set->bits[role / 64] >> (role % 64) & 1;
}

static inline void role_set_add(struct role_set *set, unsigned role)
{
	set->bits[role / 64] |= (uint64_t)1 << (role % 64);
}
