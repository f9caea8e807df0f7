/* SPDX-License-Identifier: Apache-2.0 */
/* Denials that repeat themselves: the first ones are recorded one by one; from then on
 * they are counted, and their number is recorded once a second. So one process in a loop
 * fills no log, and no denial goes uncounted. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "fuse/guard-internal.h"
#include "fuse/hash.h"
#include "fuse/log.h"
#include "fuse/util.h"

#define N_REPEATS     256 /* kinds of denials; those beyond are recorded one by one */
#define REPEAT_SINGLY 10  /* identical ones within a second that get their own record */
#define REPEAT_MS     1000
#define RETRY_MS      100 /* while nothing can be recorded */

/* A kind of denial that was recorded within the last second. */
struct repeat {
	struct record *record; /* owned: a copy; NULL: free */
	uint64_t key;
	int64_t due;		      /* ms, CLOCK_MONOTONIC: when it is settled */
	unsigned n_written;	      /* with records of their own */
	uint64_t n_counted;	      /* without, since the last settling */
	uint64_t seqno;		      /* of their record, once it was tried to write it */
	struct timespec since, until; /* CLOCK_REALTIME: of the counted ones */
};

struct repeats {
	struct audit *audit;
	pthread_mutex_t lock; /* of all below; nothing is sent under it */
	pthread_cond_t wake;
	unsigned n_used;
	bool stop;
	/* Only who settles frees an element's record: the thread, and nobody else until
	 * it has ended. */
	struct repeat slots[N_REPEATS];
	pthread_t settler;
	bool has_settler;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Spreads well enough; what is equal is found out by looking. */
static uint64_t key_of(const struct record *record)
{
	uint64_t key =
		hash_bytes((uint64_t)record->actor->pid, record->op, strlen(record->op));

	return record->path ? hash_bytes(key, record->path, strlen(record->path)) : key;
}

/* Under repeats->lock. */
static struct repeat *find(struct repeats *repeats, uint64_t key,
			   const struct record *record)
{
	for (size_t i = 0; i < N_REPEATS; i++) {
		struct repeat *repeat = &repeats->slots[i];

		if (repeat->record && repeat->key == key &&
		    record_same(repeat->record, record))
			return repeat;
	}
	return NULL;
}

/* Under repeats->lock. When there is no room, the denial just gets its own record. */
static void add(struct repeats *repeats, uint64_t key, const struct record *record)
{
	struct repeat *repeat = repeats->slots;

	if (repeats->n_used == N_REPEATS)
		return;
	while (repeat->record)
		repeat++;
	*repeat = (struct repeat){ .record = record_copy(record),
				   .key = key,
				   .due = now_ms() + REPEAT_MS,
				   .n_written = 1 };
	if (repeat->record && repeats->n_used++ == 0)
		pthread_cond_signal(&repeats->wake);
}

/* Under repeats->lock. */
static bool count(struct repeat *repeat)
{
	if (repeat->n_written < REPEAT_SINGLY) {
		repeat->n_written++;
		return false;
	}
	clock_gettime(CLOCK_REALTIME, &repeat->until);
	if (repeat->n_counted++ == 0)
		repeat->since = repeat->until;
	return true;
}

bool repeats_count(struct repeats *repeats, const struct record *record)
{
	uint64_t key = key_of(record);
	struct repeat *repeat;
	bool counted = false;

	/* In an outage each denial is the trail's to refuse and to account for. */
	if (audit_state(repeats->audit) != AUDIT_STATE_RECORDING)
		return false;
	pthread_mutex_lock(&repeats->lock);
	repeat = find(repeats, key, record);
	if (repeat)
		counted = count(repeat);
	else
		add(repeats, key, record);
	pthread_mutex_unlock(&repeats->lock);
	return counted;
}

/* Under repeats->lock, which it gives up while it writes. False: try again. */
static bool write_count(struct repeats *repeats, struct repeat *repeat)
{
	struct record record = *repeat->record;
	bool written;

	record.present |= RECORD_COUNT | RECORD_SPAN;
	record.note = "repeated";
	record.count = repeat->n_counted;
	record.since = repeat->since;
	record.until = repeat->until;
	record.seqno = repeat->seqno;
	repeat->n_counted = 0;

	pthread_mutex_unlock(&repeats->lock);
	written = audit_record_later(repeats->audit, &record) == 0;
	pthread_mutex_lock(&repeats->lock);

	repeat->seqno = written ? 0 : record.seqno;
	if (!written) {
		if (repeat->n_counted == 0)
			repeat->until = record.until;
		repeat->since = record.since;
		repeat->n_counted += record.count;
	}
	return written;
}

/* Under repeats->lock. A kind that goes on stays known: it gets one record a second and
 * no new ones of its own. */
static void settle(struct repeats *repeats, struct repeat *repeat)
{
	if (repeat->n_counted > 0) {
		bool written = write_count(repeats, repeat);

		repeat->due = now_ms() + (written ? REPEAT_MS : RETRY_MS);
		return;
	}
	free(repeat->record);
	*repeat = (struct repeat){ 0 };
	repeats->n_used--;
}

/* Under repeats->lock. Returns when the next one is due. */
static int64_t settle_due(struct repeats *repeats, int64_t now)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < N_REPEATS; i++) {
		struct repeat *repeat = &repeats->slots[i];

		if (repeat->record && repeat->due <= now)
			settle(repeats, repeat);
		if (repeat->record && repeat->due < next)
			next = repeat->due;
	}
	return next;
}

