/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: which zone, which roles, which verbs; each promise with its neighbour
 * that must be denied. */
#include "policy-fixture.h"

static const char share[] =
	"[role scientist]\n"					  /* 1 */
	"groups = 10\n"						  /* 2 */
	"[role engineer]\n"					  /* 3 */
	"groups = 11\n"						  /* 4 */
	"include = scientist\n"					  /* 5 */
	"[role admin]\n"					  /* 6 */
	"groups = 12\n"						  /* 7 */
	"include = engineer\n"					  /* 8 */
	"[role pipeline]\n"					  /* 9 */
	"users = 500\n"						  /* 10 */
	"[zone share]\n"					  /* 11 */
	"path = /\n"						  /* 12 */
	"allow scientist = read\n"				  /* 13 */
	"allow engineer = create, write, delete\n"		  /* 14 */
	"allow admin = admin\n"					  /* 15 */
	"[zone experiments]\n"					  /* 16 */
	"path = /experiments\n"					  /* 17 */
	"allow scientist = read, create, write-own, delete-own\n" /* 18 */
	"[zone production]\n"					  /* 19 */
	"path = /production\n"					  /* 20 */
	"allow engineer = read\n"				  /* 21 */
	"[zone vault]\n"					  /* 22 */
	"path = /vault\n"					  /* 23 */
	"[zone public]\n"					  /* 24 */
	"path = /vault/open/public\n"				  /* 25 */
	"allow everyone = read\n";				  /* 26 */

enum { SCIENTIST = 10, ENGINEER, ADMIN, STRANGER };

static void decide_as(const struct policy *policy, gid_t gid, const char *path,
		      enum operation operation, bool owns, struct verdict *ret)
{
	const struct subject subject = { .uid = 1000, .gid = gid };
	struct role_set roles;

	policy_roles(policy, &subject, &roles);
	policy_decide(policy, &roles, policy_zone(policy, path), operation, owns, 0, ret);
}

struct row {
	gid_t who;
	const char *path;
	enum operation operation;
	bool owns;
	enum decision decision;
	enum denial_reason reason;
	enum verb verb;
	const char *role; /* NULL: none */
	unsigned line;
};

#define YES DECISION_ALLOWED, DENIAL_NONE
#define NO  DECISION_DENIED

