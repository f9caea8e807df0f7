/* SPDX-License-Identifier: Apache-2.0 */
/* From text to policy: what is accepted, what is refused, and that nothing is misread.
 * Usage: test-policy-parse SHIPPED-POLICY (or SHIPPED_POLICY in the environment) */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/hash.h"
#include "config/ini-reader.h"

#include "policy-fixture.h"

static const char whole_language[] =
	"; a comment\n"
	"# another\n"
	"[guard]\n"
	"audit-failure = allow ; why not\n"
	"audit-writes=ranges\n"
	"groups-from\t=\tdatabase\n"
	"\n"
	"[role data-scientist]\n"
	"groups = data-scientists, 99\n"
	"[role ml-engineer]\n"
	"groups = ml-engineers\n"
	"include = data-scientist\n"
	"[role model-admin]\n"
	"include = ml-engineer\n"
	"users = root\n"
	"[ role release.pipeline_2 ]  ; trimmed\n"
	"users = ci-release\n"
	"[zone share]\n"
	"path = /\n"
	"allow data-scientist = read\n"
	"allow ml-engineer    = read, create, write, delete\n"
	"[zone teams]\n"
	"path = /teams/*/models of all\n"
	"modes = owner\n"
	"mapped-writes = refuse\n"
	"allow everyone = list\n"
	"[zone production]\n"
	"path = /production\n"
	"allow release.pipeline_2 = promote\n"
	"promote-from = /staging\n"
	"retain = 90d\n"
	"write-once = yes"; /* no newline at the end */

static void all_of_the_language_is_read(void **state)
{
	AUTO_POLICY policy = fixture_policy(whole_language);
	const struct zone *zones = policy->zones;

	(void)state;
	assert_int_equal(policy->audit_failure, AUDIT_FAILURE_ALLOW);
	assert_int_equal(policy->audit_writes, AUDIT_WRITES_RANGES);
	assert_int_equal(policy->groups_from, GROUPS_FROM_DATABASE);
	assert_string_equal(policy->name, "policy.ini");
	assert_int_equal(policy->n_roles, 5);
	assert_string_equal(policy->roles[0].name, "everyone");
	assert_string_equal(policy->roles[4].name, "release.pipeline_2");
	assert_int_equal(policy->roles[1].n_gids, 2);
	assert_int_equal(policy->roles[1].gids[0], 10);
	assert_int_equal(policy->roles[1].gids[1], 99);
	assert_int_equal(policy->roles[4].uids[0], 13);

	assert_int_equal(policy->n_zones, 3);
	assert_string_equal(zones[1].path, "/teams/*/models of all");
	assert_int_equal(zones[1].modes, ZONE_MODES_OWNER);
	assert_int_equal(zones[1].mapped_writes, MAPPED_WRITES_REFUSE);
	assert_int_equal(zones[1].verbs_of_everyone, VERB_SET(VERB_LIST));
	assert_int_equal(zones[0].verbs_of_everyone, 0);
	assert_int_equal(zones[0].verbs_of_any,
			 VERB_SET(VERB_LIST) | VERB_SET(VERB_READ) |
				 VERB_SET(VERB_CREATE) | VERB_SET(VERB_WRITE) |
				 VERB_SET(VERB_DELETE));
	assert_true(zones[2].write_once);
	assert_false(zones[0].write_once);
	assert_string_equal(zones[2].promote_from, "/staging");
	assert_int_equal(zones[2].retain, 90 * 86400);
}

static void lines_are_those_of_the_file(void **state)
{
	AUTO_POLICY policy = fixture_policy(whole_language);
	const char *line;
	size_t length;

	(void)state;
	assert_int_equal(policy->roles[1].line, 8);
	assert_int_equal(policy->zones[0].line, 18);
	assert_int_equal(policy->zones[0].grants[1].line, 21);
	assert_int_equal(policy->zones[2].write_once_line, 32);
	line = policy_line(policy, 32, &length);
	assert_int_equal(length, strlen("write-once = yes"));
	assert_memory_equal(line, "write-once = yes", length);
	assert_null(policy_line(policy, 33, &length));
	assert_null(policy_line(policy, 0, &length));
}

