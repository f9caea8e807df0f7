/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing the files of a tree, one on each core. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "fuse/digest-keep.h"
#include "fuse/manifest.h"
#include "fuse/util.h"

#define THREADS_MAX  16
#define PROGRESS_NS  100000000L
#define OPEN_TO_HASH (O_RDONLY | O_NONBLOCK | O_NOCTTY)

struct hashing {
	int dir_fd;
	const char *name;
	bool recall, keep;
	struct manifest_entry **queue; /* what is to be hashed, the largest first */
	size_t n_queue;
	struct digest_meter meter;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* with CLOCK_MONOTONIC */
	size_t n_taken;		/* under lock, as the next two */
	size_t n_finished;
	struct finished *finished; /* room for n_queue */
};

struct finished {
	struct manifest_entry *entry;
	int error;
};

/* What was written down for this very file, or what it holds. */
static int find_digest(struct hashing *hashing, int fd, struct manifest_entry *entry,
		       struct stat *ret_stat)
{
	int r;

	if (hashing->recall && digest_recall(fd, &entry->digest, ret_stat) == 0) {
		__atomic_add_fetch(&hashing->meter.n_bytes, entry->size,
				   __ATOMIC_RELAXED);
		return 0;
	}
	r = digest_file(fd, &hashing->meter, &entry->digest, ret_stat);
	if (r < 0 || !hashing->keep || entry->size < MANIFEST_KEEP_MIN ||
	    !digest_same_file(ret_stat, &entry->stat))
		return r;
	r = digest_keep(fd, &entry->digest, ret_stat);
	if (r == -EBUSY)
		return r;
	entry->stat = *ret_stat; /* trying has changed ctime */
	return 0;
}

static int hash_entry(struct hashing *hashing, struct manifest_entry *entry)
{
	_cleanup_(closep) int fd =
		manifest_open(hashing->dir_fd, hashing->name, entry, OPEN_TO_HASH);
	struct stat st;
	int r;

	/* It was a regular file when it was listed. */
	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR ? -EBUSY : fd;
	r = find_digest(hashing, fd, entry, &st);
	if (r < 0)
		return r == -EINVAL ? -EBUSY : r;
	return digest_same_file(&st, &entry->stat) ? 0 : -EBUSY;
}

static struct manifest_entry *take_next(struct hashing *hashing)
{
	struct manifest_entry *entry = NULL;

	pthread_mutex_lock(&hashing->lock);
	if (hashing->n_taken < hashing->n_queue &&
	    !__atomic_load_n(&hashing->meter.stop, __ATOMIC_RELAXED))
		entry = hashing->queue[hashing->n_taken++];
	pthread_mutex_unlock(&hashing->lock);
	return entry;
}

static void *work(void *data)
{
	struct hashing *hashing = data;
	struct manifest_entry *entry;

	while ((entry = take_next(hashing))) {
		int r = hash_entry(hashing, entry);

		pthread_mutex_lock(&hashing->lock);
		hashing->finished[hashing->n_finished++] = (struct finished){ entry, r };
		pthread_cond_signal(&hashing->changed);
		pthread_mutex_unlock(&hashing->lock);
	}
	return NULL;
}

static unsigned n_cores(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	n = CPU_COUNT(&set);
	return n > THREADS_MAX ? THREADS_MAX : (unsigned)(n > 0 ? n : 1);
}

/* Waits for a file that is finished, or a moment. */
static bool next_finished(struct hashing *hashing, size_t n_seen, struct finished *ret)
{
	struct timespec until;
	bool found;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += PROGRESS_NS;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&hashing->lock);
	while (hashing->n_finished == n_seen &&
	       pthread_cond_timedwait(&hashing->changed, &hashing->lock, &until) == 0)
		;
	found = hashing->n_finished > n_seen;
	if (found)
		*ret = hashing->finished[n_seen];
	pthread_mutex_unlock(&hashing->lock);
	return found;
}

/* At most one call in PROGRESS_NS, but for the last one. */
struct pace {
	const struct manifest_plan *plan;
	struct manifest_progress progress;
	struct timespec last;
};

static int show_progress(struct hashing *hashing, struct pace *pace, bool last)
{
	struct timespec now;

	if (!pace->plan || !pace->plan->progress)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!last && (now.tv_sec - pace->last.tv_sec) * 1000000000L + now.tv_nsec -
				     pace->last.tv_nsec <
			     PROGRESS_NS)
		return 0;
	pace->last = now;
	pace->progress.n_bytes =
		__atomic_load_n(&hashing->meter.n_bytes, __ATOMIC_RELAXED);
	return pace->plan->progress(pace->plan->context, &pace->progress);
}

static int note_finished(const struct finished *finished,
			 const struct manifest_wish *wish, struct manifest *manifest)
{
	if (wish && wish->done) {
		wish->done(wish->context, finished->entry, finished->error);
		return 0;
	}
	if (finished->error < 0 && !manifest->culprit)
		manifest->culprit = strdup(finished->entry->path);
	return finished->error;
}