/* clang-format off */
static const struct row rows[] = {
	{ SCIENTIST, "/m", OPERATION_OPEN_READ, false, YES, VERB_READ, "scientist", 13 },
	{ STRANGER, "/m", OPERATION_OPEN_READ, false, NO, DENIAL_NO_ROLE, VERB_READ, NULL, 11 },
	{ ENGINEER, "/m", OPERATION_OPEN_READ, false, YES, VERB_READ, "scientist", 13 },
	{ ENGINEER, "/m", OPERATION_OPEN_WRITE, false, YES, VERB_WRITE, "engineer", 14 },
	{ SCIENTIST, "/m", OPERATION_OPEN_WRITE, false, NO, DENIAL_NOT_GRANTED, VERB_WRITE, "scientist", 13 },
	{ SCIENTIST, "/m", OPERATION_OPEN_WRITE, true, NO, DENIAL_NOT_GRANTED, VERB_WRITE, "scientist", 13 },
	{ ENGINEER, "/m", OPERATION_OPEN_READ_WRITE, false, YES, VERB_WRITE, "engineer", 14 },
	{ SCIENTIST, "/m", OPERATION_OPEN_READ_WRITE, false, NO, DENIAL_NOT_GRANTED, VERB_WRITE, "scientist", 13 },
	{ STRANGER, "/m", OPERATION_OPEN_READ_WRITE, false, NO, DENIAL_NO_ROLE, VERB_READ, NULL, 11 },
	{ SCIENTIST, "/m", OPERATION_LOOKUP, false, YES, VERB_LIST, "scientist", 13 },
	{ ADMIN, "/m", OPERATION_SETXATTR, false, YES, VERB_ADMIN, "admin", 15 },
	{ ENGINEER, "/m", OPERATION_SETXATTR, true, NO, DENIAL_NOT_GRANTED, VERB_ADMIN, "scientist", 13 },
	/* an outer zone never leaks into an inner one */
	{ ADMIN, "/production/m", OPERATION_OPEN_READ, false, YES, VERB_READ, "engineer", 21 },
	{ ADMIN, "/production/m", OPERATION_OPEN_WRITE, false, NO, DENIAL_NOT_GRANTED, VERB_WRITE, "engineer", 21 },
	{ SCIENTIST, "/production/m", OPERATION_OPEN_READ, false, NO, DENIAL_NO_ROLE, VERB_READ, NULL, 19 },
	/* the -own verbs */
	{ SCIENTIST, "/experiments/m", OPERATION_OPEN_WRITE, true, YES, VERB_WRITE_OWN, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_OPEN_WRITE, false, NO, DENIAL_NOT_OWNER, VERB_WRITE, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_UNLINK, true, YES, VERB_DELETE_OWN, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_UNLINK, false, NO, DENIAL_NOT_OWNER, VERB_DELETE, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_OPEN_READ_WRITE, true, YES, VERB_WRITE_OWN, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_MOVE_OUT, true, YES, VERB_DELETE_OWN, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_MOVE_OUT, false, NO, DENIAL_NOT_OWNER, VERB_DELETE, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_RENAME_EXCHANGE, true, YES, VERB_DELETE_OWN, "scientist", 18 },
	/* metadata: the owner who may write, and admin */
	{ SCIENTIST, "/experiments/m", OPERATION_CHMOD, true, YES, VERB_WRITE_OWN, "scientist", 18 },
	{ SCIENTIST, "/experiments/m", OPERATION_CHMOD, false, NO, DENIAL_NOT_OWNER, VERB_ADMIN, "scientist", 18 },
	{ ENGINEER, "/m", OPERATION_CHMOD, true, YES, VERB_WRITE, "engineer", 14 },
	{ ENGINEER, "/m", OPERATION_CHMOD, false, NO, DENIAL_NOT_OWNER, VERB_ADMIN, "engineer", 14 },
	{ SCIENTIST, "/m", OPERATION_CHMOD, true, NO, DENIAL_NOT_GRANTED, VERB_WRITE, "scientist", 13 },
	{ ADMIN, "/m", OPERATION_CHMOD, false, YES, VERB_ADMIN, "admin", 15 },
	{ ENGINEER, "/m", OPERATION_CHOWN, true, NO, DENIAL_NOT_GRANTED, VERB_ADMIN, "scientist", 13 },
	{ ADMIN, "/m", OPERATION_CHOWN, false, YES, VERB_ADMIN, "admin", 15 },
	{ ENGINEER, "/m", OPERATION_CHGRP_OWN, true, YES, VERB_WRITE, "engineer", 14 },
	{ ENGINEER, "/m", OPERATION_UTIMES, true, YES, VERB_WRITE, "engineer", 14 },
	{ ENGINEER, "/m", OPERATION_UTIMES, false, NO, DENIAL_NOT_OWNER, VERB_ADMIN, "engineer", 14 },
	{ ENGINEER, "/m", OPERATION_TOUCH, false, YES, VERB_WRITE, "engineer", 14 },
	{ SCIENTIST, "/m", OPERATION_TOUCH, true, NO, DENIAL_NOT_GRANTED, VERB_WRITE, "scientist", 13 },
	/* at least one of several */
	{ SCIENTIST, "/experiments", OPERATION_ACCESS_CHANGE_DIR, false, YES, VERB_DELETE_OWN, "scientist", 18 },
	{ SCIENTIST, "/", OPERATION_ACCESS_CHANGE_DIR, false, NO, DENIAL_NOT_GRANTED, VERB_CREATE, "scientist", 13 },
	/* everyone, and a locked zone */
	{ STRANGER, "/vault/open/public/m", OPERATION_OPEN_READ, false, YES, VERB_READ, "everyone", 26 },
	{ STRANGER, "/vault/open/public/m", OPERATION_TRUNCATE, true, NO, DENIAL_NOT_GRANTED, VERB_WRITE, "everyone", 26 },
	{ ADMIN, "/vault/open", OPERATION_OPEN_READ, true, NO, DENIAL_NO_ROLE, VERB_READ, NULL, 22 },
	{ ADMIN, "/m", OPERATION_NONE, true, NO, DENIAL_NOT_GRANTED, VERB_LIST, "scientist", 13 },
};
/* clang-format on */

static void verdicts_name_the_verb_the_role_and_the_line(void **state)
{
	AUTO_POLICY policy = fixture_policy(share);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct verdict verdict;

		decide_as(policy, row->who, row->path, row->operation, row->owns,
			  &verdict);
		if (verdict.decision != row->decision || verdict.reason != row->reason ||
		    verdict.verb != row->verb || verdict.line != row->line)
			fail_msg("row %zu (%s %s): decision %d reason %d verb %s line %u",
				 i, operation_rule(row->operation)->name, row->path,
				 verdict.decision, verdict.reason,
				 verb_name(verdict.verb), verdict.line);
		if (!row->role)
			assert_null(verdict.role);
		else
			assert_string_equal(verdict.role->name, row->role);
	}
}

