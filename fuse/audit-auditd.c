/* SPDX-License-Identifier: Apache-2.0 */
/* The trail in auditd's log. A record is kept from before it is sent until it is seen
 * there: the acknowledgement of the kernel's says only that it was taken.
 *
 * What has been acknowledged and does not arrive is sent again after the outage, so that
 * what nobody sees on the way (a rule, auditing that is off for a moment, a queue that is
 * thrown away, a full disk) is one case. The window of records that may be on the way is
 * half of the kernel's backlog: ours never fill it. */
#include <errno.h>
#include <libaudit.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuse/audit-courier.h"
#include "fuse/audit-custody.h"
#include "fuse/audit-log.h"
#include "fuse/audit-senders.h"
#include "fuse/audit-sink.h"
#include "fuse/audit-watch.h"

#define WINDOW_MAX 2048

/* Looks, in ms. Asking the kernel takes some 100 us, reading the log on a few. */
#define LOOK_MS	   100
#define RECOVER_MS 20
#define ARRIVE_MS  5 /* what a recovery has sent is awaited */
#define BUSY_MS	   1 /* the window is half full */

/* So long after all queues were seen empty, auditd has written what it took out of
 * them: it writes one record before it reads the next. */
#define IN_HAND_MS 200

/* Nothing is written for so long although something is on the way: auditd is stopped, or
 * its disk hangs. */
#define STALL_MS 1000

/* So many looks in a row at which the kernel held somebody are not the scheduler's. */
#define HELD_LOOKS 5
#define N_WAKERS   8

/* A process that is killed has closed its files for a moment before it has ended. */
#define EXIT_MS 250

/* What libaudit puts behind a record's text, so that every tool finds its way: room for
 * it is left by RECORD_TEXT_MAX (kernel/audit.c: AUDIT_MESSAGE_TEXT_MAX is 8560). */
#define SUFFIX_MAX 340
#define EXE_MAX	   256

/* Which copy of a record it is, and whether its operation happened. */
enum copy { FIRST, AGAIN, REFUSED, N_COPIES };

/* Of a recovery: first a few records try whether they arrive, then all are sent that are
 * not known to be in the log, then the gate is opened. */
enum phase { TO_PROBE, PROBING, RESENDING, WELL };

struct auditd {
	struct senders *senders;
	struct custody *custody;
	struct courier *courier;
	char suffix[N_COPIES][2][SUFFIX_MAX]; /* constant: [copy][of a success] */

	/* The watching thread only. */
	struct watch watch;
	struct watch_report report; /* of the last time that the kernel was asked */
	struct audit_log log;
	enum audit_log_state log_state;
	struct courier *wakers[N_WAKERS]; /* NULL: not needed yet */
	_Atomic int wake_type;		  /* of the record that they send */
	int64_t asked_at;    /* ms, CLOCK_MONOTONIC, as all that ends in _at */
	int64_t progress_at; /* when something was written, or nothing was to be */
	unsigned n_held;     /* looks in a row at which the kernel held somebody */
	bool is_busy;
	enum phase phase;
	uint64_t n_probes; /* ever */

	/* All queues were empty after idle_stamp, at idle_at; 0: not since. */
	uint64_t idle_stamp;
	int64_t idle_at;
};

