/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "config/identity.h"
#include "config/policy-load.h"

#include "fuse/log.h"
#include "fuse/policy-store.h"
#include "fuse/util.h"

struct policy_store {
	pthread_mutex_t lock; /* of the three below; held for a reference count only */
	struct tally *tally;
	_Atomic uint64_t generation; /* written under the lock */
	time_t since;		     /* that generation is in force */
	char *file;
};

static void log_complaints(const char *file, const struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->n_items; i++) {
		const struct complaint *complaint = &complaints->items[i];

		if (complaint->line > 0)
			log_error("%s:%u: %s", file, complaint->line, complaint->text);
		else
			log_error("%s: %s", file, complaint->text);
	}
}

static int load(const char *file, struct complaints *complaints, struct tally **ret)
{
	_cleanup_(policy_unrefp) struct policy *policy = NULL;
	struct tally *tally;
	int r;

	r = policy_load(file, &identity_names, complaints, &policy);
	if (r == 0 && policy_unenforceable(policy, complaints) != 0)
		r = -EINVAL;
	log_complaints(file, complaints);
	if (r < 0 && complaints->n_items == 0)
		log_error("%s: cannot load the policy: %s", file, strerror(-r));
	if (r < 0)
		return r;
	tally = tally_new(policy);
	if (!tally)
		return -ENOMEM;
	*ret = tally;
	return 0;
}

int policy_store_new(const char *file, struct policy_store **ret)
{
	_cleanup_(complaints_fini) struct complaints complaints = { 0 };
	struct policy_store *store;
	struct tally *tally;
	int r = load(file, &complaints, &tally);

	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store || !(store->file = strdup(file))) {
		free(store);
		tally_unref(tally);
		return -ENOMEM;
	}
	pthread_mutex_init(&store->lock, NULL);
	store->tally = tally;
	store->generation = 1;
	store->since = time(NULL);
	*ret = store;
	return 0;
}

struct policy_store *policy_store_free(struct policy_store *store)
{
	if (!store)
		return NULL;
	tally_unref(store->tally);
	pthread_mutex_destroy(&store->lock);
	free(store->file);
	free(store);
	return NULL;
}

void policy_snapshot_get(struct policy_store *store, struct policy_snapshot *ret)
{
	pthread_mutex_lock(&store->lock);
	ret->tally = tally_ref(store->tally);
	ret->generation = store->generation;
	pthread_mutex_unlock(&store->lock);
	ret->policy = ret->tally->policy;
}

uint64_t policy_store_generation(struct policy_store *store)
{
	return store->generation;
}

void policy_snapshot_put(struct policy_snapshot *snapshot)
{
	snapshot->tally = tally_unref(snapshot->tally);
	snapshot->policy = NULL;
}

int policy_store_load(struct policy_store *store, struct complaints *complaints,
		      struct tally **ret)
{
	_cleanup_(complaints_fini) struct complaints unasked = { 0 };

	return load(store->file, complaints ? complaints : &unasked, ret);
}

uint64_t policy_store_replace(struct policy_store *store, struct tally *candidate)
{
	struct tally *replaced;
	uint64_t generation;

	pthread_mutex_lock(&store->lock);
	replaced = store->tally;
	store->tally = candidate;
	generation = ++store->generation;
	store->since = time(NULL);
	pthread_mutex_unlock(&store->lock);
	tally_unref(replaced);
	return generation;
}

time_t policy_store_since(struct policy_store *store)
{
	time_t since;

	pthread_mutex_lock(&store->lock);
	since = store->since;
	pthread_mutex_unlock(&store->lock);
	return since;
}

/* Whether the file holds these bytes. -errno if that cannot be told. */
static int holds(const char *file, const char *bytes, size_t length)
{
	_cleanup_(closep) int fd = RET_ERRNO(
		open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
	char buffer[65536];
	struct stat st;
	size_t at = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	for (;;) {
		ssize_t n = RET_ERRNO(read(fd, buffer, sizeof(buffer)));

		if (n < 0)
			return (int)n;
		if (n == 0)
			return at == length;
		if ((size_t)n > length - at || memcmp(buffer, bytes + at, (size_t)n) != 0)
			return 0;
		at += (size_t)n;
	}
}

const char *policy_store_on_disk(struct policy_store *store)
{
	struct policy_snapshot snapshot;
	int r;

	policy_snapshot_get(store, &snapshot);
	r = holds(store->file, snapshot.policy->text, snapshot.policy->length);
	policy_snapshot_put(&snapshot);
	if (r < 0)
		return "unreadable";
	return r ? "same" : "differs";
}