static void what_is_in_no_zone_is_denied(void **state)
{
	AUTO_POLICY policy =
		fixture_policy("[zone a]\npath = /a\nallow everyone = read\n");
	struct verdict verdict;

	(void)state;
	decide_as(policy, STRANGER, "/b", OPERATION_LOOKUP, true, &verdict);
	assert_int_equal(verdict.decision, DECISION_DENIED);
	assert_int_equal(verdict.reason, DENIAL_NO_ZONE);
	assert_int_equal(verdict.line, 0);
	decide_as(policy, STRANGER, "/a", OPERATION_LOOKUP, true, &verdict);
	assert_int_equal(verdict.decision, DECISION_ALLOWED);
}

static void a_zeroed_verdict_denies(void **state)
{
	const struct verdict verdict = { 0 };

	(void)state;
	assert_int_equal(verdict.decision, DECISION_DENIED);
}

/* Whether a role with just these verbs may do it. */
static bool allowed_with(verb_set verbs, enum operation operation, bool owns)
{
	struct grant grant = { .role = 0, .line = 2, .verbs = verbs };
	const struct zone zone = { .name = (char *)"z",
				   .line = 1,
				   .grants = &grant,
				   .n_grants = verbs ? 1 : 0 };
	struct role everyone = { .name = (char *)"everyone" };
	const struct policy policy = { .roles = &everyone, .n_roles = 1 };
	struct role_set roles = { { 1 } };
	struct verdict verdict;

	policy_decide(&policy, &roles, &zone, operation, owns, 0, &verdict);
	return verdict.decision == DECISION_ALLOWED;
}

/* The rule of operation.h, said the slow way. */
static bool model_allows(verb_set held, const struct operation_rule *rule, bool owns)
{
	const verb_set sets[] = { rule->verbs, owns ? rule->owner_verbs : 0 };

	for (size_t i = 0; i < 2; i++) {
		unsigned n_needed = 0, n_held = 0;

		for (unsigned verb = 0; verb < N_VERBS; verb++) {
			bool has = held >> verb & 1;

			if (!(sets[i] >> verb & 1))
				continue;
			if (owns && verb == VERB_WRITE)
				has = has || (held >> VERB_WRITE_OWN & 1);
			if (owns && verb == VERB_DELETE)
				has = has || (held >> VERB_DELETE_OWN & 1);
			n_needed++;
			n_held += has ? 1 : 0;
		}
		if (n_needed > 0 && (rule->any ? n_held > 0 : n_held == n_needed))
			return true;
	}
	return false;
}

static void every_set_of_verbs_allows_what_the_table_says(void **state)
{
	unsigned n_allowed = 0, n_denied = 0;

	(void)state;
	for (int operation = 0; operation < N_OPERATIONS; operation++) {
		const struct operation_rule *rule =
			operation_rule((enum operation)operation);

		for (verb_set verbs = 0; verbs < VERB_SET(N_VERBS); verbs++) {
			for (int owns = 0; owns < 2; owns++) {
				bool allowed = allowed_with(
					verbs, (enum operation)operation, owns);

				if (allowed != model_allows(verbs, rule, owns))
					fail_msg("%s with verbs %#x, owns %d: %d",
						 rule->name, verbs, owns, allowed);
				n_allowed += allowed ? 1 : 0;
				n_denied += allowed ? 0 : 1;
			}
		}
	}
	print_message("%u allowed, %u denied\n", n_allowed, n_denied);
	assert_true(n_allowed > 10000 && n_denied > 10000);
}

