/* SPDX-License-Identifier: Apache-2.0 */
/* Grants that end: the file, what makes one void, and the two clocks. */
#include "policy-fixture.h"

#include "config/grants.h"

#define AUTO_GRANTS __attribute__((cleanup(grants_unrefp))) struct grants *

enum { ENGINEER = 1, ADMIN, CLEANER };

static const char policy_text[] = "[guard]\n"
				  "max-grant = 1h\n"
				  "grantable = engineer, admin\n"
				  "[role engineer]\n"
				  "groups = 11\n"
				  "[role admin]\n"
				  "groups = 12\n"
				  "include = engineer\n"
				  "[role cleaner]\n"
				  "groups = 13\n"
				  "[zone share]\n"
				  "path = /\n"
				  "allow engineer = write\n";

static const char sound[] = "[grant 1]\n"
			    "user = u500 500\n"
			    "role = admin\n"
			    "from = 10000\n"
			    "until = 13600\n"
			    "uptime = 700\n"
			    "by = root 0\n"
			    "reason = mend the upload; ticket #7\n";

static int parse(const char *text, struct complaints *complaints, struct grants **ret)
{
	return grants_parse(text, strlen(text), complaints, ret);
}

/* Parsed and judged at a moment. */
static struct grants *grants_of(const struct policy *policy, const char *text,
				struct moment now)
{
	AUTO_COMPLAINTS complaints = { 0 };
	struct grants *grants = NULL;

	assert_int_equal(parse(text, &complaints, &grants), 0);
	assert_int_equal(grants_judge(grants, policy, &fixture_names, &now, &complaints),
			 0);
	assert_int_equal(complaints.n_items, 0);
	return grants;
}

static bool has_role(const struct policy *policy, const struct grants *grants, uid_t uid,
		     struct moment now, unsigned role)
{
	const struct subject subject = {
		.uid = uid, .gid = 5, .grants = grants, .now = now
	};
	struct role_set roles;

	policy_roles(policy, &subject, &roles);
	return role_set_has(&roles, role);
}

static void a_grant_lends_the_role_and_what_it_includes(void **state)
{
	AUTO_POLICY policy = fixture_policy(policy_text);
	const struct moment now = { 10000, 700 };
	AUTO_GRANTS grants = grants_of(policy, sound, now);
	const struct subject subject = { .uid = 500, .grants = grants, .now = now };
	struct role_holding holding;

	(void)state;
	assert_true(has_role(policy, grants, 500, now, ADMIN));
	assert_true(has_role(policy, grants, 500, now, ENGINEER));
	assert_false(has_role(policy, grants, 500, now, CLEANER));
	assert_false(has_role(policy, grants, 501, now, ADMIN));
	assert_false(has_role(policy, NULL, 500, now, ADMIN));
	policy_role_holding(policy, &subject, ADMIN, &holding);
	assert_int_equal(holding.origin, ROLE_BY_GRANT);
	assert_string_equal(holding.grant->reason, "mend the upload; ticket #7");
	policy_role_holding(policy, &subject, ENGINEER, &holding);
	assert_int_equal(holding.origin, ROLE_BY_INCLUDE);
	assert_int_equal(holding.via, ADMIN);
}

static void a_grant_ends_to_the_second_by_either_clock(void **state)
{
	static const struct {
		struct moment now;
		bool valid;
	} rows[] = {
		{ { 9999, 700 }, false }, /* the clock was set back to before it began */
		{ { 10000, 700 }, true },   { { 13599, 4299 }, true },
		{ { 13600, 4300 }, false }, { { 13600, 700 }, false }, /* set forward */
		{ { 10001, 4300 }, true },  /* set back: elapsed time counts, */
		{ { 10001, 4301 }, false }, /* and rounding is in its favour */
		{ { 20000, 9000 }, false },
	};
	AUTO_POLICY policy = fixture_policy(policy_text);
	AUTO_GRANTS grants = grants_of(policy, sound, (struct moment){ 10000, 700 });

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (has_role(policy, grants, 500, rows[i].now, ADMIN) != rows[i].valid)
			fail_msg("row %zu", i);
	}
}

static void after_another_boot_the_wall_clock_is_the_first_to_end_it(void **state)
{
	AUTO_POLICY policy = fixture_policy(policy_text);
	AUTO_GRANTS grants = grants_of(policy, sound, (struct moment){ 10000, 5 });

	(void)state;
	/* The machine was started at 10000 or later. */
	assert_true(has_role(policy, grants, 500, (struct moment){ 13599, 3599 }, ADMIN));
	assert_false(
		has_role(policy, grants, 500, (struct moment){ 13600, 3600 }, ADMIN));
	/* With a clock that starts anew it has not begun. */
	assert_false(has_role(policy, grants, 500, (struct moment){ 5, 5 }, ADMIN));
}

