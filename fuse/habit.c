/* SPDX-License-Identifier: Apache-2.0 */
/* What threads do with the names that they list. */
#include <stdatomic.h>
#include <time.h>

#include "fuse/habit.h"

#define FORGET_S 10

enum habit { UNKNOWN, READS_NAMES, LOOKS };

/* Bits 63..32: the thread; 31..2: seconds; 1..0: the habit. */
static uint64_t pack(pid_t pid, uint32_t now, enum habit habit)
{
	return (uint64_t)(uint32_t)pid << 32 | (uint64_t)(now << 2) | habit;
}

static uint32_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec & 0x3fffffff;
}

static enum habit known(uint64_t slot, pid_t pid, uint32_t now)
{
	uint32_t at = (uint32_t)slot >> 2;

	if (slot >> 32 != (uint32_t)pid || now - at > FORGET_S)
		return UNKNOWN;
	return (enum habit)(slot & 3);
}

static _Atomic uint64_t *slot_of(struct habits *habits, pid_t pid)
{
	return &habits->slots[(uint32_t)pid % HABITS];
}

void habit_looks(struct habits *habits, pid_t pid)
{
	uint64_t slot = pack(pid, now_s(), LOOKS);

	/* Written once a second: no thread shall take the line from the others' caches.
	 */
	if (atomic_load_explicit(slot_of(habits, pid), memory_order_relaxed) != slot)
		atomic_store(slot_of(habits, pid), slot);
}

bool habit_lists(struct habits *habits, pid_t pid)
{
	uint32_t now = now_s();
	enum habit habit = known(atomic_load(slot_of(habits, pid)), pid, now);

	if (habit != LOOKS)
		atomic_store(slot_of(habits, pid), pack(pid, now, READS_NAMES));
	return habit != READS_NAMES;
}

bool habit_reads_names(struct habits *habits, pid_t pid)
{
	return known(atomic_load(slot_of(habits, pid)), pid, now_s()) == READS_NAMES;
}