static void each_operation_takes_what_the_design_says(void **state)
{
	static const struct {
		const char *name, *verbs;
		int denial;
	} expected[] = {
		{ "lookup", "list", EACCES },
		{ "readdir", "list", EACCES },
		{ "readlink", "list", EACCES },
		{ "getxattr", "list", EACCES },
		{ "chdir", "list", EACCES },
		{ "access-read", "read", EACCES },
		{ "access-write", "write", EACCES },
		{ "access-change-dir", "create delete delete-own", EACCES },
		{ "open-read", "read", EACCES },
		{ "open-write", "write", EACCES },
		{ "open-read-write", "read write", EACCES },
		{ "write", "write", EACCES },
		{ "read", "read", EACCES },
		{ "truncate", "write", EACCES },
		{ "fallocate", "write", EACCES },
		{ "create", "create", EACCES },
		{ "mkdir", "create", EACCES },
		{ "mknod", "create", EACCES },
		{ "symlink", "create", EACCES },
		{ "link", "create", EACCES },
		{ "unlink", "delete", EACCES },
		{ "rmdir", "delete", EACCES },
		{ "rename-from", "delete", EACCES },
		{ "rename-to", "create", EACCES },
		{ "rename-over", "write", EACCES },
		{ "rename-over-dir", "create delete", EACCES },
		{ "rename-exchange", "write delete", EACCES },
		{ "move-out", "read delete", EACCES },
		{ "chmod", "admin", EPERM },
		{ "chown", "admin", EPERM },
		{ "chgrp-own", "admin", EPERM },
		{ "utimes", "admin", EPERM },
		{ "touch", "write", EACCES },
		{ "setxattr", "admin", EACCES },
		{ "removexattr", "admin", EACCES },
		{ "set-acl", "admin", EPERM },
		{ "set-flags", "admin", EPERM },
		{ "hold", "admin", EPERM },
		{ "release", "admin", EPERM },
		{ "promote", "promote", EACCES },
		{ "unapprove", "approve", EACCES },
		{ "approve", "approve", EACCES },
	};

	(void)state;
	assert_int_equal(sizeof(expected) / sizeof(expected[0]), N_OPERATIONS - 1);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct operation_rule *rule;
		enum operation operation;
		char verbs[128] = "";

		assert_int_equal(operation_from_name(expected[i].name, &operation), 0);
		rule = operation_rule(operation);
		for (unsigned verb = 0; verb < N_VERBS; verb++) {
			if (!(rule->verbs & VERB_SET(verb)))
				continue;
			if (*verbs)
				strcat(verbs, " ");
			strcat(verbs, verb_name((enum verb)verb));
		}
		assert_string_equal(verbs, expected[i].verbs);
		assert_int_equal(rule->denial_errno, expected[i].denial);
		assert_string_equal(rule->name, expected[i].name);
		assert_true(rule->perm >= 1 && rule->perm <= 15);
		assert_true(*rule->meaning);
	}
}

static void unknown_words_and_numbers_are_no_operation(void **state)
{
	enum operation operation = OPERATION_READ;
	enum verb verb;

	(void)state;
	assert_int_equal(operation_from_name("none", &operation), -ENOENT);
	assert_int_equal(operation_from_name("open", &operation), -ENOENT);
	assert_int_equal(operation_from_name("", &operation), -ENOENT);
	assert_int_equal(operation, OPERATION_READ);
	assert_int_equal(operation_rule((enum operation)9999)->verbs, 0);
	assert_int_equal(operation_rule((enum operation) - 1)->verbs, 0);
	assert_int_equal(verb_from_name("LIST", &verb), -ENOENT);
	for (unsigned i = 0; i < N_VERBS; i++) {
		assert_int_equal(verb_from_name(verb_name((enum verb)i), &verb), 0);
		assert_int_equal(verb, i);
	}
}

static void check_zone(const struct policy *policy, const char *path, const char *name)
{
	const struct zone *zone = policy_zone(policy, path);

	if (strcmp(zone ? zone->name : "none", name) != 0)
		fail_msg("%s is in %s, not in %s", path, zone ? zone->name : "none",
			 name);
}

static void a_path_is_in_the_deepest_zone_that_matches(void **state)
{
	AUTO_POLICY policy = fixture_policy("[zone root]\npath = /\n"
					    "[zone prod]\npath = /prod\n"
					    "[zone deep]\npath = /prod/a/b\n");

	(void)state;
	check_zone(policy, "/", "root");
	check_zone(policy, "/x", "root");
	check_zone(policy, "/prod", "prod");
	check_zone(policy, "/prod/a", "prod");
	check_zone(policy, "/prod/a/b", "deep");
	check_zone(policy, "/prod/a/b/c/d", "deep");
	check_zone(policy, "/prod/a/bb", "prod");
}

static void a_sibling_with_the_same_prefix_is_another_zone(void **state)
{
	AUTO_POLICY policy = fixture_policy("[zone prod]\npath = /prod\n"
					    "[zone production]\npath = /production\n");

	(void)state;
	check_zone(policy, "/prod/m", "prod");
	check_zone(policy, "/production/m", "production");
	check_zone(policy, "/produce/m", "none");
	check_zone(policy, "/pro", "none");
	check_zone(policy, "/", "none");
	check_zone(policy, "", "none");
	check_zone(policy, "prod/m", "none");
}

