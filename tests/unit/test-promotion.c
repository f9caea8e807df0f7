/* SPDX-License-Identifier: Apache-2.0 */
/* What a promotion looks at, and that nothing has changed since the gates did. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fuse/handle.h"
#include "fuse/promotion.h"
#include "fuse/source.h"
#include "fuse/util.h"

struct fixture {
	char path[64];
	int fd; /* of the directory that holds the tree "model" */
	struct handle_table *handles;
};

static void put(const struct fixture *f, const char *name, const char *text)
{
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/var/tmp/test-promotion.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(f->fd, "model", 0755), 0);
	assert_int_equal(mkdirat(f->fd, "model/deep", 0755), 0);
	put(f, "model/one", "1");
	put(f, "model/deep/two", "22");
	assert_int_equal(symlinkat("../one", f->fd, "model/deep/link"), 0);
	assert_int_equal(handle_table_new(NULL, NULL, &f->handles), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	handle_table_free(f->handles);
	close(f->fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static int look(const struct fixture *f, const struct manifest *manifest,
		struct promotion *ret)
{
	_cleanup_(closep) int fd = source_open_name(f->fd, "model");

	*ret = (struct promotion){ 0 };
	assert_true(fd >= 0);
	return promotion_look(f->handles, fd, manifest, ret);
}

static void a_whole_tree_passes(void **state)
{
	struct promotion promotion;

	assert_int_equal(look(*state, NULL, &promotion), 0);
	assert_int_equal(promotion.error, 0);
	assert_int_equal(promotion.n_files, 2);
	assert_int_equal(promotion.size, 3);
}

static void change_byte(const struct fixture *f)
{
	put(f, "model/one", "7");
}

static void change_time(const struct fixture *f)
{
	const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	assert_int_equal(utimensat(f->fd, "model/one", times, 0), 0);
}

static void add_file(const struct fixture *f)
{
	put(f, "model/deep/more", "");
}

static void remove_file(const struct fixture *f)
{
	assert_int_equal(unlinkat(f->fd, "model/one", 0), 0);
}

static void replace_file(const struct fixture *f)
{
	put(f, "other", "1");
	assert_int_equal(renameat(f->fd, "other", f->fd, "model/one"), 0);
}

static void change_link(const struct fixture *f)
{
	assert_int_equal(unlinkat(f->fd, "model/deep/link", 0), 0);
	assert_int_equal(symlinkat("two", f->fd, "model/deep/link"), 0);
}

static void leave_alone(const struct fixture *f)
{
	(void)f;
}

static void what_changed_since_the_gates_looked_is_refused(void **state)
{
	static const struct {
		void (*change)(const struct fixture *f);
		int error;
	} cases[] = {
		{ leave_alone, 0 },	{ change_byte, EBUSY }, { change_time, EBUSY },
		{ add_file, EBUSY },	{ change_link, EBUSY }, { replace_file, EBUSY },
		{ remove_file, EBUSY },
	};
	const struct timespec tick = { .tv_nsec = 20000000 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct fixture *f = *state;
		struct manifest manifest = { 0 };
		struct promotion promotion;

		assert_int_equal(manifest_list(f->fd, "model", &manifest), 0);
		nanosleep(&tick, NULL); /* ctime goes on */
		cases[i].change(f);
		assert_int_equal(look(f, &manifest, &promotion), 0);
		assert_int_equal(promotion.error, cases[i].error);
		manifest_fini(&manifest);
	}
}

static void who_has_it_open_for_writing_past_the_guard_shows(void **state)
{
	const struct fixture *f = *state;
	struct promotion promotion;
	int fd = openat(f->fd, "model/one", O_RDONLY);

	assert_int_equal(look(f, NULL, &promotion), 0);
	assert_int_equal(promotion.error, 0);
	close(fd);
	fd = openat(f->fd, "model/one", O_WRONLY);
	assert_int_equal(look(f, NULL, &promotion), 0);
	assert_int_equal(promotion.error, EBUSY);
	assert_non_null(strstr(promotion.reason, "'one'"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_tree_passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_changed_since_the_gates_looked_is_refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			who_has_it_open_for_writing_past_the_guard_shows, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