/* In the calling thread, while the others hash. */
static int oversee(struct hashing *hashing, struct pace *pace,
		   const struct manifest_wish *wish, struct manifest *manifest)
{
	size_t n_seen = 0;
	int r = 0;

	while (r == 0 && n_seen < hashing->n_queue) {
		struct finished finished;

		if (next_finished(hashing, n_seen, &finished)) {
			n_seen++;
			r = note_finished(&finished, wish, manifest);
		}
		if (r == 0)
			r = show_progress(hashing, pace, n_seen == hashing->n_queue);
	}
	__atomic_store_n(&hashing->meter.stop, true, __ATOMIC_RELAXED);
	return r;
}

static int run_threads(struct hashing *hashing, struct pace *pace,
		       const struct manifest_wish *wish, struct manifest *manifest)
{
	unsigned n =
		pace->plan && pace->plan->n_threads ? pace->plan->n_threads : n_cores();
	pthread_t threads[THREADS_MAX];
	unsigned n_started = 0;
	int r = 0;

	if (n > THREADS_MAX)
		n = THREADS_MAX;
	while (r == 0 && n_started < n && n_started < hashing->n_queue) {
		r = -pthread_create(&threads[n_started], NULL, work, hashing);
		n_started += r == 0;
	}
	if (n_started > 0) /* fewer do as well */
		r = oversee(hashing, pace, wish, manifest);
	for (unsigned i = 0; i < n_started; i++)
		pthread_join(threads[i], NULL);
	return r;
}

static int compare_sizes(const void *one, const void *other)
{
	const struct manifest_entry *const *a = one, *const *b = other;

	return (*a)->size < (*b)->size ? 1 : -((*a)->size > (*b)->size);
}

static int fill_queue(struct hashing *hashing, const struct manifest_wish *wish,
		      struct manifest *manifest, struct manifest_progress *progress)
{
	hashing->queue = calloc(manifest->n_entries, sizeof(struct manifest_entry *));
	hashing->finished = calloc(manifest->n_entries, sizeof(*hashing->finished));
	if (!hashing->queue || !hashing->finished)
		return -ENOMEM;
	for (size_t i = 0; i < manifest->n_entries; i++) {
		struct manifest_entry *entry = &manifest->entries[i];

		if (entry->type != MANIFEST_FILE ||
		    (wish && wish->wanted && !wish->wanted(wish->context, entry)))
			continue;
		hashing->queue[hashing->n_queue++] = entry;
		progress->n_bytes_total += entry->size;
	}
	progress->n_files = hashing->n_queue;
	qsort(hashing->queue, hashing->n_queue, sizeof(struct manifest_entry *),
	      compare_sizes);
	return 0;
}

static void hashing_init(struct hashing *hashing, int dir_fd, const char *name)
{
	pthread_condattr_t attributes;

	*hashing = (struct hashing){ .dir_fd = dir_fd, .name = name };
	pthread_mutex_init(&hashing->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&hashing->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void hashing_fini(struct hashing *hashing)
{
	pthread_cond_destroy(&hashing->changed);
	pthread_mutex_destroy(&hashing->lock);
	free(hashing->queue);
	free(hashing->finished);
}

int manifest_hash(int dir_fd, const char *name, const struct manifest_plan *plan,
		  const struct manifest_wish *wish, struct manifest *manifest)
{
	_cleanup_(hashing_fini) struct hashing hashing;
	struct pace pace = { .plan = plan };
	int r;

	hashing_init(&hashing, dir_fd, name);
	hashing.recall = plan && plan->recall;
	hashing.keep = plan && plan->keep;
	r = fill_queue(&hashing, wish, manifest, &pace.progress);
	if (r < 0 || hashing.n_queue == 0)
		return r;
	return run_threads(&hashing, &pace, wish, manifest);
}

/* Nothing has changed from the moment each was listed to this one: so all of it was there
 * at once in between. */
static int look_again(int dir_fd, const char *name, struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n_entries; i++) {
		const struct manifest_entry *entry = &manifest->entries[i];
		_cleanup_(closep) int fd =
			manifest_open(dir_fd, name, entry, O_PATH | O_NOFOLLOW);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && digest_same_file(&st, &entry->stat))
			continue;
		manifest->culprit = strdup(entry->path);
		return -EBUSY;
	}
	return 0;
}

int manifest_read(int dir_fd, const char *name, const struct manifest_plan *plan,
		  struct manifest *ret)
{
	int r = manifest_list(dir_fd, name, ret);

	if (r == 0)
		r = manifest_hash(dir_fd, name, plan, NULL, ret);
	if (r == 0)
		r = look_again(dir_fd, name, ret);
	return r < 0 ? r : manifest_seal(ret);
}
