/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a process writes to a file that it made, or to one that it opened. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fuse/hash.h"
#include "fuse/replay-makers.h"

/* What is older may be forgotten, which leaves a doubt. */
#define MAKERS_MAX (1 << 17)

struct maker {
	uint64_t key; /* of guard, process, user and path; 0: empty */
	bool made, opened;
};

struct replay_makers {
	uint64_t seed; /* nobody can choose paths that collide */
	struct maker of[MAKERS_MAX];
};

struct replay_makers *replay_makers_new(void)
{
	struct replay_makers *makers = calloc(1, sizeof(*makers));

	if (makers)
		(void)getrandom(&makers->seed, sizeof(makers->seed), GRND_NONBLOCK);
	return makers;
}

struct replay_makers *replay_makers_free(struct replay_makers *makers)
{
	free(makers);
	return NULL;
}

static uint64_t key_of(const struct replay_makers *makers,
		       const struct trail_event *event)
{
	const struct actor *actor = event->record.actor;
	const char *path = event->record.path;
	uint64_t key = hash_bytes(makers->seed, &event->guard, sizeof(event->guard));

	key = hash_bytes(key, &actor->pid, sizeof(actor->pid));
	key = hash_bytes(key, &actor->uid, sizeof(actor->uid));
	return hash_bytes(key, path, strlen(path)) | 1;
}

void replay_makers_note(struct replay_makers *makers, const struct trail_event *event)
{
	const struct record *record = &event->record;
	bool makes = strcmp(record->op, "create") == 0;
	struct maker *maker;
	uint64_t key;

	if (!record->actor || !record->path || event->outcome != TRAIL_OK ||
	    (!makes && strcmp(record->op, "open-write") != 0 &&
	     strcmp(record->op, "open-read-write") != 0))
		return;
	key = key_of(makers, event);
	maker = &makers->of[key % MAKERS_MAX];
	if (maker->key != key)
		*maker = (struct maker){ .key = key };
	maker->made |= makes;
	maker->opened |= !makes;
}

enum making replay_makers_ask(const struct replay_makers *makers,
			      const struct trail_event *event)
{
	uint64_t key = event->record.path ? key_of(makers, event) : 0;
	const struct maker *maker = &makers->of[key % MAKERS_MAX];

	if (key == 0 || maker->key != key || maker->made == maker->opened)
		return MAKING_UNKNOWN;
	return maker->made ? MAKING_YES : MAKING_NO;
}
