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

static void print_texts(const char *before, char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fputs(i == 0 ? before : " or ", stdout);
		ctl_puts_safe(stdout, texts[i]);
	}
}

void ctl_print_limits(const struct role *role)
{
	print_texts(", only by ", role->exes, role->n_exes);
	print_texts(", only in ", role->units, role->n_units);
}

void ctl_print_holding(const struct policy *policy, const struct subject *subject,
		       unsigned role, const struct role_holding *holding)
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
		ctl_print_limits(&policy->roles[role]);
		break;
	case ROLE_BY_GROUP:
		fputs("through the group ", stdout);
		ctl_print_group(holding->gid);
		ctl_print_limits(&policy->roles[role]);
		break;
	case ROLE_BY_GRANT:
		print_grant(holding->grant);
		break;
	case ROLE_BY_INCLUDE:
		printf("included by %s, ", policy->roles[holding->via].name);
		policy_role_holding(policy, subject, holding->via, &via);
		if (via.origin != ROLE_BY_INCLUDE) /* the direct ways come first */
			ctl_print_holding(policy, subject, holding->via, &via);
		break;
	}
}

json_t *ctl_json_group(gid_t gid)
{
	char name[NAME_SIZE];

	find_name(gid, name);
	return ctl_json_text(name, strlen(name));
}

static void set_texts(json_t *object, const char *name, char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, ctl_json_text(texts[i], strlen(texts[i])));
	ctl_json_set(object, name, list);
}

static void set_limits(json_t *object, const struct role *role)
{
	if (role->n_exes > 0)
		set_texts(object, "exe", role->exes, role->n_exes);
	if (role->n_units > 0)
		set_texts(object, "unit", role->units, role->n_units);
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
	if (holding->origin == ROLE_BY_GROUP || holding->origin == ROLE_BY_USER)
		set_limits(object, &policy->roles[role]);
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