static const int types[] = {
	[RECORD_DECISION] = AUDIT_DAC_CHECK,
	[RECORD_CONFIG] = AUDIT_USYS_CONFIG,
	[RECORD_LIFECYCLE] = AUDIT_TRUSTED_APP,
	[RECORD_INTEGRITY] = AUDIT_ANOM_RBAC_INTEGRITY_FAIL,
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void auditd_close(void *sink)
{
	struct auditd *auditd = sink;

	courier_free(auditd->courier);
	for (int i = 0; i < N_WAKERS; i++)
		courier_free(auditd->wakers[i]);
	senders_free(auditd->senders);
	watch_close(&auditd->watch);
	audit_log_leave(&auditd->log);
	custody_free(auditd->custody);
	free(auditd);
}

/* Our own path is an admin's, not a user's; what would need encoding is left out. */
static void make_suffixes(struct auditd *auditd)
{
	static const char *const results[] = { "failed", "success" };
	static const char *const copies[] = {
		[FIRST] = "",
		[AGAIN] = " resent=yes",
		[REFUSED] = " resent=yes refused=yes",
	};
	char exe[EXE_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe));
	bool plain = n > 0 && n < EXE_MAX;

	if (plain)
		exe[n] = '\0';
	plain = plain && !exe[strcspn(exe, "\"'= ")];
	for (ssize_t i = 0; plain && i < n; i++)
		plain = exe[i] > 0x20 && exe[i] < 0x7f;
	for (int i = 0; i < 2 * N_COPIES; i++)
		(void)snprintf(auditd->suffix[i / 2][i % 2], SUFFIX_MAX,
			       "%s exe=%s%s%s hostname=? addr=? terminal=? res=%s",
			       copies[i / 2], plain ? "\"" : "", plain ? exe : "?",
			       plain ? "\"" : "", results[i % 2]);
}

/* 0 when the kernel has acknowledged; *ret_maybe: it may have it although this failed. */
static int send_item(struct auditd *auditd, struct audit_netlink *netlink,
		     const struct custody_item *item, enum copy copy, bool *ret_maybe)
{
	int r = netlink->fd < 0 ? audit_netlink_open(netlink) : 0;

	if (r == 0)
		r = audit_netlink_record(
			netlink, item->type, item->text, item->length,
			auditd->suffix[copy][copy != REFUSED && item->success]);
	if (r == 0)
		return 0;
	*ret_maybe = r == -ETIMEDOUT;
	/* An acknowledgement that comes late would be taken for the next record's. */
	audit_netlink_close(netlink);
	return r;
}

/* How many parts follow a first one. In a record of one part no " part=" can occur:
 * values hold neither ' ' nor '='. */
static bool has_more_parts(const char *first)
{
	return strstr(first, " part=1/") != NULL;
}

/* The messages of a record. 0, or -E2BIG, or -ENOMEM. */
static int make_items(const struct record *record, struct custody_item **ret)
{
	struct custody_item *first = NULL, **next = &first;
	char text[RECORD_TEXT_MAX];
	bool more = true;

	for (unsigned part = 0; more; part++) {
		int length = record_format_audit(record, part, text, sizeof(text));

		if (length <= 0)
			break;
		*next = custody_item_new(text, (size_t)length);
		if (!*next) {
			custody_item_free(first);
			return -ENOMEM;
		}
		(*next)->seqno = record->seqno;
		(*next)->part = record->seqno ? part : (unsigned)record->count;
		(*next)->type = types[record->kind];
		(*next)->success = record->success;
		next = &(*next)->next_part;
		more = part > 0 || has_more_parts(text);
	}
	*ret = first;
	return first ? 0 : -E2BIG;
}

/* All parts are in custody. */
static int send_all(struct auditd *auditd, struct sender *sender,
		    struct custody_item *first, bool keep)
{
	const struct custody_item *item = first;
	bool maybe = false;
	unsigned n = 0;
	int r = 0;

	while (item && r == 0) {
		r = send_item(auditd, &sender->netlink, item, FIRST, &maybe);
		n += r == 0 || maybe;
		item = item->next_part;
	}
	if (r == 0) {
		custody_accepted(auditd->custody, first);
	} else if (n == 0) {
		custody_abandoned(auditd->custody, first);
	} else if (keep) {
		custody_owed(auditd->custody, first, n);
		r = AUDIT_SINK_KEPT;
	} else {
		custody_refused(auditd->custody, first, n);
	}
	return r;
}

static void prove(void *data, const struct audit_log_line *line)
{
	struct auditd *auditd = data;

	custody_prove(auditd->custody, line->seqno, line->part, line->refused);
}

static void read_log(struct auditd *auditd)
{
	if (audit_log_read(&auditd->log, prove, auditd))
		auditd->progress_at = now_ms();
}

