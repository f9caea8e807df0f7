/* SPDX-License-Identifier: Apache-2.0 */
/* What threads do with the names that they list: find(1) reads names only, ls -l and
 * loaders look at every file. The kernel asks for the attributes with the first part of
 * each listing. For find(1) that was four times as slow over 200,000 files with cold
 * caches; without it, each file that is looked at takes a round trip of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HABITS 64 /* direct-mapped: a clash costs one dearer or slower listing */

/* Zeroed at first. Any thread, no locks: each slot is one number. */
struct habits {
	_Atomic uint64_t slots[HABITS];
};

/* A thread looks at a file (not a directory) by itself. */
void habit_looks(struct habits *habits, pid_t pid);

/* A thread begins to list a directory: whether it is to be told of the files, too. So is
 * who lists for the first time in a while. */
bool habit_lists(struct habits *habits, pid_t pid);

/* Whether the thread is known to read names only. */
bool habit_reads_names(struct habits *habits, pid_t pid);
