/* SPDX-License-Identifier: Apache-2.0 */
/* The decision against the reference: for a generated policy, subject and path, every
 * operation, owner or not. */
#include <errno.h>

#include "config/decide.h"
#include "config/policy-load.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reference-decide.h"

#define IDS	   8 /* so few that subjects often meet roles; 0 is root */
#define GROUPS_MAX 4
#define QUESTIONS  8

static int same_id(const char *name, uint32_t *ret)
{
	*ret = (uint32_t)strtoul(name, NULL, 10);
	return 0;
}

static const struct name_lookup names = { same_id, same_id };

/* Different ones: the same id twice in a line is refused. */
static unsigned make_ids(struct bytes *bytes, uint32_t ids[REF_IDS])
{
	unsigned bits = bytes_u8(bytes), n = 0;

	for (uint32_t i = 0; i < IDS && n < REF_IDS; i++) {
		if (bits >> i & 1)
			ids[n++] = i;
	}
	return n;
}

static void make_role(struct bytes *bytes, struct ref_policy *policy, unsigned number)
{
	struct ref_role *role = &policy->roles[number];
	unsigned includes = bytes_u8(bytes);
	bool any = false;

	role->n_gids = make_ids(bytes, role->gids);
	role->n_uids = make_ids(bytes, role->uids);
	for (unsigned i = 0; i < number; i++) {
		role->includes[i] = includes >> i & 1;
		any = any || role->includes[i];
	}
	if (!any && role->n_gids == 0 && role->n_uids == 0)
		role->gids[role->n_gids++] = number; /* somebody must hold it */
}

static void make_path(struct bytes *bytes, unsigned n_components, struct ref_path *ret)
{
	*ret = (struct ref_path){ .n = bytes_below(bytes, REF_DEPTH + 1) };
	for (unsigned i = 0; i < ret->n; i++)
		ret->components[i] = bytes_below(bytes, n_components);
}

static bool has_path(const struct ref_policy *policy, const struct ref_path *path)
{
	for (unsigned i = 0; i < policy->n_zones; i++) {
		const struct ref_path *other = &policy->zones[i].path;

		if (other->n == path->n &&
		    memcmp(other->components, path->components,
			   path->n * sizeof(path->components[0])) == 0)
			return true;
	}
	return false;
}

static void make_zone(struct bytes *bytes, struct ref_policy *policy)
{
	struct ref_zone zone = { 0 };

	make_path(bytes, REF_COMPONENTS + 1, &zone.path);
	for (unsigned i = 0; i < zone.path.n; i++) {
		/* No zone's path mentions "other". */
		if (zone.path.components[i] == REF_COMPONENTS - 1)
			zone.path.components[i] = REF_STAR;
	}
	for (unsigned i = 0; i <= REF_EVERYONE; i++) {
		unsigned bits = bytes_u8(bytes);

		/* Many lines grant nothing, and are not there. */
		if ((i < policy->n_roles || i == REF_EVERYONE) && bits & 1)
			zone.grants[i] = (bits >> 1 | (unsigned)bytes_u8(bytes) << 7) &
					 ((1u << ref_n_verbs) - 1);
	}
	if (!has_path(policy, &zone.path))
		policy->zones[policy->n_zones++] = zone;
}

static void make_policy(struct bytes *bytes, struct ref_policy *policy)
{
	unsigned n_zones = 1 + bytes_below(bytes, REF_ZONES);

	policy->n_roles = bytes_below(bytes, REF_ROLES + 1);
	for (unsigned i = 0; i < policy->n_roles; i++)
		make_role(bytes, policy, i);
	for (unsigned i = 0; i < n_zones; i++)
		make_zone(bytes, policy);
}

/* One question, in both forms. */
struct question {
	const struct ref_policy *model;
	const struct policy *policy;
	struct ref_subject ref;
	struct ref_path path;
	char path_text[128];
	struct role_set roles;
	int zone;
};

static void compare_roles(const struct question *question)
{
	const struct policy *policy = question->policy;

	for (unsigned i = 0; i < policy->n_roles; i++) {
		const char *name = policy->roles[i].name;
		unsigned number =
			i == 0 ? REF_EVERYONE : (unsigned)strtoul(name + 1, NULL, 10);

		FUZZ_CHECK(role_set_has(&question->roles, i) ==
				   ref_holds(question->model, &question->ref, number),
			   "%s", name);
	}
}

/* The line that decided is one that grants the verb, to a role that is held. */
static void check_line(const struct question *question, const struct verdict *verdict)
{
	const struct ref_zone *zone = &question->model->zones[question->zone];
	bool found = false;

	for (unsigned i = 0; i <= REF_EVERYONE; i++) {
		if (zone->grant_lines[i] != verdict->line)
			continue;
		found = ref_holds(question->model, &question->ref, i);
		for (unsigned j = 0; found && j < ref_n_verbs; j++) {
			if (strcmp(ref_verbs[j], verb_name(verdict->verb)) == 0 && j != 0)
				found = zone->grants[i] >> j & 1;
		}
	}
	FUZZ_CHECK(found, "line %u, %s", verdict->line, verb_name(verdict->verb));
}

