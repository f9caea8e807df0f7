/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: from the ids of a request to a subject with groups, login uid and program. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "config/decide.h"
#include "config/policy.h"

#include "fuse/policy-store.h"
#include "fuse/record.h"

/* What the kernel says of a request's origin. pid is a thread's; 0 if it cannot be seen.
 */
struct asker {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* Immutable once it is made; shared between requests and handles. */
struct caller {
	unsigned n_refs; /* atomic */
	struct subject subject;
	struct actor actor;
	struct role_set roles; /* under the policy of `generation` */
	uint64_t generation;
	bool has_grants; /* one of the grants is for this uid: its roles end with it */
	bool complete;	 /* /proc was read and agreed with the request */
	bool limited;	 /* its roles depend on its program or unit: it is not reused */
	/* CapEff, where a zone has modes = owner; 0 from another user namespace, where it
	 * means nothing here */
	uint64_t capabilities;
	gid_t *groups;
	char *exe;
	char comm[17];
	char acct[64];
	char unit[256];
};

struct caller_cache;

int caller_cache_new(struct caller_cache **ret);
struct caller_cache *caller_cache_free(struct caller_cache *cache);

/* The caller of a request under a policy. A caller that was read at most one second ago
 * under the same (thread, uid, gid) is reused (DESIGN: identity), unless its roles depend
 * on its program or unit. Whoever cannot be
 * identified gets the least: uid and gid of the request, no supplementary group. 0 with a
 * reference in *ret, or -ENOMEM,
 * -EMFILE, -ENFILE: our own want, which says nothing about the caller. */
int caller_get(struct caller_cache *cache, const struct asker *asker,
	       const struct policy_snapshot *policy, struct caller **ret);

/* The same, before the caller's program goes on record: a thread keeps its number and ids
 * across execve(2), so a caller that was read before is read again if its name has
 * changed. */
int caller_get_for_record(struct caller_cache *cache, const struct asker *asker,
			  const struct policy_snapshot *policy, struct caller **ret);

/* The roles of a caller now, maybe under a later policy. */
void caller_roles(const struct caller *caller, const struct policy_snapshot *policy,
		  struct role_set *ret);

struct caller *caller_ref(struct caller *caller);
struct caller *caller_unref(struct caller *caller);