static void a_star_is_one_component_and_a_literal_beats_it(void **state)
{
	AUTO_POLICY policy = fixture_policy("[zone teams]\npath = /teams/*\n"
					    "[zone red]\npath = /teams/red\n"
					    "[zone any-secret]\npath = /teams/*/secret\n"
					    "[zone a-star]\npath = /a/*\n"
					    "[zone star-b]\npath = /*/b\n"
					    "[zone deep]\npath = /*/x/y\n");

	(void)state;
	check_zone(policy, "/teams", "none");
	check_zone(policy, "/teams/blue", "teams");
	check_zone(policy, "/teams/blue/m", "teams");
	check_zone(policy, "/teams/red", "red");
	check_zone(policy, "/teams/reddish", "teams");
	check_zone(policy, "/teams/red/secret", "any-secret"); /* deeper beats literal */
	check_zone(policy, "/teams/red/secrets", "red");
	check_zone(policy, "/teams/*/secret",
		   "any-secret");	      /* a file may be called "*" */
	check_zone(policy, "/a/b", "a-star"); /* the first difference decides */
	check_zone(policy, "/c/b", "star-b");
	check_zone(policy, "/a/x/y", "deep");
	check_zone(policy, "/a/x/z", "a-star");
}

static bool leads(const struct policy *policy, gid_t gid, const char *path)
{
	const struct subject subject = { .uid = 1000, .gid = gid };
	struct role_set roles;
	bool answer;

	policy_roles(policy, &subject, &roles);
	answer = policy_leads_to_listed(policy, &roles, path);
	assert_int_equal(policy_zone_led_to(policy, &roles, path) != NULL, answer);
	return answer;
}

static void a_directory_leads_to_the_listed_zones_below_it(void **state)
{
	AUTO_POLICY policy = fixture_policy(share);

	(void)state;
	assert_true(leads(policy, STRANGER, "/"));
	assert_true(leads(policy, STRANGER, "/vault"));
	assert_true(leads(policy, STRANGER, "/vault/open"));
	assert_false(leads(policy, STRANGER, "/vault/open/public"));
	assert_false(leads(policy, STRANGER, "/vault/opener"));
	assert_false(leads(policy, STRANGER, "/experiments"));
	assert_true(policy_zones_below(policy, "/"));
	assert_true(policy_zones_below(policy, "/vault/open"));
	assert_false(policy_zones_below(policy, "/vault/open/public"));
	assert_false(policy_zones_below(policy, "/production"));
}

static void a_name_that_leads_only_to_a_locked_zone_stays_hidden(void **state)
{
	AUTO_POLICY policy =
		fixture_policy("[zone any]\npath = /*/public\nallow everyone = read\n"
			       "[zone secret]\npath = /secret\n"
			       "[zone locked]\npath = /secret/public\n");

	(void)state;
	assert_true(leads(policy, STRANGER, "/"));
	assert_true(leads(policy, STRANGER, "/team"));
	assert_false(leads(policy, STRANGER, "/secret"));
}

static void roles_come_by_group_user_inclusion_and_for_everyone(void **state)
{
	AUTO_POLICY policy = fixture_policy(share);
	const gid_t groups[] = { 7, 11 };
	const struct subject member = {
		.uid = 1, .gid = 5, .groups = groups, .n_groups = 2
	};
	const struct subject pipeline = { .uid = 500, .gid = 5 };
	const struct subject root = { .uid = 0, .gid = 0 };
	struct role_holding holding;
	struct role_set roles;

	(void)state;
	policy_roles(policy, &member, &roles);
	assert_int_equal(roles.bits[0], 1 << 0 | 1 << 1 | 1 << 2);
	policy_role_holding(policy, &member, 2, &holding);
	assert_int_equal(holding.origin, ROLE_BY_GROUP);
	assert_int_equal(holding.gid, 11);
	policy_role_holding(policy, &member, 1, &holding);
	assert_int_equal(holding.origin, ROLE_BY_INCLUDE);
	assert_int_equal(holding.via, 2);
	policy_role_holding(policy, &member, 0, &holding);
	assert_int_equal(holding.origin, ROLE_BY_EVERYONE);
	policy_role_holding(policy, &member, 3, &holding);
	assert_int_equal(holding.origin, ROLE_NOT_HELD);

	policy_roles(policy, &pipeline, &roles);
	assert_int_equal(roles.bits[0], 1 << 0 | 1 << 4);
	policy_role_holding(policy, &pipeline, 4, &holding);
	assert_int_equal(holding.origin, ROLE_BY_USER);

	/* Root has no privilege of its own. */
	policy_roles(policy, &root, &roles);
	assert_int_equal(roles.bits[0], 1 << 0);
}

