/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force. */
#include <pthread.h>
#include <string.h>

#include "config/identity.h"
#include "config/policy-load.h"

#include "fuse/log.h"
#include "fuse/policy-store.h"
#include "fuse/util.h"

struct policy_store {
	pthread_mutex_t lock; /* of the two below; held for a reference count only */
	struct policy *policy;
	_Atomic uint64_t generation; /* written under the lock */
	char *file;
};

static int load(const char *file, struct policy **ret)
{
	_cleanup_(complaints_fini) struct complaints complaints = { 0 };
	_cleanup_(policy_unrefp) struct policy *policy = NULL;
	int r;

	r = policy_load(file, &identity_names, &complaints, &policy);
	if (r == 0 && policy_unenforceable(policy, &complaints) != 0)
		r = -EINVAL;
	for (size_t i = 0; i < complaints.n_items; i++) {
		const struct complaint *complaint = &complaints.items[i];

		if (complaint->line > 0)
			log_error("%s:%u: %s", file, complaint->line, complaint->text);
		else
			log_error("%s: %s", file, complaint->text);
	}
	if (r < 0 && complaints.n_items == 0)
		log_error("%s: cannot load the policy: %s", file, strerror(-r));
	if (r < 0)
		return r;
	*ret = take_ptr(policy);
	return 0;
}

int policy_store_new(const char *file, struct policy_store **ret)
{
	struct policy_store *store;
	struct policy *policy;
	int r = load(file, &policy);

	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store || !(store->file = strdup(file))) {
		free(store);
		policy_unref(policy);
		return -ENOMEM;
	}
	pthread_mutex_init(&store->lock, NULL);
	store->policy = policy;
	store->generation = 1;
	*ret = store;
	return 0;
}

struct policy_store *policy_store_free(struct policy_store *store)
{
	if (!store)
		return NULL;
	policy_unref(store->policy);
	pthread_mutex_destroy(&store->lock);
	free(store->file);
	free(store);
	return NULL;
}

void policy_snapshot_get(struct policy_store *store, struct policy_snapshot *ret)
{
	pthread_mutex_lock(&store->lock);
	ret->policy = policy_ref(store->policy);
	ret->generation = store->generation;
	pthread_mutex_unlock(&store->lock);
}

uint64_t policy_store_generation(struct policy_store *store)
{
	return store->generation;
}

void policy_snapshot_put(struct policy_snapshot *snapshot)
{
	snapshot->policy = policy_unref(snapshot->policy);
}

int policy_store_load(struct policy_store *store, struct policy **ret)
{
	return load(store->file, ret);
}

uint64_t policy_store_replace(struct policy_store *store, struct policy *policy)
{
	struct policy *replaced;
	uint64_t generation;

	pthread_mutex_lock(&store->lock);
	replaced = store->policy;
	store->policy = policy;
	generation = ++store->generation;
	pthread_mutex_unlock(&store->lock);
	policy_unref(replaced);
	return generation;
}