static void what_is_left_out_has_the_careful_default(void **state)
{
	AUTO_POLICY policy = fixture_policy("[zone share]\npath = /\n");

	(void)state;
	assert_int_equal(policy->audit_failure, AUDIT_FAILURE_DENY);
	assert_int_equal(policy->audit_writes, AUDIT_WRITES_EACH);
	assert_int_equal(policy->groups_from, GROUPS_FROM_PROCESS);
	assert_int_equal(policy->zones[0].n_grants, 0); /* a locked zone is a zone */
	assert_int_equal(policy->zones[0].modes, ZONE_MODES_ROLE);
}

static void inclusion_is_transitive_and_one_way(void **state)
{
	AUTO_POLICY policy = fixture_policy(whole_language);
	const struct role *roles = policy->roles;

	(void)state;
	assert_true(role_set_has(&roles[3].holds, 1));
	assert_true(role_set_has(&roles[3].holds, 2));
	assert_true(role_set_has(&roles[3].holds, 3));
	assert_false(role_set_has(&roles[1].holds, 2));
	assert_false(role_set_has(&roles[3].holds, 4));
}

static void a_role_may_be_named_before_its_section(void **state)
{
	AUTO_POLICY policy = fixture_policy("[zone share]\npath = /\nallow b = read\n"
					    "[role a]\nusers = 1\ninclude = b\n"
					    "[role b]\nusers = 2\n");

	(void)state;
	assert_int_equal(policy->zones[0].grants[0].role, 2);
	assert_true(role_set_has(&policy->roles[1].holds, 2));
}

/* Builds a policy whose third line has `length` bytes, and hides a grant behind them. */
static int parse_long_line(size_t length, struct policy **ret)
{
	AUTO_COMPLAINTS complaints = { 0 };
	char text[1024];
	size_t n = (size_t)snprintf(text, sizeof(text), "[zone share]\npath = /\n");

	memset(text + n, ' ', length);
	text[n] = ';';
	memcpy(text + n + length - 21, "allow everyone = read", 21);
	text[n + length] = '\n';
	text[n + length + 1] = '\0';
	return fixture_parse(text, &complaints, ret);
}

static void an_overlong_line_never_becomes_two(void **state)
{
	(void)state;
	for (size_t length = 22; length < 700; length++) {
		AUTO_POLICY policy = NULL;
		int r = parse_long_line(length, &policy);

		assert_int_equal(r, length <= INI_LINE_MAX ? 0 : -EINVAL);
		if (r == 0)
			assert_int_equal(policy->zones[0].n_grants, 0);
	}
}

static void a_long_name_is_never_cut(void **state)
{
	(void)state;
	for (int length = 38; length < 60; length++) {
		AUTO_COMPLAINTS complaints = { 0 };
		AUTO_POLICY policy = NULL;
		char text[512], name[64];
		int r;

		memset(name, 'n', sizeof(name));
		snprintf(
			text, sizeof(text),
			"[role %.*s]\nusers = 1\n[zone z]\npath = /\nallow %.*s = read\n",
			length, name, length, name);
		r = fixture_parse(text, &complaints, &policy);
		assert_int_equal(r, length <= 40 ? 0 : -EINVAL);
		if (r == 0)
			assert_int_equal(strlen(policy->roles[1].name), length);
	}
}

static void a_nul_hides_nothing(void **state)
{
	static const char text[] = "[zone share]\npath = /\n\0allow everyone = admin\n";
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;

	(void)state;
	assert_int_equal(policy_parse("x", text, sizeof(text) - 1, &fixture_names,
				      &complaints, &policy),
			 -EINVAL);
	assert_int_equal(complaints.items[0].line, 3);
}

static void all_that_is_wrong_is_told_in_order(void **state)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;
	static const unsigned lines[] = { 2, 4, 6, 6, 7, 8 };

	(void)state;
	assert_int_equal(
		fixture_parse("[guard]\naudit-failure = maybe\n"
			      "[role a]\ngroups = nobody-has-it\n"
			      "[zone z]\nallow b = raed\npath = x\ncolour = red\n",
			      &complaints, &policy),
		-EINVAL);
	assert_null(policy);
	assert_int_equal(complaints.n_items, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(complaints.items[i].line, lines[i]);
}

