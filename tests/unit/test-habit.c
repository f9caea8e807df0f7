/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told of the files in a directory that is listed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fuse/habit.h"

#define FIND 4711
#define LS   4712

static void the_first_listing_tells_all_and_the_next_ones_names(void **state)
{
	struct habits habits = { 0 };

	(void)state;
	assert_false(habit_reads_names(&habits, FIND));
	assert_true(habit_lists(&habits, FIND));
	assert_true(habit_reads_names(&habits, FIND));
	assert_false(habit_lists(&habits, FIND));
	assert_false(habit_lists(&habits, FIND));
}

static void who_looks_at_a_file_is_told_of_all(void **state)
{
	struct habits habits = { 0 };

	(void)state;
	assert_true(habit_lists(&habits, LS));
	habit_looks(&habits, LS);
	assert_false(habit_reads_names(&habits, LS));
	assert_true(habit_lists(&habits, LS));
	assert_true(habit_lists(&habits, LS));
	assert_true(habit_lists(&habits, FIND));
	assert_false(habit_lists(&habits, FIND));
	assert_true(habit_lists(&habits, LS));
}

/* One forgets the other: that costs a listing, never an answer. */
static void two_threads_may_share_a_slot(void **state)
{
	struct habits habits = { 0 };

	(void)state;
	habit_looks(&habits, LS);
	assert_true(habit_lists(&habits, LS + HABITS));
	assert_true(habit_lists(&habits, LS));
	assert_true(habit_lists(&habits, LS + HABITS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_listing_tells_all_and_the_next_ones_names),
		cmocka_unit_test(who_looks_at_a_file_is_told_of_all),
		cmocka_unit_test(two_threads_may_share_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