static struct record probe(enum record_kind kind, uint64_t number)
{
	return (struct record){
		.kind = kind,
		.success = true,
		.present = RECORD_COUNT,
		.op = "wake",
		.count = number,
		.reason = number ? "do records arrive" : "the kernel held records back",
	};
}

static void send_wake(void *data, struct audit_netlink *netlink)
{
	const struct record record = probe(RECORD_LIFECYCLE, 0);
	struct auditd *auditd = data;
	struct custody_item *item;
	bool maybe;

	if (make_items(&record, &item) < 0)
		return;
	item->type = atomic_load(&auditd->wake_type);
	(void)send_item(data, netlink, item, FIRST, &maybe);
	custody_item_free(item);
}

/* Who finds the kernel's backlog full sleeps there until the queue has been worked
 * through; each time that it has been, one is woken (kernel/audit.c: audit_receive(),
 * kauditd_thread()). If nobody has anything to record after that, the others sleep on for
 * backlog_wait_time, a minute. So a record is written, by a thread that may fall asleep
 * itself if the queue is full all the same; then it is the next one's turn. While
 * auditing is disabled the kernel drops a record of any type but one, and wakes nobody
 * (kernel/audit.c: audit_receive_msg(), AUDIT_USER_AVC). */
static void wake_sleepers(struct auditd *auditd)
{
	bool is_held = senders_are_stuck(auditd->senders) || auditd->report.is_late;
	struct courier **waker = auditd->wakers;

	auditd->n_held = is_held && auditd->report.is_drained ? auditd->n_held + 1 : 0;
	if (auditd->n_held < HELD_LOOKS)
		return;
	atomic_store(&auditd->wake_type, auditd->report.state == AUDIT_STATE_DISABLED
						 ? AUDIT_USER_AVC
						 : types[RECORD_LIFECYCLE]);
	while (*waker && courier_is_sending(*waker))
		if (++waker == auditd->wakers + N_WAKERS)
			return;
	if (*waker || courier_new(send_wake, auditd, waker) == 0)
		courier_send(*waker);
	auditd->n_held = 1; /* and when as many looks have passed again */
}

static void set_window(struct auditd *auditd)
{
	uint32_t limit = auditd->report.backlog_limit;

	if (auditd->report.is_late)
		return;
	custody_set_window(auditd->custody,
			   limit == 0 || limit / 2 > WINDOW_MAX ? WINDOW_MAX : limit / 2);
}

/* Asks the kernel, then reads what auditd has written by then. */
static enum audit_state ask(struct auditd *auditd)
{
	watch_look(&auditd->watch, custody_stamp(auditd->custody), &auditd->report);
	auditd->asked_at = now_ms();
	wake_sleepers(auditd);
	if (auditd->report.state != AUDIT_STATE_RECORDING)
		return auditd->report.state;
	set_window(auditd);
	if (custody_has_owed(auditd->custody)) /* the courier had failed */
		courier_send(auditd->courier);

	auditd->log_state = audit_log_find(&auditd->log, auditd->watch.pid);
	read_log(auditd);
	if (auditd->log_state != AUDIT_LOG_CLOSED)
		return AUDIT_STATE_RECORDING;
	return watch_ends(&auditd->watch, auditd->phase == WELL ? EXIT_MS : 0)
		       ? AUDIT_STATE_NO_DAEMON
		       : AUDIT_STATE_NOT_WRITTEN;
}

/* True once what was accepted before *ret_stamp has arrived, if ever it will. */
static bool is_past_idle(struct auditd *auditd, uint64_t *ret_stamp)
{
	if (auditd->idle_stamp != 0 && auditd->asked_at - auditd->idle_at >= IN_HAND_MS) {
		*ret_stamp = auditd->idle_stamp;
		auditd->idle_stamp = 0;
		return true;
	}
	if (auditd->report.is_idle && auditd->idle_stamp == 0) {
		auditd->idle_stamp = auditd->report.stamp;
		auditd->idle_at = auditd->asked_at;
	}
	return false;
}

/* The log cannot be read: what auditd has taken out of the queues is believed to be
 * written. */
