/* SPDX-License-Identifier: Apache-2.0 */
/* Each policy of tests/bad-policies is refused with exactly the text beside it.
 * Usage: test-bad-policies DIRECTORY (or BAD_POLICIES_DIR in the environment) */
#include <dirent.h>

#include "policy-fixture.h"

#define POLICIES_MIN 40

static const char *directory;

/* A whole file, NUL-terminated; fails the test if there is none. */
static char *read_whole(const char *name, size_t *ret_length)
{
	char path[4096], *text;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("cannot open %s", path);
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	text = malloc((size_t)size + 1);
	assert_non_null(text);
	*ret_length = fread(text, 1, (size_t)size, file);
	assert_int_equal(*ret_length, size);
	text[size] = '\0';
	fclose(file);
	return text;
}

/* As modelguardctl check shows it. */
static char *show(const char *name, const struct complaints *complaints)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	for (size_t i = 0; i < complaints->n_items; i++) {
		fputs(name, stream);
		if (complaints->items[i].line != 0)
			fprintf(stream, ":%u", complaints->items[i].line);
		fprintf(stream, ": %s\n", complaints->items[i].text);
	}
	fclose(stream);
	return text;
}

/* Returns whether it is refused as expected; says how not. */
static bool check_one(const char *name)
{
	AUTO_COMPLAINTS complaints = { 0 };
	AUTO_POLICY policy = NULL;
	char expected_name[300];
	size_t length, expected_length;
	char *text = read_whole(name, &length), *expected, *shown;
	bool same;

	snprintf(expected_name, sizeof(expected_name), "%.*s.expected",
		 (int)strlen(name) - 4, name);
	expected = read_whole(expected_name, &expected_length);
	if (policy_parse(name, text, length, &fixture_names, &complaints, &policy) == 0)
		policy_unenforceable(policy, &complaints);
	shown = show(name, &complaints);
	same = strcmp(shown, expected) == 0 && complaints.n_items == 1;
	if (!same)
		print_error("%s\n  expected: %s  got:      %s", name, expected, shown);
	free(shown);
	free(expected);
	free(text);
	return same;
}

static void each_defect_is_refused_with_its_own_words(void **state)
{
	DIR *entries = opendir(directory);
	unsigned n = 0, n_wrong = 0, n_expected = 0;
	struct dirent *entry;

	(void)state;
	assert_non_null(entries);
	while ((entry = readdir(entries))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && strcmp(dot, ".expected") == 0)
			n_expected++;
		if (!dot || strcmp(dot, ".ini") != 0)
			continue;
		n++;
		n_wrong += check_one(entry->d_name) ? 0 : 1;
	}
	closedir(entries);
	print_message("%u bad policies\n", n);
	assert_int_equal(n_wrong, 0);
	assert_int_equal(n, n_expected);
	assert_true(n >= POLICIES_MIN);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_defect_is_refused_with_its_own_words),
	};

	directory = argc > 1 ? argv[1] : getenv("BAD_POLICIES_DIR");
	if (!directory) {
		fprintf(stderr, "usage: test-bad-policies DIRECTORY\n");
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
