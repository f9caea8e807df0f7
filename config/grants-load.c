/* SPDX-License-Identifier: Apache-2.0 */
/* The grants beside a policy: read, and judged under it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/complaint.h"
#include "config/grants.h"
#include "config/text.h"
#include "config/trusted-file.h"

/* The clock may have stood still for part of a second on either side of the two numbers
 * that were written down, so this clock gives a second more than the other. */
#define BOOT_ROUNDING 1

char *grants_file_of(const char *policy_file)
{
	char *file;

	return asprintf(&file, "%s.grants", policy_file) < 0 ? NULL : file;
}

static bool find_role(const struct policy *policy, struct timed_grant *grant)
{
	for (unsigned i = 1; i < policy->n_roles; i++) {
		if (strcmp(policy->roles[i].name, grant->role_name) == 0) {
			grant->role = i;
			return true;
		}
	}
	return false;
}

static enum grant_fault fault_by_policy(const struct policy *policy,
					struct timed_grant *grant)
{
	if (!find_role(policy, grant))
		return GRANT_NO_ROLE;
	if (!role_set_has(&policy->grantable, grant->role))
		return GRANT_NOT_GRANTABLE;
	if (grant->until - grant->from > policy->max_grant)
		return GRANT_TOO_LONG;
	return GRANT_SOUND;
}

/* Somebody who left is no reason to refuse the rest; who has their name or uid now holds
 * nothing by it. A name of digits is an id to policies, and so it is here. */
static int find_user(struct timed_grant *grant, const struct name_lookup *names,
		     struct complaints *complaints)
{
	uid_t uid;
	int r = names->user(grant->user.name, &uid);

	if (r == -ENOENT)
		grant->fault = GRANT_NO_USER;
	else if (r == 0 && uid != grant->user.uid)
		grant->fault = GRANT_OTHER_USER;
	else if (r == -ENOMEM)
		return r;
	else if (r < 0)
		return complaints_add(complaints, grant->line,
				      "cannot tell whether the user %s exists: %s; see "
				      "that the name service answers",
				      QUOTED(grant->user.name), strerrordesc_np(-r)) < 0
			       ? -ENOMEM
			       : -EINVAL;
	return 0;
}

static int judge_one(struct timed_grant *grant, const struct policy *policy,
		     const struct name_lookup *names, const struct moment *now,
		     struct complaints *complaints)
{
	if (grant->until <= now->wall || grant->boot_until <= now->boot)
		grant->fault = GRANT_OVER;
	else
		grant->fault = fault_by_policy(policy, grant);
	if (grant->fault != GRANT_SOUND || grant->revoked != 0)
		return 0;
	return find_user(grant, names, complaints);
}

int grants_judge(struct grants *grants, const struct policy *policy,
		 const struct name_lookup *names, const struct moment *now,
		 struct complaints *complaints)
{
	int r = 0;

	for (size_t i = 0; i < grants->n_items && r != -ENOMEM; i++) {
		struct timed_grant *grant = &grants->items[i];
		int one;

		/* Another boot began after the grant did, so that this never ends one
		 * before the wall clock does. */
		grant->boot_until =
			grant->boot_from + grant->until - grant->from + BOOT_ROUNDING;
		one = judge_one(grant, policy, names, now, complaints);
		r = one < 0 ? one : r;
	}
	return r;
}

int grants_load(const struct policy *policy, const struct name_lookup *names,
		const struct moment *now, struct complaints *complaints,
		struct grants **ret)
{
	struct grants *grants __attribute__((cleanup(grants_unrefp))) = NULL;
	struct complaints of_file = { 0 };
	char *file = grants_file_of(policy->file), *text = NULL;
	size_t length = 0;
	int r = file ? trusted_file_read(file, &of_file, &text, &length) : -ENOMEM;

	free(file);
	if (r == -ENOENT) { /* no complaint, but what most have */
		complaints_fini(&of_file);
		*ret = grants_new();
		return *ret ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < of_file.n_items && r != -ENOMEM; i++) {
		if (complaints_add(complaints, 0, "%s", of_file.items[i].text) < 0)
			r = -ENOMEM;
	}
	complaints_fini(&of_file);
	if (r == 0)
		r = grants_parse(text, length, complaints, &grants);
	free(text);
	if (r == 0)
		r = grants_judge(grants, policy, names, now, complaints);
	if (r == 0) {
		*ret = grants;
		grants = NULL;
	}
	return r;
}
