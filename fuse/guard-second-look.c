/* SPDX-License-Identifier: Apache-2.0 */
/* A denied look-up of a name that the kernel holds makes it drop the name and ask again
 * at once, in the same system call (fs/fuse/dir.c: fuse_dentry_revalidate(), then
 * fuse_lookup()). That is one denial and gets one record; while others look the same name
 * up it may get two, since then the kernel's second look cannot be told from a program's:
 * rather two than none. */
#include <string.h>
#include <time.h>

#include "fuse/guard-internal.h"
#include "fuse/hash.h"

/* The kernel comes back within microseconds, on a machine that is busy within some
 * scheduling slices; a program that asks again itself finds the name dropped already. */
#define SECOND_LOOK_NS 50000000L

static uint64_t key_of(const struct asker *asker, const struct node *dir,
		       const char *name)
{
	uint64_t key = hash_bytes((uint64_t)asker->pid, asker, sizeof(*asker));

	key = hash_bytes(key, &dir->id, sizeof(dir->id));
	return hash_bytes(key, name, strlen(name)) | 1; /* 0 is an empty slot */
}

static struct second_look *slot_of(struct guard *guard, uint64_t key)
{
	return &guard->second_looks[key % N_SECOND_LOOKS];
}

void guard_expect_second_look(struct guard *guard, const struct asker *asker,
			      const struct node *dir, const char *name)
{
	uint64_t key = key_of(asker, dir, name);
	struct second_look *slot = slot_of(guard, key);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&guard->second_looks_lock);
	*slot = (struct second_look){ key, now };
	pthread_mutex_unlock(&guard->second_looks_lock);
}

bool guard_is_second_look(struct guard *guard, const struct asker *asker,
			  const struct action *action)
{
	struct second_look *slot;
	struct timespec now;
	bool is = false;
	uint64_t key;

	if (action->operation != OPERATION_LOOKUP || !action->on.dir)
		return false;
	key = key_of(asker, action->on.dir, action->on.name);
	slot = slot_of(guard, key);
	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&guard->second_looks_lock);
	if (slot->key == key) {
		is = (now.tv_sec - slot->denied_at.tv_sec) * 1000000000L + now.tv_nsec -
			     slot->denied_at.tv_nsec <
		     SECOND_LOOK_NS;
		slot->key = 0; /* once */
	}
	pthread_mutex_unlock(&guard->second_looks_lock);
	return is;
}