static void a_name_service_that_cannot_tell_refuses_the_policy(void **state)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;

	(void)state;
	assert_int_equal(
		fixture_parse("[role a]\ngroups = slow-ldap\n[zone z]\npath = /\n",
			      &complaints, &policy),
		-EINVAL);
	assert_string_equal(
		complaints.items[0].text,
		"cannot tell whether the group 'slow-ldap' exists: Input/output "
		"error; see that the name service answers");
}

static void a_group_name_may_have_blanks(void **state)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;

	(void)state;
	assert_int_equal(
		fixture_parse(
			"[role a]\ngroups = domain users, adm\n[zone z]\npath = /\n",
			&complaints, &policy),
		-EINVAL);
	assert_non_null(strstr(complaints.items[0].text, "'domain users'"));
	assert_int_equal(complaints.n_items, 1);
}

static void rubbish_costs_bounded_memory(void **state)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;
	size_t length = 1 << 20;
	char *text = malloc(length);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < length; i++)
		text[i] = i % 2 ? '\n' : 'x';
	assert_int_equal(
		policy_parse("x", text, length, &fixture_names, &complaints, &policy),
		-EINVAL);
	assert_int_equal(complaints.n_items, 1001);
	/* A list that is full already must not make the next policy look sound. */
	assert_int_equal(
		policy_parse("x", "[zone", 5, &fixture_names, &complaints, &policy),
		-EINVAL);
	free(text);
}

/* What must be true of any policy that was accepted. */
static void check_invariants(const struct policy *policy)
{
	assert_true(policy->n_roles >= 1 && policy->n_roles <= POLICY_ROLES_MAX);
	assert_true(policy->n_zones >= 1);
	for (size_t i = 0; i < policy->n_zones; i++) {
		const struct zone *zone = &policy->zones[i];

		assert_true(zone->path[0] == '/');
		assert_ptr_equal(policy_zone(policy, zone->path), zone);
		for (size_t j = 0; j < zone->n_grants; j++) {
			assert_true(zone->grants[j].role < policy->n_roles);
			assert_true(zone->grants[j].verbs & VERB_SET(VERB_LIST));
			assert_true(zone->grants[j].verbs < VERB_SET(N_VERBS));
		}
	}
}

static void no_mutation_breaks_the_parser(void **state)
{
	static const char bytes[] = "\n\n\n[]=,;:*/ \tar\0\xff#\r.";
	size_t length = sizeof(whole_language) - 1;
	uint64_t seed = 88172645463325252u;
	unsigned n_sound = 0;
	char text[sizeof(whole_language)];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		AUTO_COMPLAINTS complaints = { 0 };
		AUTO_POLICY policy = NULL;
		size_t end = i % 3 ? length : fixture_random(&seed) % (length + 1);

		memcpy(text, whole_language, length);
		for (unsigned n = fixture_random(&seed) % 4; n > 0; n--)
			text[fixture_random(&seed) % length] =
				bytes[fixture_random(&seed) % (sizeof(bytes) - 1)];
		if (policy_parse("x", text, end, &fixture_names, &complaints, &policy) ==
		    0) {
			check_invariants(policy);
			n_sound++;
		} else {
			assert_true(complaints.n_items > 0);
		}
		for (size_t j = 0; j < complaints.n_items; j++) {
			for (const char *p = complaints.items[j].text; *p; p++)
				assert_true(*p >= 0x20 && *p < 0x7f);
		}
	}
	print_message("%u of 20000 mutations are sound\n", n_sound);
	assert_true(n_sound > 100);
}

static void what_is_not_enforced_yet_is_named(void **state)
{
	AUTO_POLICY policy = fixture_policy(whole_language);
	AUTO_POLICY plain = fixture_policy("[zone share]\npath = /\nwrite-once = no\n"
					   "modes = role\nallow everyone = read\n");
	AUTO_POLICY later = fixture_policy("[zone share]\npath = /\n"
					   "promote-from = /in\ncheck = /bin/true\n"
					   "separation-of-duties = yes\napprovals = 2\n"
					   "formats = gguf, onnx\npickle = allow\n"
					   "allow everyone = approve, promote\n"
					   "[zone in]\npath = /in\n");
	AUTO_COMPLAINTS complaints = { 0 };

	(void)state;
	assert_int_equal(policy_unenforceable(plain, &complaints), 0);
	assert_int_equal(policy_unenforceable(policy, &complaints), 0);
	assert_int_equal(policy_unenforceable(later, &complaints), 1);
	assert_int_equal(complaints.items[0].line, 4);
	assert_true(later->keeps_writers && later->zones[0].gates.separation);
	assert_int_equal(later->zones[0].gates.approvals, 2);
	assert_int_equal(later->zones[0].gates.formats, GATE_GGUF | GATE_ONNX);
	assert_true(later->zones[0].gates.pickle);
	assert_false(policy->keeps_writers || policy->zones[2].gates.pickle);
}