static void *keep_settling(void *data)
{
	struct repeats *repeats = data;

	pthread_mutex_lock(&repeats->lock);
	while (!repeats->stop) {
		int64_t next = settle_due(repeats, now_ms());
		const struct timespec until = { .tv_sec = next / 1000,
						.tv_nsec = next % 1000 * 1000000 };

		if (repeats->stop)
			break;
		if (repeats->n_used == 0)
			pthread_cond_wait(&repeats->wake, &repeats->lock);
		else
			pthread_cond_timedwait(&repeats->wake, &repeats->lock, &until);
	}
	pthread_mutex_unlock(&repeats->lock);
	return NULL;
}

int repeats_new(struct audit *audit, struct repeats **ret)
{
	struct repeats *repeats = calloc(1, sizeof(*repeats));
	pthread_condattr_t attributes;
	int r;

	if (!repeats)
		return -ENOMEM;
	repeats->audit = audit;
	pthread_mutex_init(&repeats->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&repeats->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	r = -pthread_create(&repeats->settler, NULL, keep_settling, repeats);
	repeats->has_settler = r == 0;
	if (r < 0)
		repeats = repeats_free(repeats);
	else
		*ret = repeats;
	return r;
}

static void end_settler(struct repeats *repeats)
{
	if (!repeats->has_settler)
		return;
	pthread_mutex_lock(&repeats->lock);
	repeats->stop = true;
	pthread_cond_signal(&repeats->wake);
	pthread_mutex_unlock(&repeats->lock);
	pthread_join(repeats->settler, NULL);
	repeats->has_settler = false;
}

void repeats_settle(struct repeats *repeats)
{
	uint64_t n_left = 0;

	end_settler(repeats);
	pthread_mutex_lock(&repeats->lock);
	settle_due(repeats, INT64_MAX);
	for (size_t i = 0; i < N_REPEATS; i++)
		n_left += repeats->slots[i].n_counted;
	pthread_mutex_unlock(&repeats->lock);
	if (n_left > 0)
		log_error("%llu denials were counted and their number cannot be "
			  "recorded: see 'modelguard-audit(7)'",
			  (unsigned long long)n_left);
}

struct repeats *repeats_free(struct repeats *repeats)
{
	if (!repeats)
		return NULL;
	end_settler(repeats);
	for (size_t i = 0; i < N_REPEATS; i++)
		free(repeats->slots[i].record);
	pthread_cond_destroy(&repeats->wake);
	pthread_mutex_destroy(&repeats->lock);
	free(repeats);
	return NULL;
}