static bool settle_by_queues(struct auditd *auditd)
{
	size_t in_flight =
		(size_t)auditd->report.in_flight + senders_count(auditd->senders);

	if (auditd->report.is_late)
		return true;
	if (auditd->report.is_dropped) {
		auditd->idle_stamp = 0;
		return false;
	}
	if (custody_prove_before(auditd->custody, auditd->report.stamp, in_flight))
		auditd->progress_at = auditd->asked_at;
	return true;
}

/* Whether something is missing: it was accepted, and is past being written. */
static bool is_missing(struct auditd *auditd)
{
	uint64_t past;

	if (auditd->log_state == AUDIT_LOG_OPEN)
		return (is_past_idle(auditd, &past) &&
			custody_has_before(auditd->custody, past)) ||
		       (auditd->phase != PROBING && custody_has_hole(auditd->custody));
	if (!settle_by_queues(auditd))
		return true;
	if (is_past_idle(auditd, &past))
		(void)custody_prove_before(auditd->custody, past, 0);
	return false;
}

static bool is_stalled(struct auditd *auditd)
{
	if (auditd->report.is_idle || custody_count(auditd->custody, NULL) == 0)
		auditd->progress_at = auditd->asked_at;
	return now_ms() - auditd->progress_at >= STALL_MS;
}

static enum audit_state judge(struct auditd *auditd)
{
	bool was_well = auditd->phase == WELL, missing;
	enum audit_state state = ask(auditd);

	if (state != AUDIT_STATE_RECORDING)
		return state;
	missing = is_missing(auditd);
	if (is_stalled(auditd))
		return AUDIT_STATE_STALLED;
	if (!missing)
		return AUDIT_STATE_RECORDING;
	auditd->phase = TO_PROBE; /* a recovery begins anew */
	if (audit_log_is_full(&auditd->log))
		return AUDIT_STATE_NOT_WRITTEN;
	return was_well ? AUDIT_STATE_LOSING : AUDIT_STATE_RECORDING;
}

static int ask_interval(const struct auditd *auditd)
{
	return auditd->phase == WELL && auditd->n_held == 0 ? LOOK_MS : RECOVER_MS;
}

static bool must_ask(const struct auditd *auditd)
{
	return auditd->log_state != AUDIT_LOG_OPEN ||
	       now_ms() - auditd->asked_at >= ask_interval(auditd) ||
	       !watch_pidfd_alive(auditd->watch.pidfd);
}

static enum audit_state auditd_look(void *sink)
{
	struct auditd *auditd = sink;
	enum audit_state state = AUDIT_STATE_RECORDING;

	read_log(auditd);
	if (must_ask(auditd) || custody_has_hole(auditd->custody))
		state = judge(auditd);
	if (auditd->watch.pid == 0 || auditd->log_state == AUDIT_LOG_CLOSED)
		audit_log_leave(&auditd->log);
	auditd->is_busy = custody_looked(auditd->custody);
	errno = -auditd->report.error;
	return state;
}

static void auditd_shut(void *sink)
{
	struct auditd *auditd = sink;

	custody_close(auditd->custody);
	auditd->phase = TO_PROBE;
}

/* The courier: at least one copy of each record is to be in the log, with the same text
 * and seqno. */
static void send_owed(void *data, struct audit_netlink *netlink)
{
	struct auditd *auditd = data;
	struct custody_item *item;
	int r = 0;

	while (r == 0 && (item = custody_next_owed(auditd->custody))) {
		enum copy copy = item->refused ? REFUSED : item->is_sent ? AGAIN : FIRST;
		bool maybe;

		r = send_item(auditd, netlink, item, copy, &maybe);
		if (r == 0)
			custody_paid(auditd->custody, item);
		free(item);
	}
}

/* Leaves the sending to the courier. */
static int write_at_once(struct auditd *auditd, const struct record *record)
{
	struct custody_item *first;
	int r = make_items(record, &first);

	if (r < 0)
		return r;
	(void)custody_take(auditd->custody, first, true);
	custody_owed(auditd->custody, first, 0);
	courier_send(auditd->courier);
	return 0;
}

