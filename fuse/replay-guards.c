/* SPDX-License-Identifier: Apache-2.0 */
/* What the trail tells of the guards that wrote it: mount points and policies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/replay-guards.h"
#include "fuse/util.h"

/* Starts of guards whose records can be mixed; the one that was needed least lately goes.
 */
#define GUARDS_MAX 256

/* Records of an older generation come soon after a newer one was loaded or never. */
#define GENERATIONS_KEPT 64

#define HASH_SIZE 65

struct generation {
	uint64_t number;
	char hash[HASH_SIZE];
};

struct guard_start {
	uint64_t run; /* 0: empty */
	uint64_t used;
	char *mountpoint;
	struct generation generations[GENERATIONS_KEPT]; /* number % GENERATIONS_KEPT */
};

struct replay_guards {
	struct guard_start items[GUARDS_MAX];
	struct guard_start *last;
	uint64_t clock;
};

struct replay_guards *replay_guards_new(void)
{
	return calloc(1, sizeof(struct replay_guards));
}

struct replay_guards *replay_guards_free(struct replay_guards *guards)
{
	for (size_t i = 0; guards && i < GUARDS_MAX; i++)
		free(guards->items[i].mountpoint);
	free(guards);
	return NULL;
}

static struct guard_start *find(struct replay_guards *guards, uint64_t run)
{
	if (guards->last && guards->last->run == run)
		return guards->last;
	for (size_t i = 0; i < GUARDS_MAX; i++) {
		if (guards->items[i].run != run)
			continue;
		guards->last = &guards->items[i];
		guards->last->used = ++guards->clock;
		return guards->last;
	}
	return NULL;
}

static struct guard_start *get(struct replay_guards *guards, uint64_t run)
{
	struct guard_start *guard = find(guards, run);

	if (guard)
		return guard;
	guard = &guards->items[0];
	for (size_t i = 1; i < GUARDS_MAX; i++)
		if (guards->items[i].used < guard->used)
			guard = &guards->items[i];
	free(guard->mountpoint);
	*guard = (struct guard_start){ .run = run, .used = ++guards->clock };
	return guards->last = guard;
}

static void note_policy(struct guard_start *guard, uint64_t number, const char *hash)
{
	struct generation *generation = &guard->generations[number % GENERATIONS_KEPT];

	generation->number = number;
	(void)snprintf(generation->hash, HASH_SIZE, "%s", hash);
}

int replay_guards_note(struct replay_guards *guards, const struct trail_event *event)
{
	const struct record *record = &event->record;
	struct guard_start *guard;
	char *mountpoint;

	if (record->kind == RECORD_LIFECYCLE && strcmp(record->op, "start") == 0 &&
	    record->path) {
		mountpoint = strdup(record->path);
		if (!mountpoint)
			return -ENOMEM;
		guard = get(guards, event->guard);
		free(guard->mountpoint);
		guard->mountpoint = mountpoint;
	} else if (record->kind == RECORD_CONFIG && record->success && record->hash) {
		guard = get(guards, event->guard);
		note_policy(guard, record->gen, record->hash);
		if (record->old_hash && record->gen > 1)
			note_policy(guard, record->gen - 1, record->old_hash);
	}
	return 0;
}

const char *replay_guards_mount(struct replay_guards *guards,
				const struct trail_event *event)
{
	const struct guard_start *guard = find(guards, event->guard);

	return guard ? guard->mountpoint : NULL;
}

const char *replay_guards_policy(struct replay_guards *guards,
				 const struct trail_event *event)
{
	const struct guard_start *guard = find(guards, event->guard);
	uint64_t number = event->record.gen;
	const struct generation *generation;

	if (!guard || number == 0)
		return NULL;
	generation = &guard->generations[number % GENERATIONS_KEPT];
	return generation->number == number ? generation->hash : NULL;
}