static const char limited[] = "[role runner]\nusers = u13\ngroups = g20\n"
			      "exe = /usr/bin/mv, /usr/bin/cp\nunit = runner.service\n"
			      "[role by-program]\nusers = u14\nexe = /usr/bin/mv\n"
			      "[role chief]\nusers = u15\ninclude = runner\n"
			      "[zone share]\npath = /\nallow runner = read\n"
			      "allow by-program = read\n";

static void a_limited_role_takes_its_program_and_its_unit(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		const char *exe, *unit;
		bool any_program;
		unsigned roles; /* as bits */
	} asks[] = {
		{ 13, 5, "/usr/bin/mv", "runner.service", false, 1 << 0 | 1 << 1 },
		{ 13, 5, "/usr/bin/cp", "runner.service", false, 1 << 0 | 1 << 1 },
		{ 5, 20, "/usr/bin/mv", "runner.service", false, 1 << 0 | 1 << 1 },
		{ 13, 5, "/usr/bin/rm", "runner.service", false, 1 << 0 },
		{ 13, 5, "/usr/bin/mvx", "runner.service", false, 1 << 0 },
		{ 13, 5, "/usr/bin/mv", "other.service", false, 1 << 0 },
		{ 13, 5, "/usr/bin/mv", NULL, false, 1 << 0 },
		{ 13, 5, NULL, "runner.service", false, 1 << 0 },
		{ 13, 5, NULL, NULL, false, 1 << 0 },
		{ 5, 20, NULL, NULL, false, 1 << 0 },
		{ 12, 5, "/usr/bin/mv", "runner.service", false, 1 << 0 },
		{ 13, 5, NULL, NULL, true, 1 << 0 | 1 << 1 },
		{ 14, 5, "/usr/bin/mv", NULL, false, 1 << 0 | 1 << 2 },
		{ 14, 5, "/usr/bin/cp", NULL, false, 1 << 0 },
		/* The limit is of the role's own users and groups, not of who includes
		   it. */
		{ 15, 5, NULL, NULL, false, 1 << 0 | 1 << 1 | 1 << 3 },
	};
	AUTO_POLICY policy = fixture_policy(limited);

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		const struct subject subject = { .uid = asks[i].uid,
						 .gid = asks[i].gid,
						 .exe = asks[i].exe,
						 .unit = asks[i].unit,
						 .any_program = asks[i].any_program };
		struct role_holding holding;
		struct role_set roles;

		policy_roles(policy, &subject, &roles);
		assert_int_equal(roles.bits[0], asks[i].roles);
		policy_role_holding(policy, &subject, 1, &holding);
		assert_int_equal(holding.origin != ROLE_NOT_HELD,
				 (asks[i].roles & 1 << 1) != 0);
		assert_int_equal(policy_asks_program(policy, &subject),
				 asks[i].uid == 13 || asks[i].uid == 14 ||
					 asks[i].gid == 20);
	}
}

/* Random policies over few names, so that they often meet. */
#define N_NAMES	  3
#define DEPTH_MAX 4

struct pattern {
	int parts[DEPTH_MAX]; /* a name, or -1 for "*" */
	int depth;
	bool granted;
};

/* The reference: each pattern against the whole path, the better one kept. */
static int slow_zone(const struct pattern *patterns, int n, const int *path, int depth)
{
	int best = -1;

	for (int i = 0; i < n; i++) {
		const struct pattern *p = &patterns[i];
		bool matches = p->depth <= depth;

		for (int j = 0; matches && j < p->depth; j++)
			matches = p->parts[j] == -1 || p->parts[j] == path[j];
		if (!matches)
			continue;
		if (best < 0 || p->depth > patterns[best].depth) {
			best = i;
			continue;
		}
		if (p->depth < patterns[best].depth)
			continue;
		for (int j = 0; j < p->depth; j++) {
			if ((p->parts[j] == -1) == (patterns[best].parts[j] == -1))
				continue;
			if (p->parts[j] != -1)
				best = i;
			break;
		}
	}
	return best;
}

/* The reference: every path below, one component after the other; name N_NAMES is one
 * that no pattern has. */