#define GRANT(user, role, until)                                                    \
	"[grant 1]\nuser = " user "\nrole = " role "\nfrom = 10000\nuntil = " until \
	"\nuptime = 700\nby = root 0\nreason = r\n"

static void what_the_policy_or_nss_does_not_allow_is_void_and_not_refused(void **state)
{
	static const struct {
		const char *text;
		enum grant_fault fault;
	} rows[] = {
		{ GRANT("u500 500", "admin", "13600"), GRANT_SOUND },
		{ GRANT("u500 500", "admin", "13601"), GRANT_TOO_LONG },
		{ GRANT("u500 500", "cleaner", "13600"), GRANT_NOT_GRANTABLE },
		{ GRANT("u500 500", "everyone", "13600"), GRANT_NO_ROLE },
		{ GRANT("u500 500", "amdin", "13600"), GRANT_NO_ROLE },
		{ GRANT("gone 500", "admin", "13600"), GRANT_NO_USER },
		{ GRANT("u501 500", "admin", "13600"), GRANT_OTHER_USER },
		{ GRANT("u500 500", "admin", "10001"), GRANT_OVER },
	};
	AUTO_POLICY policy = fixture_policy(policy_text);
	const struct moment now = { 10001, 700 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_GRANTS grants = grants_of(policy, rows[i].text, now);

		assert_int_equal(grants->items[0].fault, rows[i].fault);
		assert_int_equal(has_role(policy, grants, 500, now, ADMIN),
				 rows[i].fault == GRANT_SOUND);
	}
}

static void who_cannot_be_told_refuses_the_file(void **state)
{
	AUTO_POLICY policy = fixture_policy(policy_text);
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_GRANTS grants = NULL;
	const struct moment now = { 10001, 700 }, after = { 13600, 700 };

	(void)state;
	assert_int_equal(
		parse(GRANT("slow-u 500", "admin", "13600"), &complaints, &grants), 0);
	assert_int_equal(grants_judge(grants, policy, &fixture_names, &now, &complaints),
			 -EINVAL);
	assert_int_equal(complaints.n_items, 1);
	assert_non_null(strstr(complaints.items[0].text, "cannot tell whether the user"));
	/* It is not asked about what has ended. */
	assert_int_equal(
		grants_judge(grants, policy, &fixture_names, &after, &complaints), 0);
}

static void a_revoked_grant_lends_nothing(void **state)
{
	static const char revoked[] = GRANT(
		"u500 500", "admin", "13600") "revoked = 10500\nrevoked-by = root 0\n";
	AUTO_POLICY policy = fixture_policy(policy_text);
	const struct moment now = { 10001, 700 };
	AUTO_GRANTS grants = grants_of(policy, revoked, now);

	(void)state;
	assert_false(has_role(policy, grants, 500, now, ADMIN));
	assert_string_equal(grant_state_name(&grants->items[0], &now), "revoked");
}

/* One defect each. */
static void a_damaged_file_is_refused_whole(void **state)
{
	static const struct {
		const char *text, *complaint;
	} rows[] = {
		{ "user = u500 500\n", "before the first [grant NUMBER]" },
		{ "[grant]\n", "unknown section" },
		{ "[grant x]\n", "unknown section" },
		{ "[grant -1]\n", "unknown section" },
		{ "[role admin]\n", "unknown section" },
		{ "[grant 1]\nuser = u500 500\n", "has no 'role'" },
		{ GRANT("u500", "admin", "13600"), "user cannot be 'u500'" },
		{ GRANT("u500 4294967295", "admin", "13600"), "user cannot be" },
		{ GRANT("u500 -1", "admin", "13600"), "user cannot be" },
		{ GRANT("u500 500", "a b", "13600"), "role cannot be 'a b'" },
		{ GRANT("u500 500", "admin", "13600x"), "until cannot be" },
		{ GRANT("u500 500", "admin", "9999999999999999999"), "until cannot be" },
		{ GRANT("u500 500", "admin", "10000"), "ends before it begins" },
		{ GRANT("u500 500", "admin", "13600") "reason = s\n",
		  "a second 'reason'" },
		{ GRANT("u500 500", "admin", "13600") "groups = 5\n", "unknown key" },
		{ GRANT("u500 500", "admin", "13600") "revoked = 5\n",
		  "without the other" },
		{ GRANT("u500 500", "admin", "13600") "uptime = 5\n",
		  "a second 'uptime'" },
		{ GRANT("u500 500", "admin", "13600") GRANT("u501 501", "admin", "13600"),
		  "a second [grant 1]" },
		{ GRANT("u500 500", "admin", "13600") "half a li",
		  "neither 'key = value'" },
		{ GRANT("u500 500", "admin", "136\0"), "has no 'uptime'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_COMPLAINTS complaints = { 0 };
		struct grants *grants = NULL;

		if (parse(rows[i].text, &complaints, &grants) != -EINVAL)
			fail_msg("row %zu is not refused", i);
		if (complaints.n_items != 1 ||
		    !strstr(complaints.items[0].text, rows[i].complaint))
			fail_msg("row %zu: %s", i, complaints.items[0].text);
	}
}

static void what_is_written_is_read_back(void **state)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_GRANTS grants = NULL;
	AUTO_GRANTS again = NULL;
	char *text;
	size_t length;

	(void)state;
	assert_int_equal(parse(sound, &complaints, &grants), 0);
	grants->items[0].revoked = 11;
	grants->items[0].revoked_by = (struct grant_person){ strdup("DOM\\an admin"), 7 };
	text = grants_compose(grants, &length);
	assert_int_equal(grants_parse(text, length, &complaints, &again), 0);
	assert_true(grant_same(&grants->items[0], &again->items[0]));
	assert_string_equal(again->items[0].reason, grants->items[0].reason);
	assert_int_equal(again->items[0].boot_from, 700);
	assert_int_equal(again->items[0].revoked, 11);
	assert_string_equal(again->items[0].revoked_by.name, "DOM\\an admin");
	assert_int_equal(again->items[0].revoked_by.uid, 7);
	free(text);
	grants_drop_ended(again, 13600);
	assert_int_equal(again->n_items, 0);
}