/* One record of each type, since rules may drop records by type. */
static void send_probes(struct auditd *auditd)
{
	custody_drop_unnumbered(auditd->custody);
	for (size_t kind = 0; kind < sizeof(types) / sizeof(types[0]); kind++) {
		struct record record = probe((enum record_kind)kind, ++auditd->n_probes);

		if (write_at_once(auditd, &record) < 0)
			return;
	}
	auditd->idle_stamp = 0;
	auditd->phase = PROBING;
}

static int auditd_recover(void *sink)
{
	struct auditd *auditd = sink;

	switch (auditd->phase) {
	case TO_PROBE:
		send_probes(auditd);
		break;
	case PROBING:
		if (custody_has_unnumbered(auditd->custody))
			break;
		custody_owe_all(auditd->custody);
		courier_send(auditd->courier);
		auditd->idle_stamp = 0;
		auditd->phase = RESENDING;
		return AUDIT_SINK_TELL;
	case RESENDING:
		if (!custody_is_settled(auditd->custody))
			break;
		auditd->phase = WELL;
		custody_open(auditd->custody);
		return 0;
	case WELL:
		return 0;
	}
	return -EAGAIN;
}

static int auditd_write(void *sink, const struct record *record, unsigned how)
{
	struct auditd *auditd = sink;
	struct custody_item *first;
	struct sender *sender;
	int r;

	if (how & AUDIT_SINK_AT_ONCE)
		return write_at_once(auditd, record);
	r = make_items(record, &first);
	if (r < 0)
		return r;
	r = custody_take(auditd->custody, first, false);
	if (r < 0) {
		custody_item_free(first);
		return r;
	}
	sender = senders_take(auditd->senders, &r);
	if (!sender) {
		custody_abandoned(auditd->custody, first);
		return r;
	}
	r = send_all(auditd, sender, first, how & AUDIT_SINK_KEEP);
	senders_give_back(auditd->senders, sender);
	return r;
}

static int auditd_open(const char *where, void **ret, char **ret_why)
{
	struct auditd *auditd = calloc(1, sizeof(*auditd));
	int r;

	(void)where;
	if (!auditd)
		return -ENOMEM;
	auditd->log.fd = -1;
	auditd->senders = senders_new();
	auditd->custody = custody_new();
	make_suffixes(auditd);
	r = auditd->custody && auditd->senders
		    ? courier_new(send_owed, auditd, &auditd->courier)
		    : -ENOMEM;
	watch_open(&auditd->watch, auditd->courier);
	if (r < 0) {
		if (asprintf(ret_why,
			     "cannot reach the kernel's audit: %s; use -o "
			     "audit=file:PATH where "
			     "there is none",
			     strerror(-r)) < 0)
			*ret_why = NULL;
		auditd_close(auditd);
		return r;
	}
	*ret = auditd;
	return 0;
}

static void auditd_wake_fds(void *sink, int ret[static AUDIT_SINK_N_WAKE_FDS])
{
	struct auditd *auditd = sink;

	ret[0] = auditd->watch.pidfd;
	ret[1] = custody_wake_fd(auditd->custody);
}

static int auditd_patience(void *sink)
{
	const struct auditd *auditd = sink;

	if (auditd->phase == PROBING || auditd->phase == RESENDING)
		return ARRIVE_MS;
	return auditd->phase == WELL && auditd->is_busy ? BUSY_MS : ask_interval(auditd);
}

static bool auditd_unsettled(void *sink, struct timespec *ret)
{
	struct auditd *auditd = sink;

	return custody_count(auditd->custody, ret) > 0;
}

static uint64_t auditd_waiting(void *sink)
{
	struct auditd *auditd = sink;

	return custody_count(auditd->custody, NULL);
}

const struct audit_sink_type audit_sink_auditd = {
	.open = auditd_open,
	.close = auditd_close,
	.write = auditd_write,
	.look = auditd_look,
	.shut = auditd_shut,
	.recover = auditd_recover,
	.wake_fds = auditd_wake_fds,
	.patience = auditd_patience,
	.unsettled = auditd_unsettled,
	.waiting = auditd_waiting,
};