static bool slow_leads(const struct pattern *patterns, int n, int *path, int depth)
{
	if (depth == DEPTH_MAX)
		return false;
	for (path[depth] = 0; path[depth] <= N_NAMES; path[depth]++) {
		int zone = slow_zone(patterns, n, path, depth + 1);

		/* Properly below: the zone's own path must be longer than where we began,
		 * which it is if it matches all of this one. */
		if (zone >= 0 && patterns[zone].depth == depth + 1 &&
		    patterns[zone].granted)
			return true;
		if (slow_leads(patterns, n, path, depth + 1))
			return true;
	}
	return false;
}

static size_t show_path(char *out, const int *parts, int depth)
{
	size_t n = 0;

	for (int i = 0; i < depth; i++) {
		out[n++] = '/';
		out[n++] = parts[i] < 0 ? '*' : (char)('a' + parts[i]);
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return n;
}

static bool is_new(const struct pattern *patterns, int n)
{
	for (int i = 0; i < n; i++) {
		if (patterns[i].depth == patterns[n].depth &&
		    memcmp(patterns[i].parts, patterns[n].parts,
			   sizeof(patterns[n].parts)) == 0)
			return false;
	}
	return true;
}

static int random_patterns(uint64_t *seed, struct pattern *patterns, int n_max)
{
	int n = 0;

	for (int i = 0; i < n_max; i++) {
		struct pattern *p = &patterns[n];

		*p = (struct pattern){ .depth = (int)(fixture_random(seed) %
						      (DEPTH_MAX + 1)) };
		for (int j = 0; j < p->depth; j++)
			p->parts[j] = (int)(fixture_random(seed) % (N_NAMES + 1)) - 1;
		p->granted = fixture_random(seed) % 3 == 0;
		n += is_new(patterns, n) ? 1 : 0;
	}
	return n;
}

static struct policy *policy_of_patterns(const struct pattern *patterns, int n)
{
	char text[4096], path[2 * DEPTH_MAX + 2];
	size_t length = 0;

	for (int i = 0; i < n; i++) {
		show_path(path, patterns[i].parts, patterns[i].depth);
		length += (size_t)snprintf(
			text + length, sizeof(text) - length, "[zone z%d]\npath = %s\n%s",
			i, path, patterns[i].granted ? "allow everyone = list\n" : "");
	}
	return fixture_policy(text);
}

static void check_path(const struct policy *policy, const struct pattern *patterns, int n,
		       int *path, int depth)
{
	char text[2 * DEPTH_MAX + 2];
	const struct zone *zone;
	int scratch[DEPTH_MAX];
	int expected = slow_zone(patterns, n, path, depth);
	bool below = false;

	show_path(text, path, depth);
	zone = policy_zone(policy, text);
	if ((zone ? (int)(zone - policy->zones) : -1) != expected)
		fail_msg("%s is not in zone z%d of:\n%s", text, expected, policy->text);

	memcpy(scratch, path, sizeof(scratch));
	if (leads(policy, STRANGER, text) != slow_leads(patterns, n, scratch, depth))
		fail_msg("%s leads wrongly in:\n%s", text, policy->text);

	for (int i = 0; i < n; i++) {
		bool matches = patterns[i].depth > depth;

		for (int j = 0; matches && j < depth; j++)
			matches = patterns[i].parts[j] == -1 ||
				  patterns[i].parts[j] == path[j];
		below = below || matches;
	}
	assert_int_equal(policy_zones_below(policy, text), below);
}

static void the_index_agrees_with_trying_every_pattern(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;
	unsigned n_paths = 0;

	(void)state;
	for (int i = 0; i < 1500; i++) {
		struct pattern patterns[24];
		int n = random_patterns(&seed, patterns, 1 + i % 24);
		AUTO_POLICY policy = NULL;

		if (n == 0)
			continue;
		policy = policy_of_patterns(patterns, n);
		for (int j = 0; j < 40; j++, n_paths++) {
			int path[DEPTH_MAX],
				depth = (int)(fixture_random(&seed) % (DEPTH_MAX + 1));

			for (int k = 0; k < DEPTH_MAX; k++)
				path[k] = (int)(fixture_random(&seed) % (N_NAMES + 1));
			check_path(policy, patterns, n, path, depth);
		}
	}
	print_message("%u paths\n", n_paths);
}

static struct policy *large_policy(void)
{
	struct policy *policy;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	for (unsigned i = 0; i < 100; i++)
		fprintf(stream, "[role r%u]\ngroups = g%u\n", i, 1000 + i);
	for (unsigned i = 0; i < 1000; i++) {
		fprintf(stream, "[zone z%u]\npath = /projects/%s%u/models\n", i,
			i % 10 ? "p" : "*/q", i);
		for (unsigned j = 0; j < 10; j++)
			fprintf(stream, "allow r%u = read, create, write-own\n",
				(i + j) % 100);
	}
	fclose(stream);
	policy = fixture_policy(text);
	free(text);
	return policy;
}

static void a_decision_among_a_thousand_zones_is_fast(void **state)
{
	AUTO_POLICY policy = large_policy();
	const gid_t groups[] = { 1, 2, 3, 4, 5, 6, 7, 1042, 1050 };
	const struct subject subject = {
		.uid = 1000, .gid = 5, .groups = groups, .n_groups = 9
	};
	const unsigned n = 200000;
	unsigned n_allowed = 0;
	struct role_set roles;
	char paths[16][80];
	double start, decision, holding;

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		snprintf(paths[i], sizeof(paths[i]),
			 "/projects/p%u/models/resnet/v%u/weights.safetensors", 33 + i,
			 i);
	start = fixture_seconds();
	for (unsigned i = 0; i < n; i++)
		policy_roles(policy, &subject, &roles);
	holding = (fixture_seconds() - start) / n;
	start = fixture_seconds();
	for (unsigned i = 0; i < n; i++) {
		struct verdict verdict;

		policy_decide(policy, &roles, policy_zone(policy, paths[i % 16]),
			      OPERATION_OPEN_READ, false, 0, &verdict);
		n_allowed += verdict.decision == DECISION_ALLOWED ? 1 : 0;
	}
	decision = (fixture_seconds() - start) / n;
	print_message("zone and verdict: %.0f ns, roles: %.0f ns\n", decision * 1e9,
		      holding * 1e9);
	assert_true(n_allowed > 0 && n_allowed < n);
	assert_true(decision < 20e-6 && holding < 20e-6); /* 1 us without sanitizers */
}

/* One zone is granted, and each of the others owns all that has "a" at one place: every
 * way down from /a is theirs, and there are 2^39 of them. */
static struct policy *overlapping_policy(void)
{
	struct policy *policy;
	FILE *stream;
	size_t size;
	char *text;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	fprintf(stream, "[zone last]\npath = ");
	for (unsigned i = 0; i < 40; i++)
		fprintf(stream, "/*");
	fprintf(stream, "/z\nallow everyone = read\n");
	for (unsigned i = 0; i < 40; i++) {
		fprintf(stream, "[zone z%u]\npath = ", i);
		for (unsigned j = 0; j < 40; j++)
			fprintf(stream, j == i ? "/a" : "/*");
		fprintf(stream, "/z\n");
	}
	fclose(stream);
	policy = fixture_policy(text);
	free(text);
	return policy;
}

static void overlapping_stars_do_not_take_for_ever(void **state)
{
	AUTO_POLICY policy = overlapping_policy();
	double start = fixture_seconds();

	(void)state;
	assert_true(leads(policy, STRANGER, "/"));
	assert_true(leads(policy, STRANGER, "/b"));
	assert_false(leads(policy, STRANGER, "/a"));
	assert_true(fixture_seconds() - start < 2); /* 10 ms without sanitizers */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_name_the_verb_the_role_and_the_line),
		cmocka_unit_test(what_is_in_no_zone_is_denied),
		cmocka_unit_test(a_zeroed_verdict_denies),
		cmocka_unit_test(every_set_of_verbs_allows_what_the_table_says),
		cmocka_unit_test(each_operation_takes_what_the_design_says),
		cmocka_unit_test(unknown_words_and_numbers_are_no_operation),
		cmocka_unit_test(a_path_is_in_the_deepest_zone_that_matches),
		cmocka_unit_test(a_sibling_with_the_same_prefix_is_another_zone),
		cmocka_unit_test(a_star_is_one_component_and_a_literal_beats_it),
		cmocka_unit_test(a_directory_leads_to_the_listed_zones_below_it),
		cmocka_unit_test(a_name_that_leads_only_to_a_locked_zone_stays_hidden),
		cmocka_unit_test(roles_come_by_group_user_inclusion_and_for_everyone),
		cmocka_unit_test(a_limited_role_takes_its_program_and_its_unit),
		cmocka_unit_test(the_index_agrees_with_trying_every_pattern),
		cmocka_unit_test(a_decision_among_a_thousand_zones_is_fast),
		cmocka_unit_test(overlapping_stars_do_not_take_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
