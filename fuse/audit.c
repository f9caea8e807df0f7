/* SPDX-License-Identifier: Apache-2.0 */
/* The front of the trail: sequence numbers, what happens while nothing can be recorded,
 * and the account of what was not. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fuse/audit-sink.h"
#include "fuse/log.h"

/* What the start and the end wait for: that records arrive. */
#define BEGIN_MS 2000
#define END_MS	 1000
#define STEP_MS	 5

/* What went unrecorded since the last time that it was accounted for. */
struct gap {
	uint64_t unrecorded; /* effects that happened without a record (allow) */
	uint64_t refused;    /* operations that did not happen for want of one (deny) */
	uint64_t lost;	     /* accepted, but may be missing from the log */
	struct timespec since;
	enum audit_state why;
};

struct audit {
	const struct audit_sink_type *type;
	void *sink;
	atomic_bool failure_allowed;
	atomic_uint_least64_t seqno; /* the last one given */

	/* enum audit_state. Read without the lock to let a record pass; written, and
	 * believed when it says anything but RECORDING, under the lock only: so nothing
	 * is counted into a gap after that gap was accounted for. */
	atomic_int state;
	pthread_mutex_t lock; /* state, gap, total; nothing is sent under it */
	struct gap gap;
	struct gap total; /* of all gaps since the start; for status */
	uint64_t n_gaps;

	/* The watcher's. */
	enum audit_state told; /* to the admin */
	bool is_shut;	       /* the sink */
	bool is_accounted;     /* the gap, and that may be on its way yet */

	pthread_t watcher;
	bool has_watcher;
	int stop_fd;
};

const char *audit_state_name(enum audit_state state)
{
	static const char *const names[] = {
		[AUDIT_STATE_UNKNOWN] = "unknown",
		[AUDIT_STATE_RECORDING] = "recording",
		[AUDIT_STATE_DISABLED] = "auditing-disabled",
		[AUDIT_STATE_NO_DAEMON] = "no-auditd",
		[AUDIT_STATE_LOSING] = "losing-records",
		[AUDIT_STATE_FAILING] = "write-failed",
		[AUDIT_STATE_STALLED] = "auditd-stalled",
		[AUDIT_STATE_NOT_WRITTEN] = "log-not-written",
	};

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state]
								  : "unknown";
}

enum audit_state audit_state(struct audit *audit)
{
	return (enum audit_state)atomic_load(&audit->state);
}

void audit_report(struct audit *audit, struct audit_report *ret)
{
	pthread_mutex_lock(&audit->lock);
	*ret = (struct audit_report){
		.state = audit_state(audit),
		.failure_allowed = atomic_load(&audit->failure_allowed),
		.seqno = atomic_load(&audit->seqno),
		.waiting = audit->type->waiting ? audit->type->waiting(audit->sink) : 0,
		.n_gaps = audit->n_gaps,
		.unrecorded = audit->total.unrecorded,
		.refused = audit->total.refused,
		.lost = audit->total.lost,
	};
	if (ret->state != AUDIT_STATE_RECORDING)
		ret->gap_since = audit->gap.since.tv_sec;
	pthread_mutex_unlock(&audit->lock);
}

void audit_set_failure_allowed(struct audit *audit, bool allowed)
{
	atomic_store(&audit->failure_allowed, allowed);
}

static uint64_t next_seqno(struct audit *audit)
{
	return atomic_fetch_add(&audit->seqno, 1) + 1;
}

/* An outage is noticed after it began: it did when the first record was written that is
 * not known to have arrived. */
static struct timespec begin_of_gap(struct audit *audit)
{
	struct timespec since;

	if (!audit->type->unsettled || !audit->type->unsettled(audit->sink, &since))
		(void)clock_gettime(CLOCK_REALTIME, &since);
	return since;
}

/* Under audit->lock. */
static void leave_recording(struct audit *audit, enum audit_state state)
{
	if (audit_state(audit) == AUDIT_STATE_RECORDING ||
	    audit_state(audit) == AUDIT_STATE_UNKNOWN) {
		audit->gap.since = begin_of_gap(audit);
		audit->gap.why = state;
		audit->n_gaps++;
	} else if (audit->gap.why == AUDIT_STATE_FAILING) {
		audit->gap.why =
			state; /* the watcher knows better than the failed send */
	}
	atomic_store(&audit->state, state);
}