static void compare_verdict(const struct question *question, enum operation operation,
			    bool owns)
{
	static const enum denial_reason reasons[] = {
		[REF_ALLOWED] = DENIAL_NONE,
		[REF_NO_ZONE] = DENIAL_NO_ZONE,
		[REF_NO_ROLE] = DENIAL_NO_ROLE,
		[REF_NOT_GRANTED] = DENIAL_NOT_GRANTED,
		[REF_NOT_OWNER] = DENIAL_NOT_OWNER,
	};
	const char *name = operation_rule(operation)->name;
	enum ref_answer answer =
		ref_decide(question->model, &question->ref, question->zone, name, owns);
	struct verdict verdict;

	policy_decide(question->policy, &question->roles,
		      policy_zone(question->policy, question->path_text), operation, owns,
		      0, &verdict);
	FUZZ_CHECK((verdict.decision == DECISION_ALLOWED) == (answer == REF_ALLOWED),
		   "%s of %s by uid %u gid %u, owner %d: reference says %d", name,
		   question->path_text, question->ref.uid, question->ref.gid, owns,
		   (int)answer);
	FUZZ_CHECK(verdict.reason == reasons[answer], "%s of %s: %s", name,
		   question->path_text, denial_reason_name(verdict.reason));
	if (answer == REF_ALLOWED)
		check_line(question, &verdict);
	else if (answer == REF_NO_ROLE)
		FUZZ_CHECK(verdict.line == question->model->zones[question->zone].line);
}

static void compare_zone(const struct question *question)
{
	const struct zone *zone = policy_zone(question->policy, question->path_text);
	const struct zone *led_to;
	bool leads;

	FUZZ_CHECK((zone == NULL) == (question->zone < 0), "%s", question->path_text);
	if (zone)
		FUZZ_CHECK(zone->line == question->model->zones[question->zone].line,
			   "%s is in %s", question->path_text, zone->name);
	FUZZ_CHECK(policy_zones_below(question->policy, question->path_text) ==
			   ref_zones_below(question->model, &question->path),
		   "%s", question->path_text);

	leads = ref_leads_to_listed(question->model, &question->ref, &question->path);
	FUZZ_CHECK(policy_leads_to_listed(question->policy, &question->roles,
					  question->path_text) == leads,
		   "%s leads: %d", question->path_text, leads);
	led_to = policy_zone_led_to(question->policy, &question->roles,
				    question->path_text);
	FUZZ_CHECK((led_to != NULL) == leads, "%s", question->path_text);
	if (led_to)
		FUZZ_CHECK(policy_verbs(question->policy, &question->roles, led_to) != 0);
}

static void ask(struct bytes *bytes, const struct ref_policy *model,
		const struct policy *policy)
{
	uint32_t groups[GROUPS_MAX] = { 0 };
	struct question question = {
		.model = model,
		.policy = policy,
		.ref = { .uid = bytes_below(bytes, IDS),
			 .gid = bytes_below(bytes, IDS),
			 .groups = groups,
			 .n_groups = bytes_below(bytes, GROUPS_MAX + 1) },
	};
	struct subject subject = { .uid = question.ref.uid,
				   .gid = question.ref.gid,
				   .groups = groups,
				   .n_groups = question.ref.n_groups };
	size_t n = 0;

	for (unsigned i = 0; i < question.ref.n_groups; i++)
		groups[i] = bytes_below(bytes, IDS);
	make_path(bytes, REF_COMPONENTS, &question.path);
	(void)snprintf(question.path_text, sizeof(question.path_text), "/");
	for (unsigned i = 0; i < question.path.n; i++)
		n += (size_t)snprintf(question.path_text + n,
				      sizeof(question.path_text) - n, "/%s",
				      ref_components[question.path.components[i]]);
	question.zone = ref_zone_of(model, &question.path);

	policy_roles(policy, &subject, &question.roles);
	compare_roles(&question);
	compare_zone(&question);
	for (int i = OPERATION_NONE + 1; i < N_OPERATIONS; i++) {
		compare_verdict(&question, (enum operation)i, false);
		compare_verdict(&question, (enum operation)i, true);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[REF_TEXT_MAX];
	struct bytes bytes = { data, data + size };
	struct complaints complaints = { 0 };
	struct ref_policy model = { 0 };
	struct policy *policy = NULL;
	int r;

	make_policy(&bytes, &model);
	ref_print(&model, text, sizeof(text));
	r = policy_parse("policy.ini", text, strlen(text), &names, &complaints, &policy);
	FUZZ_CHECK(r == 0, "line %u: %s, of:\n%s",
		   complaints.n_items ? complaints.items[0].line : 0,
		   complaints.n_items ? complaints.items[0].text : "", text);
	for (int i = 0; i < QUESTIONS; i++)
		ask(&bytes, &model, policy);
	complaints_fini(&complaints);
	policy_unref(policy);
	return 0;
}
