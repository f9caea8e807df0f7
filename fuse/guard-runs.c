/* SPDX-License-Identifier: Apache-2.0 */
/* Contiguous writes through one handle (audit-writes = ranges): the first of a run has
 * its record before its effect; what joins it is added up, and recorded as one range when
 * the run ends, a second later at the latest. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "fuse/guard-internal.h"
#include "fuse/log.h"
#include "fuse/util.h"

#define RUN_MS	 1000
#define RETRY_MS 100 /* while nothing can be recorded */

/* What was written and is not on record yet: off and len of the record. */
struct range {
	struct range *next; /* in runs->owed */
	struct record
		*record; /* owned: a copy of the first write's, as it will be written */
};

struct write_run {
	struct runs *runs; /* outlives it */
	/* False: there is no run, and nobody but the handle's own requests looks at it.
	 */
	atomic_bool is_known;
	/* Under runs->lock. */
	struct range *range; /* NULL: no run */
	int64_t due;	     /* ms, CLOCK_MONOTONIC: when it ends at the latest */
	bool is_busy;	     /* a write of it is on its way to the source */
	bool has_ended;	     /* that write is the last one */
	struct write_run *next, *previous; /* in runs->oldest, until it has ended */
};

struct runs {
	struct audit *audit;
	pthread_mutex_t lock; /* of all below; nothing is sent under it */
	pthread_cond_t wake;
	pthread_cond_t written;
	struct write_run *oldest, *youngest;
	struct write_run *writing; /* whose range the thread is recording */
	struct range *owed;	   /* could not be recorded yet, oldest first */
	bool stop;
	pthread_t recorder;
	bool has_recorder;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct range *range_free(struct range *range)
{
	if (range)
		free(range->record);
	free(range);
	return NULL;
}

static struct range *range_new(const struct record *record)
{
	struct range *range = calloc(1, sizeof(*range));

	if (range && !(range->record = record_copy(record)))
		range = range_free(range);
	return range;
}

/* The word of a range, by that of its writes. */
static const char *range_note(const char *note)
{
	if (!note)
		return "range";
	return strcmp(note, "append") == 0 ? "append-range" : "page-write-range";
}

/* Under runs->lock. */
static void list_append(struct runs *runs, struct write_run *run)
{
	run->next = NULL;
	run->previous = runs->youngest;
	*(runs->youngest ? &runs->youngest->next : &runs->oldest) = run;
	runs->youngest = run;
}

/* Under runs->lock. */
static void list_remove(struct runs *runs, struct write_run *run)
{
	*(run->previous ? &run->previous->next : &runs->oldest) = run->next;
	*(run->next ? &run->next->previous : &runs->youngest) = run->previous;
}

/* Under runs->lock. What is done, while the write that is on its way will need the rest.
 * NULL: nothing, or no memory; then that write takes it along. */
static struct range *split(struct range *range)
{
	struct record *rest = range->record;
	struct range *done = rest->len > 0 ? range_new(rest) : NULL;

	if (done) {
		rest->off += rest->len;
		rest->len = 0;
		rest->since = rest->until;
	}
	return done;
}

/* Under runs->lock. Ends a run; the caller records the range, if there is one. */
static struct range *end(struct write_run *run)
{
	struct range *range = run->range;