/* Under audit->lock. */
static int count_unrecorded(struct audit *audit)
{
	if (atomic_load(&audit->failure_allowed)) {
		audit->gap.unrecorded++;
		audit->total.unrecorded++;
		return 0;
	}
	audit->gap.refused++;
	audit->total.refused++;
	return -EIO;
}

/* Counts the record as unrecorded; false if records are taken again meanwhile. */
static bool refuse(struct audit *audit, int *ret)
{
	bool out;

	pthread_mutex_lock(&audit->lock);
	out = audit_state(audit) != AUDIT_STATE_RECORDING;
	if (out)
		*ret = count_unrecorded(audit);
	pthread_mutex_unlock(&audit->lock);
	return out;
}

static int after_failure(struct audit *audit, int error)
{
	int r = 0;

	/* One record that cannot be written is not an outage; nor may whoever can make
	 * one switch auditing off for all. */
	if (error == -E2BIG)
		return -EIO;

	pthread_mutex_lock(&audit->lock);
	if (audit_state(audit) == AUDIT_STATE_RECORDING)
		leave_recording(audit, AUDIT_STATE_FAILING);
	if (error != AUDIT_SINK_KEPT)
		r = count_unrecorded(audit);
	pthread_mutex_unlock(&audit->lock);
	return r;
}

int audit_record(struct audit *audit, struct record *record)
{
	int r;

	if (record->seqno == 0)
		record->seqno = next_seqno(audit);

	for (;;) {
		if (audit_state(audit) == AUDIT_STATE_RECORDING) {
			r = audit->type->write(audit->sink, record,
					       atomic_load(&audit->failure_allowed)
						       ? AUDIT_SINK_KEEP
						       : 0);
			if (r == 0)
				return 0;
			if (r != -ENOTCONN) /* shut: the state says why */
				return after_failure(audit, r);
		}
		if (refuse(audit, &r))
			return r;
	}
}

int audit_record_later(struct audit *audit, struct record *record)
{
	int r;

	if (audit_state(audit) != AUDIT_STATE_RECORDING)
		return -EAGAIN;
	if (record->seqno == 0)
		record->seqno = next_seqno(audit);
	r = audit->type->write(audit->sink, record, AUDIT_SINK_KEEP);
	if (r == 0)
		return 0;
	pthread_mutex_lock(&audit->lock);
	if (r != -E2BIG && r != -ENOTCONN && audit_state(audit) == AUDIT_STATE_RECORDING)
		leave_recording(audit, AUDIT_STATE_FAILING);
	pthread_mutex_unlock(&audit->lock);
	return r == AUDIT_SINK_KEPT ? 0 : -EAGAIN;
}

static int write_gap(struct audit *audit, const struct gap *gap, const char *note,
		     uint64_t count)
{
	struct record record = {
		.kind = RECORD_LIFECYCLE,
		.present = RECORD_COUNT | RECORD_SPAN | (gap->lost ? RECORD_LOST : 0),
		.op = "gap",
		.note = note,
		.count = count,
		.lost = gap->lost,
		.since = gap->since,
		.reason = audit_state_name(gap->why),
		.seqno = next_seqno(audit),
	};

	(void)clock_gettime(CLOCK_REALTIME, &record.until);
	return audit->type->write(audit->sink, &record, AUDIT_SINK_AT_ONCE);
}

/* Writes one record of a gap and takes what it says off the account. */
static int settle_account(struct audit *audit, const struct gap *gap, bool refused)
{
	int r = write_gap(audit, gap, refused ? "refused" : "unrecorded",
			  refused ? gap->refused : gap->unrecorded);

	if (r != 0)
		return r;
	pthread_mutex_lock(&audit->lock);
	if (refused)
		audit->gap.refused -= gap->refused;
	else
		audit->gap.unrecorded -= gap->unrecorded;
	audit->gap.lost -= gap->lost;
	pthread_mutex_unlock(&audit->lock);
	return 0;
}

/* A gap in which nothing was asked for is told as well, by a count of 0. */
static int account(struct audit *audit, bool even_if_empty)
{
	struct gap gap;
	bool refused;
	int r = 0;

	pthread_mutex_lock(&audit->lock);
	gap = audit->gap;
	pthread_mutex_unlock(&audit->lock);

	refused = gap.refused > 0;
	if (!refused && gap.unrecorded == 0 && (even_if_empty || gap.lost > 0))
		return settle_account(audit, &gap, !atomic_load(&audit->failure_allowed));
	if (refused)
		r = settle_account(audit, &gap, true);
	if (refused)
		gap.lost = 0;
	if (r == 0 && gap.unrecorded > 0)
		r = settle_account(audit, &gap, false);
	return r;
}