static void a_text_that_would_not_be_read_back_does_not_fit(void **state)
{
	char longest[GRANT_TEXT_MAX + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[GRANT_TEXT_MAX + 1] = '\0';
	assert_false(grant_text_fits(longest));
	longest[GRANT_TEXT_MAX] = '\0';
	assert_true(grant_text_fits(longest));
	assert_true(grant_text_fits("a;b"));
	assert_true(grant_text_fits("mend it: key = value [x] # \xc3\xa4"));
	assert_false(grant_text_fits("a ;b"));
	assert_false(grant_text_fits(";"));
	assert_false(grant_text_fits(""));
	assert_false(grant_text_fits(" a"));
	assert_false(grant_text_fits("a\t"));
	assert_false(grant_text_fits("a\nuser = root 0"));
	assert_false(grant_text_fits("a\x1b[2J"));
}

static void the_next_change_is_the_next_of_either_clock(void **state)
{
	AUTO_POLICY policy = fixture_policy(policy_text);
	AUTO_GRANTS grants = grants_of(policy, sound, (struct moment){ 10000, 700 });
	struct moment next;

	(void)state;
	grants_next_change(grants, &(struct moment){ 9000, 600 }, &next);
	assert_int_equal(next.wall, 10000);
	assert_int_equal(next.boot, 4301);
	grants_next_change(grants, &(struct moment){ 10000, 700 }, &next);
	assert_int_equal(next.wall, 13600);
	grants_next_change(grants, &(struct moment){ 13600, 4301 }, &next);
	assert_true(next.wall == INT64_MAX && next.boot == INT64_MAX);
}

static void those_in_force_are_a_set_of_their_own(void **state)
{
	AUTO_POLICY policy = fixture_policy(policy_text);
	struct grants *all = grants_of(policy, sound, (struct moment){ 10000, 700 });
	AUTO_GRANTS valid = grants_select(all, &(struct moment){ 10000, 700 });
	AUTO_GRANTS none = grants_select(all, &(struct moment){ 13600, 700 });

	(void)state;
	assert_int_equal(valid->n_items, 1);
	assert_int_equal(none->n_items, 0);
	assert_non_null(grants_find(valid, &all->items[0]));
	assert_null(grants_find(none, &all->items[0]));
	grants_unref(all);
	assert_string_equal(valid->items[0].user.name, "u500");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_lends_the_role_and_what_it_includes),
		cmocka_unit_test(a_grant_ends_to_the_second_by_either_clock),
		cmocka_unit_test(
			after_another_boot_the_wall_clock_is_the_first_to_end_it),
		cmocka_unit_test(
			what_the_policy_or_nss_does_not_allow_is_void_and_not_refused),
		cmocka_unit_test(who_cannot_be_told_refuses_the_file),
		cmocka_unit_test(a_revoked_grant_lends_nothing),
		cmocka_unit_test(a_damaged_file_is_refused_whole),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_text_that_would_not_be_read_back_does_not_fit),
		cmocka_unit_test(the_next_change_is_the_next_of_either_clock),
		cmocka_unit_test(those_in_force_are_a_set_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
