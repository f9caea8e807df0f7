/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: how somebody came to a role, for a person and for a program. */
#include <stdio.h>
#include <string.h>

#include "config/identity.h"

#include "fuse/ctl-event.h"
#include "fuse/ctl-holding.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl.h"

#define NAME_SIZE 256

static void find_name(gid_t gid, char name[NAME_SIZE])
{
	ctl_patience_start();
	identity_group_name(gid, name, NAME_SIZE);
	ctl_patience_stop();
}

void ctl_print_group(gid_t gid)
{
	char name[NAME_SIZE];

	find_name(gid, name);
	ctl_puts_safe(stdout, name);
}

/* "granted by root until 2026-11-23 22:00:00 (mend the upload)" */
static void print_grant(const struct timed_grant *grant)
{
	char until[CTL_TIME_SIZE];

	fputs("granted by ", stdout);
	ctl_puts_safe(stdout, grant->by.name);
	printf(" until %s (", ctl_time(grant->until, until));
	ctl_puts_safe(stdout, grant->reason);
	fputs(")", stdout);
}

void ctl_print_holding(const struct policy *policy, const struct subject *subject,
		       const struct role_holding *holding)
{
	struct role_holding via;

	switch (holding->origin) {
	case ROLE_NOT_HELD:
		break;
	case ROLE_BY_EVERYONE:
		fputs("which everybody holds", stdout);
		break;
	case ROLE_BY_USER:
		fputs("as one of its users", stdout);
		break;
	case ROLE_BY_GROUP:
		fputs("through the group ", stdout);
		ctl_print_group(holding->gid);
		break;
	case ROLE_BY_GRANT:
		print_grant(holding->grant);
		break;
	case ROLE_BY_INCLUDE:
		printf("included by %s, ", policy->roles[holding->via].name);
		policy_role_holding(policy, subject, holding->via, &via);
		if (via.origin != ROLE_BY_INCLUDE) /* the direct ways come first */
			ctl_print_holding(policy, subject, &via);
		break;
	}
}

json_t *ctl_json_group(gid_t gid)
{
	char name[NAME_SIZE];

	find_name(gid, name);
	return ctl_json_text(name, strlen(name));
}

json_t *ctl_json_holding(const struct policy *policy, const struct subject *subject,
			 unsigned role, const struct role_holding *holding)
{
	static const char *const origins[] = {
		[ROLE_NOT_HELD] = NULL,	   [ROLE_BY_EVERYONE] = "everyone",
		[ROLE_BY_USER] = "user",   [ROLE_BY_GROUP] = "group",
		[ROLE_BY_GRANT] = "grant", [ROLE_BY_INCLUDE] = "include",
	};
	json_t *object = json_object();

	ctl_json_set_text(object, "name", policy->roles[role].name);
	ctl_json_set_text(object, "by", origins[holding->origin]);
	if (holding->origin == ROLE_BY_GROUP)
		ctl_json_set(object, "group", ctl_json_group(holding->gid));
	if (holding->origin == ROLE_BY_GRANT) {
		ctl_json_set(object, "until", json_integer(holding->grant->until));
		ctl_json_set_text(object, "granted_by", holding->grant->by.name);
		ctl_json_set_text(object, "reason", holding->grant->reason);
	}
	if (holding->origin == ROLE_BY_INCLUDE) {
		struct role_holding via;

		policy_role_holding(policy, subject, holding->via, &via);
		if (via.origin != ROLE_BY_INCLUDE)
			ctl_json_set(
				object, "included_by",
				ctl_json_holding(policy, subject, holding->via, &via));
	}
	return object;
}