static bool owes_account(struct audit *audit)
{
	bool owes;

	pthread_mutex_lock(&audit->lock);
	owes = audit->gap.refused > 0 || audit->gap.unrecorded > 0 || audit->gap.lost > 0;
	pthread_mutex_unlock(&audit->lock);
	return owes;
}

static void shut(struct audit *audit)
{
	audit->is_shut = true;
	audit->is_accounted = false;
	if (audit->type->shut)
		audit->type->shut(audit->sink);
}

/* The order matters to who reads the log: what was sent again, the account of the gap,
 * new records. Only what is counted between the account and the change of the state is
 * told just after it, in a second account: nobody has to wait while one is written. */
static void recover(struct audit *audit)
{
	int r;

	if (!audit->is_shut)
		shut(audit);
	r = audit->type->recover(audit->sink);
	if (r < 0)
		return;
	if (r == AUDIT_SINK_TELL || !audit->is_accounted)
		audit->is_accounted = account(audit, true) == 0;
	if (r == AUDIT_SINK_TELL || !audit->is_accounted)
		return;

	audit->is_shut = audit->is_accounted = false;
	pthread_mutex_lock(&audit->lock);
	atomic_store(&audit->state, AUDIT_STATE_RECORDING);
	pthread_mutex_unlock(&audit->lock);
	if (!owes_account(audit) || account(audit, false) == 0)
		return;

	pthread_mutex_lock(&audit->lock);
	if (audit_state(audit) == AUDIT_STATE_RECORDING)
		leave_recording(audit, AUDIT_STATE_FAILING);
	pthread_mutex_unlock(&audit->lock);
}

static const char *way_out(enum audit_state state, int error)
{
	switch (state) {
	case AUDIT_STATE_DISABLED:
		return "auditing is disabled in the kernel: run 'auditctl -e 1'";
	case AUDIT_STATE_NO_DAEMON:
		return "no auditd is running: run 'systemctl start auditd'";
	case AUDIT_STATE_LOSING:
		return "records do not arrive in auditd's log: an audit rule drops them "
		       "(see 'auditctl -l'), or the kernel does (raise 'auditctl -b')";
	case AUDIT_STATE_STALLED:
		return "auditd does not write what it is sent: see 'systemctl status "
		       "auditd'";
	case AUDIT_STATE_NOT_WRITTEN:
		return "auditd does not write its log: make room on its disk, then "
		       "'auditctl --signal resume'";
	default:
		break;
	}
	if (error == EPERM)
		return "may not use the kernel's audit: CAP_AUDIT_WRITE and "
		       "CAP_AUDIT_CONTROL are needed";
	if (error == ECONNREFUSED)
		return "the kernel's audit does not serve this container: run outside of "
		       "it";
	return "the kernel's audit does not answer";
}

/* Once for each change. `seen` and `error` are of the last look. */
static void tell(struct audit *audit, enum audit_state seen, int error)
{
	enum audit_state state = audit_state(audit);

	if (state == audit->told)
		return;
	if (state == AUDIT_STATE_RECORDING)
		log_info("records are written again");
	else if (state == seen)
		log_error("cannot record (%s): %s; until then operations that need a "
			  "record %s",
			  audit_state_name(state), way_out(state, error),
			  atomic_load(&audit->failure_allowed) ? "are counted"
							       : "are refused");
	else
		return; /* a failed write: the next look knows more */
	audit->told = state;
}

static enum audit_state look(struct audit *audit)
{
	enum audit_state seen;
	int error;

	errno = 0;
	seen = audit->type->look(audit->sink);
	error = errno;
	if (seen != AUDIT_STATE_RECORDING) {
		pthread_mutex_lock(&audit->lock);
		leave_recording(audit, seen);
		pthread_mutex_unlock(&audit->lock);
		shut(audit);
	} else if (audit_state(audit) != AUDIT_STATE_RECORDING) {
		recover(audit);
	}
	tell(audit, seen, error);
	return seen;
}