	if (!range)
		return NULL;
	if (!run->has_ended)
		list_remove(run->runs, run);
	run->has_ended = true;
	if (run->is_busy)
		return split(range);
	run->range = NULL;
	return range->record->len > 0 ? range : range_free(range);
}

/* Under runs->lock; the last that is done to a run that may be freed now. */
static void forget_if_over(struct write_run *run)
{
	if (!run->range && run->runs->writing != run)
		atomic_store(&run->is_known, false);
}

/* Under no lock. What cannot be recorded now is owed: the effect was there already. */
static void record_range(struct runs *runs, struct range *range)
{
	struct range **last = &runs->owed;

	if (!range)
		return;
	if (audit_record_later(runs->audit, range->record) == 0) {
		range_free(range);
		return;
	}
	pthread_mutex_lock(&runs->lock);
	while (*last)
		last = &(*last)->next;
	range->next = NULL;
	*last = range;
	pthread_cond_signal(&runs->wake);
	pthread_mutex_unlock(&runs->lock);
}

void guard_run_flush(struct write_run *run)
{
	struct range *range;

	if (!run || !atomic_load(&run->is_known))
		return;
	pthread_mutex_lock(&run->runs->lock);
	/* Who waits for the flush of a file waits for the record that is under way. */
	while (run->runs->writing == run)
		pthread_cond_wait(&run->runs->written, &run->runs->lock);
	range = end(run);
	forget_if_over(run);
	pthread_mutex_unlock(&run->runs->lock);
	record_range(run->runs, range);
}

/* Under runs->lock. Whether a write goes on where the run is, and says the same. */
static bool continues(const struct write_run *run, const struct record *record)
{
	struct record expected = *record;

	if (!run->range || run->is_busy || run->has_ended || run->due <= now_ms() ||
	    record->off != run->range->record->off + run->range->record->len)
		return false;
	expected.note = range_note(record->note);
	expected.off = run->range->record->off;
	expected.len = run->range->record->len;
	return record_same(&expected, run->range->record);
}

bool write_run_join(struct write_run *run, const struct record *record)
{
	struct runs *runs = run->runs;
	bool joined;

	/* In an outage a write is the trail's to refuse, and to account for. */
	if (!atomic_load(&run->is_known) ||
	    audit_state(runs->audit) != AUDIT_STATE_RECORDING)
		return false;
	pthread_mutex_lock(&runs->lock);
	joined = continues(run, record);
	if (joined)
		run->is_busy = true;
	pthread_mutex_unlock(&runs->lock);
	return joined;
}

bool write_run_begin(struct write_run *run, const struct record *record)
{
	struct record rest = *record;
	struct runs *runs = run->runs;
	struct range *range;
	bool begun;

	if (audit_state(runs->audit) != AUDIT_STATE_RECORDING)
		return false;
	rest.present |= RECORD_SPAN;
	rest.note = range_note(record->note);
	rest.off = record->off + record->len;
	rest.len = 0;
	rest.seqno = 0;
	clock_gettime(CLOCK_REALTIME, &rest.since);
	range = range_new(&rest);

	pthread_mutex_lock(&runs->lock);
	begun = range && !run->range;
	if (begun) {
		run->range = range;
		run->due = now_ms() + RUN_MS;
		run->is_busy = true;
		run->has_ended = false;
		atomic_store(&run->is_known, true);
		if (!runs->oldest)
			pthread_cond_signal(&runs->wake);
		list_append(runs, run);
	}
	pthread_mutex_unlock(&runs->lock);
	if (!begun)
		range_free(range);
	return begun;
}

void write_run_settle(struct write_run *run, enum write_part part, uint64_t length,
		      ssize_t result)
{
	struct range *range = NULL;
	struct record *record;

	pthread_mutex_lock(&run->runs->lock);
	run->is_busy = false;
	record = run->range->record;
	clock_gettime(CLOCK_REALTIME, &record->until);
	if (part == WRITE_JOINED && result > 0)
		record->len += (uint64_t)result;
	if (run->has_ended || result < 0 || (uint64_t)result < length)
		range = end(run);
	forget_if_over(run);
	pthread_mutex_unlock(&run->runs->lock);
	record_range(run->runs, range);
}

/* Under runs->lock, which it gives up while it writes. */
static void record_end(struct runs *runs, struct write_run *run)
{
	struct range *range = end(run);

	if (range) {
		runs->writing = run;
		pthread_mutex_unlock(&runs->lock);
		record_range(runs, range);
		pthread_mutex_lock(&runs->lock);
		runs->writing = NULL;
		pthread_cond_broadcast(&runs->written);
	}
	forget_if_over(run);
}

/* Under runs->lock, which it gives up while it writes. */
static void end_due(struct runs *runs, int64_t now)
{
	for (;;) {
		while (runs->writing) /* a reload ends runs, too */
			pthread_cond_wait(&runs->written, &runs->lock);
		if (!runs->oldest || runs->oldest->due > now)
			return;
		record_end(runs, runs->oldest);
	}
}

/* Under runs->lock, which it gives up while it writes. */
static void pay_owed(struct runs *runs)
{
	struct range *range = runs->owed;

	if (!range)
		return;
	runs->owed = NULL;
	pthread_mutex_unlock(&runs->lock);
	while (range) {
		struct range *next = range->next;

		record_range(runs, range);
		range = next;
	}
	pthread_mutex_lock(&runs->lock);
}

/* Under runs->lock. */
static void wait_for_work(struct runs *runs)
{
	int64_t next = runs->oldest ? runs->oldest->due : INT64_MAX;
	int64_t retry = now_ms() + RETRY_MS;
	struct timespec until;

	if (runs->owed && retry < next)
		next = retry;
	if (next == INT64_MAX) {
		pthread_cond_wait(&runs->wake, &runs->lock);
		return;
	}
	until = (struct timespec){ .tv_sec = next / 1000,
				   .tv_nsec = next % 1000 * 1000000 };
	pthread_cond_timedwait(&runs->wake, &runs->lock, &until);
}

static void *keep_recording(void *data)
{
	struct runs *runs = data;

	pthread_mutex_lock(&runs->lock);
	while (!runs->stop) {
		wait_for_work(runs);
		end_due(runs, now_ms());
		pay_owed(runs);
	}
	pthread_mutex_unlock(&runs->lock);
	return NULL;
}

int runs_new(struct audit *audit, struct runs **ret)
{
	struct runs *runs = calloc(1, sizeof(*runs));
	pthread_condattr_t attributes;
	int r;

	if (!runs)
		return -ENOMEM;
	runs->audit = audit;
	pthread_mutex_init(&runs->lock, NULL);
	pthread_cond_init(&runs->written, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&runs->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	r = -pthread_create(&runs->recorder, NULL, keep_recording, runs);
	runs->has_recorder = r == 0;
	if (r < 0)
		runs = runs_free(runs);
	else
		*ret = runs;
	return r;
}

static void end_recorder(struct runs *runs)
{
	if (!runs->has_recorder)
		return;
	pthread_mutex_lock(&runs->lock);
	runs->stop = true;
	pthread_cond_signal(&runs->wake);
	pthread_mutex_unlock(&runs->lock);
	pthread_join(runs->recorder, NULL);
	runs->has_recorder = false;
}

void runs_flush(struct runs *runs)
{
	pthread_mutex_lock(&runs->lock);
	end_due(runs, now_ms() + RUN_MS); /* not what begins meanwhile */
	pthread_mutex_unlock(&runs->lock);
}

void runs_settle(struct runs *runs)
{
	uint64_t n_left = 0;

	end_recorder(runs);
	pthread_mutex_lock(&runs->lock);
	end_due(runs, INT64_MAX);
	pay_owed(runs);
	for (const struct range *range = runs->owed; range; range = range->next)
		n_left += range->record->len;
	pthread_mutex_unlock(&runs->lock);
	if (n_left > 0)
		log_error("%llu bytes were written and cannot be recorded: see "
			  "'modelguard-audit(7)'",
			  (unsigned long long)n_left);
}

struct runs *runs_free(struct runs *runs)
{
	if (!runs)
		return NULL;
	end_recorder(runs);
	while (runs->owed) {
		struct range *next = runs->owed->next;

		range_free(runs->owed);
		runs->owed = next;
	}
	pthread_cond_destroy(&runs->wake);
	pthread_cond_destroy(&runs->written);
	pthread_mutex_destroy(&runs->lock);
	free(runs);
	return NULL;
}

int guard_run_new(struct guard *guard, struct write_run **ret)
{
	struct write_run *run = calloc(1, sizeof(*run));

	if (!run)
		return -ENOMEM;
	run->runs = guard->runs;
	*ret = run;
	return 0;
}

struct write_run *guard_run_free(struct write_run *run)
{
	guard_run_flush(run);
	free(run);
	return NULL;
}