static void the_hash_is_sha256_of_the_bytes(void **state)
{
	AUTO_POLICY policy = fixture_policy("[zone share]\npath = /\n");
	AUTO_POLICY other = fixture_policy("[zone share]\npath = / \n");
	char hash[65];

	(void)state;
	policy_hash("abc", 3, hash); /* FIPS 180-4, its first example */
	assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223"
				  "b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(strlen(policy->hash), 64);
	assert_string_not_equal(policy->hash, other->hash);
}

static void a_reference_keeps_the_policy(void **state)
{
	struct policy *policy = fixture_policy("[zone share]\npath = /\n");

	(void)state;
	assert_ptr_equal(policy_ref(policy), policy);
	assert_null(policy_unref(policy));
	assert_string_equal(policy->zones[0].name, "share");
	assert_null(policy_unref(policy));
	assert_null(policy_unref(NULL));
}

/* 1,000 zones of 10 lines. */
static char *make_large_policy(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	for (unsigned i = 0; i < 100; i++)
		fprintf(stream, "[role r%u]\ngroups = g%u\n", i, 1000 + i);
	for (unsigned i = 0; i < 1000; i++) {
		fprintf(stream, "[zone z%u]\npath = /projects/p%u/models\n", i, i);
		for (unsigned j = 0; j < 7; j++)
			fprintf(stream, "allow r%u = read, create, write-own\n",
				(i + j) % 100);
		fputs("\n", stream);
	}
	fclose(stream);
	return text;
}

static void ten_thousand_lines_load_at_once(void **state)
{
	char *text = make_large_policy();
	double start = fixture_seconds(), seconds;
	AUTO_POLICY policy = fixture_policy(text);

	(void)state;
	seconds = fixture_seconds() - start;
	print_message("10,200 lines, 1,000 zones: %.1f ms\n", seconds * 1e3);
	assert_int_equal(policy->n_zones, 1000);
	assert_true(seconds < 2); /* 0.1 s without sanitizers, on a quiet machine */
	free(text);
}

static const char *shipped;

static void the_shipped_policy_is_sound_and_enforced(void **state)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;
	char text[65536];
	FILE *file = fopen(shipped, "rb");
	size_t length;

	(void)state;
	assert_non_null(file);
	length = fread(text, 1, sizeof(text), file);
	fclose(file);
	assert_in_range(length, 1, sizeof(text) - 1);
	if (policy_parse(shipped, text, length, &fixture_names, &complaints, &policy) ==
	    0)
		policy_unenforceable(policy, &complaints);
	for (size_t i = 0; i < complaints.n_items; i++)
		print_error("%u: %s\n", complaints.items[i].line,
			    complaints.items[i].text);
	assert_int_equal(complaints.n_items, 0);
	assert_int_equal(policy->audit_failure, AUDIT_FAILURE_DENY);
}

/* A file in a directory of its own. */
struct place {
	char directory[64];
	char file[96];
};

static int place_setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	FILE *file;

	assert_non_null(place);
	strcpy(place->directory, "/tmp/test-policy-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->file, sizeof(place->file), "%s/policy.ini", place->directory);
	file = fopen(place->file, "w");
	assert_non_null(file);
	fputs("[zone share]\npath = /\n", file);
	fclose(file);
	chmod(place->file, 0644);
	*state = place;
	return 0;
}

static int place_teardown(void **state)
{
	struct place *place = *state;

	unlink(place->file);
	rmdir(place->directory);
	free(place);
	return 0;
}

/* Loads it; the first complaint must begin so (NULL: it must be sound). */
static void check_load(const struct place *place, int expected, const char *text)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;

	assert_int_equal(policy_load(place->file, &fixture_names, &complaints, &policy),
			 expected);
	assert_int_equal(complaints.n_items, text ? 1 : 0);
	if (text)
		assert_non_null(strstr(complaints.items[0].text, text));
	assert_true((policy != NULL) == (expected == 0));
}