static void *watch(void *argument)
{
	struct audit *audit = argument;

	for (;;) {
		struct pollfd pollers[1 + AUDIT_SINK_N_WAKE_FDS] = {
			{ .fd = audit->stop_fd, .events = POLLIN },
		};
		int fds[AUDIT_SINK_N_WAKE_FDS];

		audit->type->wake_fds(audit->sink, fds);
		for (int i = 0; i < AUDIT_SINK_N_WAKE_FDS; i++)
			pollers[1 + i] = (struct pollfd){ fds[i], POLLIN, 0 };
		(void)poll(pollers, 1 + AUDIT_SINK_N_WAKE_FDS,
			   audit->type->patience(audit->sink));
		if (pollers[0].revents)
			return NULL;
		(void)look(audit);
	}
}

/* Signals are the main thread's. */
static int start_watcher(struct audit *audit)
{
	sigset_t all, before;
	int r;

	audit->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (audit->stop_fd < 0)
		return -errno;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&audit->watcher, NULL, watch, audit);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	audit->has_watcher = r == 0;
	return -r;
}

static void pause_ms(int ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000000L };

	(void)nanosleep(&pause, NULL);
}

/* The last chance to account for a gap, and to send again what did not arrive. */
static void end_recording(struct audit *audit)
{
	uint64_t n = 0;

	for (int ms = 0; ms < END_MS; ms += STEP_MS) {
		enum audit_state seen = look(audit);

		n = audit->type->waiting ? audit->type->waiting(audit->sink) : 0;
		if (n == 0 || seen != AUDIT_STATE_RECORDING)
			break;
		pause_ms(STEP_MS);
	}
	if (n > 0)
		log_error("the last %lu records may be missing from the log",
			  (unsigned long)n);
}

struct audit *audit_free(struct audit *audit)
{
	if (!audit)
		return NULL;
	if (audit->has_watcher) {
		(void)eventfd_write(audit->stop_fd, 1);
		(void)pthread_join(audit->watcher, NULL);
		end_recording(audit);
	}
	if (audit->stop_fd >= 0)
		close(audit->stop_fd);
	if (audit->sink)
		audit->type->close(audit->sink);
	(void)pthread_mutex_destroy(&audit->lock);
	free(audit);
	return NULL;
}

/* The first look, until it is known whether records arrive. A gap begins only if there is
 * one. */
static int begin(struct audit *audit, char **ret_why)
{
	enum audit_state seen = AUDIT_STATE_RECORDING;
	int error = 0;

	for (int ms = 0; ms < BEGIN_MS && seen == AUDIT_STATE_RECORDING; ms += STEP_MS) {
		errno = 0;
		seen = audit->type->look(audit->sink);
		error = errno;
		if (seen == AUDIT_STATE_RECORDING &&
		    audit->type->recover(audit->sink) == 0) {
			atomic_store(&audit->state, AUDIT_STATE_RECORDING);
			audit->told = AUDIT_STATE_RECORDING;
			return 0;
		}
		pause_ms(STEP_MS);
	}
	if (seen == AUDIT_STATE_RECORDING)
		seen = AUDIT_STATE_LOSING;
	if (atomic_load(&audit->failure_allowed)) {
		leave_recording(audit, seen);
		return 0;
	}
	if (asprintf(ret_why,
		     "cannot record: %s, or use -o audit=file:PATH, or set "
		     "'audit-failure = allow'",
		     way_out(seen, error)) < 0)
		*ret_why = NULL;
	return -ENOTCONN;
}

int audit_new(const char *sink, bool failure_allowed, struct audit **ret, char **ret_why)
{
	const struct audit_sink_type *type = NULL;
	const char *where = "";
	struct audit *audit;
	int r;

	*ret_why = NULL;
	if (strcmp(sink, "auditd") == 0) {
		type = &audit_sink_auditd;
	} else if (strncmp(sink, "file:", 5) == 0) {
		type = &audit_sink_file;
		where = sink + 5;
	} else {
		if (asprintf(ret_why, "audit=%s is neither 'auditd' nor 'file:PATH'",
			     sink) < 0)
			*ret_why = NULL;
		return -EINVAL;
	}

	audit = calloc(1, sizeof(*audit));
	if (!audit)
		return -ENOMEM;
	audit->type = type;
	audit->stop_fd = -1;
	(void)pthread_mutex_init(&audit->lock, NULL);
	atomic_init(&audit->failure_allowed, failure_allowed);

	r = type->open(where, &audit->sink, ret_why);
	if (r == 0)
		r = begin(audit, ret_why);
	if (r == 0)
		r = start_watcher(audit);
	if (r < 0) {
		audit_free(audit);
		return r;
	}
	*ret = audit;
	return 0;
}
