/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: is the policy sound, and are its roles held by groups that are
 * there? Loads it for the checks that come after. */
#include <string.h>

#include "config/identity.h"
#include "config/policy-load.h"

#include "fuse/ctl-patience.h"
#include "fuse/ctl.h"
#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

enum { REFUSED, OTHER, MISSING, EMPTY };

static const struct doctor_check checks[] = {
	[REFUSED] = { "policy-refused", DOCTOR_CRITICAL,
		      "the policy is refused: the guard will not start again, and no "
		      "change of it can come into force",
		      "correct it with 'modelguardctl edit {}'" },
	[OTHER] = { "policy-other", DOCTOR_NOTE,
		    "a guard runs by another policy than the one that is looked at here",
		    "look at it too: modelguardctl doctor --policy={}" },
	[MISSING] = { "role-group-missing", DOCTOR_CRITICAL,
		      "a role names a group or user that does not exist: the policy is "
		      "refused, or, if it is a number, whoever gets that number later "
		      "holds the role",
		      "create it, or take it out of the policy: {}" },
	[EMPTY] = { "role-group-empty", DOCTOR_WARNING,
		    "a role's group has no members: nobody holds the role by it, and who "
		    "is put in there one day is not expected to",
		    "put people in {}, or take it out of the policy" },
};

/* Names that do not exist, of the policy that is being loaded; it is loaded with numbers
 * that nobody has in their place, so that the rest of it can be looked at. */
static struct missing {
	char **names;
	size_t n;
} missing;

#define NO_ID_FIRST 0xfffffff0u /* downwards */

static int note_missing(const char *name, uint32_t *ret)
{
	char **more = reallocarray(missing.names, missing.n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	missing.names = more;
	more[missing.n] = strdup(name);
	if (!more[missing.n])
		return -ENOMEM;
	*ret = NO_ID_FIRST - (uint32_t)missing.n++;
	return 0;
}

static int find_group(const char *name, gid_t *ret)
{
	int r;

	ctl_patience_start();
	r = identity_names.group(name, ret);
	ctl_patience_stop();
	return r == -ENOENT ? note_missing(name, ret) : r;
}

static int find_user(const char *name, uid_t *ret)
{
	int r;

	ctl_patience_start();
	r = identity_names.user(name, ret);
	ctl_patience_stop();
	return r == -ENOENT ? note_missing(name, ret) : r;
}

static void report_missing(struct doctor *doctor)
{
	for (size_t i = 0; i < missing.n; i++) {
		doctor_found(doctor, &checks[MISSING], missing.names[i],
			     "a name in %s that the name service does not know",
			     doctor->policy_file);
		free(missing.names[i]);
	}
	free(missing.names);
	missing = (struct missing){ 0 };
}

static void load(struct doctor *doctor)
{
	static const struct name_lookup lenient = { find_group, find_user };
	struct complaints complaints __attribute__((cleanup(complaints_fini))) = { 0 };
	_cleanup_(freep) char *path = doctor_path(doctor, doctor->policy_file);
	int r = path ? policy_load(path, &lenient, &complaints, &doctor->policy)
		     : -ENOMEM;

	if (r == -ENOMEM) {
		doctor->no_memory = true;
		return;
	}
	if (r < 0 && r != -EINVAL) {
		doctor_unreadable(doctor, &checks[REFUSED], doctor->policy_file, r);
		return;
	}
	for (size_t i = 0; i < complaints.n_items; i++)
		doctor_found(doctor, &checks[REFUSED], doctor->policy_file, "line %u: %s",
			     complaints.items[i].line, complaints.items[i].text);
}

/* A number without a name. */
static void look_at_numbers(struct doctor *doctor, const struct role *role)
{
	char name[256];

	for (size_t i = 0; i < role->n_gids; i++) {
		if (role->gids[i] <= NO_ID_FIRST - missing.n &&
		    identity_group_name(role->gids[i], name, sizeof(name)) < 0)
			doctor_found(doctor, &checks[MISSING], name,
				     "role %s (%s:%u): no group has this number",
				     role->name, doctor->policy_file, role->line);
	}
	for (size_t i = 0; i < role->n_uids; i++) {
		if (role->uids[i] <= NO_ID_FIRST - missing.n &&
		    identity_user_name(role->uids[i], name, sizeof(name)) < 0)
			doctor_found(doctor, &checks[MISSING], name,
				     "role %s (%s:%u): no user has this number",
				     role->name, doctor->policy_file, role->line);
	}
}

static void look_at_groups(struct doctor *doctor)
{
	const struct people *people = &doctor->people;

	for (size_t i = 0; i < people->n_items; i++) {
		const struct person *person = &people->items[i];
		gid_t gid = person->subject.gid;
		char name[256];

		if (person->kind != PERSON_GROUP || person->n_members > 0 ||
		    identity_group_name(gid, name, sizeof(name)) < 0)
			continue;
		if (person->listing == LISTING_EMPTY)
			doctor_found(doctor, &checks[EMPTY], name, "it lists nobody");
		else
			doctor_unknown(doctor, &checks[EMPTY], name,
				       "%s need not list its members: look with 'getent "
				       "group' or in the directory itself",
				       people->service ? people->service
						       : "the name service");
	}
}

static void gather(struct doctor *doctor)
{
	const struct policy *policies[] = { doctor->policy };
	int r = people_gather(policies, 1, &doctor->people);

	doctor->has_people = r == 0;
	if (r == -ENOMEM)
		doctor->no_memory = true;
	else if (r < 0)
		doctor_unknown(doctor, &checks[EMPTY], doctor->policy_file,
			       "the name service cannot tell who is in the groups");
}

static const char *policy_of(const struct share *share)
{
	return json_string_value(
		json_object_get(json_object_get(share->status, "policy"), "file"));
}

/* The policy of the first guard that tells, unless one was named. */
static void choose(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->shares.n_items; i++) {
		const char *file = policy_of(&doctor->shares.items[i]);

		if (file && !doctor->policy_file)
			doctor->policy_file = doctor->own_policy_file = strdup(file);
		else if (file && strcmp(file, doctor->policy_file) != 0)
			doctor_found(doctor, &checks[OTHER], file, "it guards %s",
				     doctor->shares.items[i].source);
	}
	if (!doctor->policy_file)
		doctor->policy_file = CTL_POLICY_FILE;
}

static void look(struct doctor *doctor)
{
	choose(doctor);
	load(doctor);
	if (doctor->policy) {
		for (size_t i = 0; i < doctor->policy->n_roles; i++)
			look_at_numbers(doctor, &doctor->policy->roles[i]);
		gather(doctor);
	}
	report_missing(doctor);
	if (doctor->has_people)
		look_at_groups(doctor);
}

const struct doctor_area doctor_policy = { DOCTOR_CHECKS(checks), false, look };