static void a_file_of_ones_own_is_loaded(void **state)
{
	check_load(*state, 0, NULL);
}

static void a_file_that_others_can_write_is_refused(void **state)
{
	const struct place *place = *state;

	chmod(place->file, 0664);
	check_load(place, -EINVAL, "writable by others (mode 0664)");
	chmod(place->file, 0646);
	check_load(place, -EINVAL, "writable by others (mode 0646)");
	chmod(place->file, 0644);
	check_load(place, 0, NULL);
}

static void a_file_of_somebody_else_is_refused(void **state)
{
	const struct place *place = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(place->file, 12345, 0), 0);
	check_load(place, -EINVAL, "owned by uid 12345");
	assert_int_equal(chown(place->file, 0, 0), 0);
	check_load(place, 0, NULL);
}

static void a_directory_where_others_could_replace_it_is_refused(void **state)
{
	const struct place *place = *state;

	chmod(place->directory, 0777);
	check_load(place, -EINVAL, "the directory of the policy is writable by others");
	chmod(place->directory, 01777); /* sticky: only the owner can */
	check_load(place, 0, NULL);
}

static void a_symbolic_link_is_refused(void **state)
{
	const struct place *place = *state;

	unlink(place->file);
	assert_int_equal(symlink("/etc/passwd", place->file), 0);
	check_load(place, -EINVAL, "a symbolic link");
}

static void a_fifo_is_refused_without_waiting(void **state)
{
	const struct place *place = *state;

	unlink(place->file);
	assert_int_equal(mkfifo(place->file, 0600), 0);
	check_load(place, -EINVAL, "not a regular file");
}

static void a_file_that_is_too_large_is_refused_unread(void **state)
{
	const struct place *place = *state;

	assert_int_equal(truncate(place->file, (off_t)POLICY_BYTES_MAX + 1), 0);
	check_load(place, -EINVAL, "more than the 16777216 that are read");
}

static void a_file_that_is_not_there_is_told_apart(void **state)
{
	const struct place *place = *state;

	unlink(place->file);
	check_load(place, -ENOENT, "cannot open it: No such file or directory");
}

#define PLACE_TEST(test) \
	cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_the_language_is_read),
		cmocka_unit_test(lines_are_those_of_the_file),
		cmocka_unit_test(what_is_left_out_has_the_careful_default),
		cmocka_unit_test(inclusion_is_transitive_and_one_way),
		cmocka_unit_test(a_role_may_be_named_before_its_section),
		cmocka_unit_test(an_overlong_line_never_becomes_two),
		cmocka_unit_test(a_long_name_is_never_cut),
		cmocka_unit_test(a_nul_hides_nothing),
		cmocka_unit_test(all_that_is_wrong_is_told_in_order),
		cmocka_unit_test(a_name_service_that_cannot_tell_refuses_the_policy),
		cmocka_unit_test(a_group_name_may_have_blanks),
		cmocka_unit_test(rubbish_costs_bounded_memory),
		cmocka_unit_test(no_mutation_breaks_the_parser),
		cmocka_unit_test(what_is_not_enforced_yet_is_named),
		cmocka_unit_test(the_hash_is_sha256_of_the_bytes),
		cmocka_unit_test(a_reference_keeps_the_policy),
		cmocka_unit_test(ten_thousand_lines_load_at_once),
		cmocka_unit_test(the_shipped_policy_is_sound_and_enforced),
		PLACE_TEST(a_file_of_ones_own_is_loaded),
		PLACE_TEST(a_file_that_others_can_write_is_refused),
		PLACE_TEST(a_file_of_somebody_else_is_refused),
		PLACE_TEST(a_directory_where_others_could_replace_it_is_refused),
		PLACE_TEST(a_symbolic_link_is_refused),
		PLACE_TEST(a_fifo_is_refused_without_waiting),
		PLACE_TEST(a_file_that_is_too_large_is_refused_unread),
		PLACE_TEST(a_file_that_is_not_there_is_told_apart),
	};

	shipped = argc > 1 ? argv[1] : getenv("SHIPPED_POLICY");
	if (!shipped) {
		fprintf(stderr, "usage: test-policy-parse SHIPPED-POLICY\n");
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
