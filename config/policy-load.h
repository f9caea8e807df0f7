/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a policy file to a policy, or to all that is wrong with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/policy.h"

/* One thing that is wrong, ready to be shown as "file:line: text". */
struct complaint {
	unsigned line; /* 0: the file as a whole */
	char *text; /* what is wrong and what to do; no newline; printable bytes only */
};

/* All that is wrong, in the order of lines. Zero-initialise, then complaints_fini(). */
struct complaints {
	struct complaint *items;
	size_t n_items;
};

void complaints_fini(struct complaints *complaints);

/* How names become ids; identity.h has the one that asks NSS. Each returns 0 and sets
 * *ret, -ENOENT if there is no such name, or another -errno if it cannot be told. */
struct name_lookup {
	int (*group)(const char *name, gid_t *ret);
	int (*user)(const char *name, uid_t *ret);
};

/* Parses text of the given length. `file` is copied. Returns 0 and sets *ret (one
 * reference, the caller's), -EINVAL if there are complaints, or -ENOMEM. *ret is
 * untouched on failure. */
int policy_parse(const char *file, const char *text, size_t length,
		 const struct name_lookup *names, struct complaints *complaints,
		 struct policy **ret);

/* Reads and parses a file. Refused, by fstat() on the open descriptor: not a regular
 * file, a symbolic link, owned by someone other than root or the effective user, writable
 * by group or others, larger than POLICY_BYTES_MAX, changed while it was read; also a
 * directory that others could replace it in (writable by group or others without the
 * sticky bit). Everything that is wrong is in *complaints. Returns as policy_parse(), or
 * another -errno of open(2), read(2) or fstat(2), which is in *complaints as well. */
int policy_load(const char *file, const struct name_lookup *names,
		struct complaints *complaints, struct policy **ret);

/* What this version parses but cannot enforce yet (promote, approve, promote-from,
 * write-once, modes = owner). A program that enforces must refuse a policy for which this
 * adds complaints; it returns how many it added, or -ENOMEM. */
int policy_unenforceable(const struct policy *policy, struct complaints *complaints);
