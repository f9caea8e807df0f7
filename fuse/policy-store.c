/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "config/complaint.h"
#include "config/identity.h"
#include "config/policy-load.h"

#include "fuse/log.h"
#include "fuse/moment.h"
#include "fuse/policy-store.h"
#include "fuse/util.h"

struct policy_store {
	pthread_mutex_t lock; /* of what is below; held for reference counts only */
	struct tally *tally;
	struct grants *known;	     /* all of the file */
	struct grants *valid;	     /* those that count, by the last look at the clock */
	_Atomic uint64_t generation; /* written under the lock */
	time_t since;		     /* the policy is in force */
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

/* What is wrong with the grants refuses the policy as well, and is told with it. */
static int load_grants(const struct policy *policy, struct complaints *complaints,
		       struct grants **ret)
{
	_cleanup_(complaints_fini) struct complaints of_grants = { 0 };
	const struct moment now = moment_now();
	int r = grants_load(policy, &identity_names, &now, &of_grants, ret);

	for (size_t i = 0; i < of_grants.n_items; i++) {
		const struct complaint *complaint = &of_grants.items[i];
		char line[16] = "";

		if (complaint->line > 0)
			snprintf(line, sizeof(line), ":%u", complaint->line);
		if (complaints_add(complaints, 0, "%s.grants%s: %s", policy->name, line,
				   complaint->text) < 0)
			return -ENOMEM;
	}
	return r;
}

static int load(const char *file, struct complaints *complaints,
		struct policy_candidate *ret)
{
	_cleanup_(policy_unrefp) struct policy *policy = NULL;
	_cleanup_(grants_unrefp) struct grants *grants = NULL;
	int r;

	r = policy_load(file, &identity_names, complaints, &policy);
	if (r == 0 && policy_unenforceable(policy, complaints) != 0)
		r = -EINVAL;
	if (r == 0)
		r = load_grants(policy, complaints, &grants);
	log_complaints(file, complaints);
	if (r < 0 && complaints->n_items == 0)
		log_error("%s: cannot load the policy: %s", file, strerror(-r));
	if (r < 0)
		return r;
	ret->tally = tally_new(policy);
	if (!ret->tally)
		return -ENOMEM;
	ret->grants = take_ptr(grants);
	return 0;
}

void policy_candidate_fini(struct policy_candidate *candidate)
{
	candidate->tally = tally_unref(candidate->tally);
	candidate->grants = grants_unref(candidate->grants);
}

int policy_store_new(const char *file, struct policy_store **ret)
{
	_cleanup_(complaints_fini) struct complaints complaints = { 0 };
	_cleanup_(policy_candidate_fini) struct policy_candidate candidate = { 0 };
	const struct moment now = moment_now();
	struct policy_store *store;
	int r = load(file, &complaints, &candidate);

	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	pthread_mutex_init(&store->lock, NULL);
	store->file = strdup(file);
	store->valid = grants_select(candidate.grants, &now);
	store->tally = take_ptr(candidate.tally);
	store->known = take_ptr(candidate.grants);
	if (!store->file || !store->valid) {
		policy_store_free(store);
		return -ENOMEM;
	}
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
	grants_unref(store->known);
	grants_unref(store->valid);
	pthread_mutex_destroy(&store->lock);
	free(store->file);
	free(store);
	return NULL;
}

void policy_snapshot_get(struct policy_store *store, struct policy_snapshot *ret)
{
	pthread_mutex_lock(&store->lock);
	ret->tally = tally_ref(store->tally);
	ret->grants = grants_ref(store->valid);
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
	snapshot->grants = grants_unref(snapshot->grants);
	snapshot->policy = NULL;
}

int policy_store_load(struct policy_store *store, struct complaints *complaints,
		      struct policy_candidate *ret)
{
	_cleanup_(complaints_fini) struct complaints unasked = { 0 };

	return load(store->file, complaints ? complaints : &unasked, ret);
}

uint64_t policy_store_replace(struct policy_store *store,
			      struct policy_candidate *candidate, struct grants *valid)
{
	struct policy_candidate replaced;
	struct grants *ended;
	uint64_t generation;

	pthread_mutex_lock(&store->lock);
	replaced = (struct policy_candidate){ store->tally, store->known };
	ended = store->valid;
	store->tally = take_ptr(candidate->tally);
	store->known = take_ptr(candidate->grants);
	store->valid = valid;
	generation = ++store->generation;
	store->since = time(NULL);
	pthread_mutex_unlock(&store->lock);
	policy_candidate_fini(&replaced);
	grants_unref(ended);
	return generation;
}

void policy_store_set_grants(struct policy_store *store, struct grants *valid)
{
	struct grants *ended;

	pthread_mutex_lock(&store->lock);
	ended = store->valid;
	store->valid = valid;
	store->generation++;
	pthread_mutex_unlock(&store->lock);
	grants_unref(ended);
}

struct grants *policy_store_grants(struct policy_store *store)
{
	struct grants *known;

	pthread_mutex_lock(&store->lock);
	known = grants_ref(store->known);
	pthread_mutex_unlock(&store->lock);
	return known;
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

/* The same of the grants; where there were none, no file is the same. */
static int holds_grants(const struct policy_store *store, const struct grants *known)
{
	_cleanup_(freep) char *file = grants_file_of(store->file);
	int r = file ? holds(file, known->text ? known->text : "", known->length)
		     : -ENOMEM;

	return r == -ENOENT ? !known->text : r;
}

const char *policy_store_on_disk(struct policy_store *store)
{
	_cleanup_(grants_unrefp) struct grants *known = policy_store_grants(store);
	struct policy_snapshot snapshot;
	int r;

	policy_snapshot_get(store, &snapshot);
	r = holds(store->file, snapshot.policy->text, snapshot.policy->length);
	policy_snapshot_put(&snapshot);
	if (r > 0)
		r = holds_grants(store, known);
	if (r < 0)
		return "unreadable";
	return r ? "same" : "differs";
}
