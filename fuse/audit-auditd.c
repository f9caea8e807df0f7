/* SPDX-License-Identifier: Apache-2.0 */
/* The trail in auditd's log, with what was accepted shortly before an outage sent again
 * after it. */
#include <errno.h>
#include <fcntl.h>
#include <libaudit.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuse/audit-recent.h"
#include "fuse/audit-senders.h"
#include "fuse/audit-sink.h"
#include "fuse/audit-watch.h"

/* 40,000 records of the usual kind: what is in flight when auditd is the slowest, and
 * SETTLE_MS. */
#define RECENT_BYTES (16 << 20)

/* auditd has written what it has read within this time: it writes one record before it
 * reads the next. Two looks are in it, too, so that what the kernel lost, or was told to
 * drop, is noticed before it is forgotten here. */
#define SETTLE_MS 250
#define N_LOOKS	  32 /* looks are 100 ms apart, or more */

struct look {
	int64_t at;	     /* ms, CLOCK_MONOTONIC */
	uint64_t read_below; /* records with a lower index were read by auditd then */
};

/* What libaudit puts behind a record's text, so that every tool finds its way: room for
 * it is left by RECORD_TEXT_MAX (kernel/audit.c: AUDIT_MESSAGE_TEXT_MAX is 8560). */
#define SUFFIX_MAX 340
#define EXE_MAX	   256

struct auditd {
	/* A sender is held from before a record is sent until it is known whether auditd
	 * lives and the record is remembered. A recovery first closes the senders: so it
	 * sends all of a record again, or comes before it. */
	struct senders *senders;
	int pidfd; /* of the auditd that recover() found; -1: none. Changed while the
		      senders are closed */

	atomic_bool well;	       /* as of the last look */
	atomic_uint_least64_t waiting; /* the same; while auditd is well */
	struct recent *recent;
	char suffix[2][SUFFIX_MAX]; /* constant: of a failure, of a success */

	/* The watching thread only. */
	struct watch watch;
	struct look looks[N_LOOKS];
	unsigned n_looks; /* ever */
};

static const int types[] = {
	[RECORD_DECISION] = AUDIT_DAC_CHECK,
	[RECORD_CONFIG] = AUDIT_USYS_CONFIG,
	[RECORD_LIFECYCLE] = AUDIT_TRUSTED_APP,
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

	senders_free(auditd->senders);
	if (auditd->pidfd >= 0)
		close(auditd->pidfd);
	watch_close(&auditd->watch);
	recent_free(auditd->recent);
	free(auditd);
}

/* Our own path is an admin's, not a user's; what would need encoding is left out. */
static void make_suffixes(struct auditd *auditd)
{
	static const char *const results[] = { "failed", "success" };
	char exe[EXE_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe));
	bool plain = n > 0 && n < EXE_MAX;

	if (plain)
		exe[n] = '\0';
	plain = plain && !exe[strcspn(exe, "\"'= ")];
	for (ssize_t i = 0; plain && i < n; i++)
		plain = exe[i] > 0x20 && exe[i] < 0x7f;
	for (int success = 0; success <= 1; success++)
		(void)snprintf(auditd->suffix[success], SUFFIX_MAX,
			       " exe=%s%s%s hostname=? addr=? terminal=? res=%s",
			       plain ? "\"" : "", plain ? exe : "?", plain ? "\"" : "",
			       results[success]);
}

static int auditd_open(const char *where, void **ret, char **ret_why)
{
	struct auditd *auditd = calloc(1, sizeof(*auditd));
	int r;

	(void)where;
	if (!auditd)
		return -ENOMEM;
	auditd->pidfd = -1;
	auditd->senders = senders_new();
	auditd->recent = recent_new(RECENT_BYTES);
	make_suffixes(auditd);
	r = watch_open(&auditd->watch);
	if (r == 0 && (!auditd->recent || !auditd->senders))
		r = -ENOMEM;
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

/* 0 when the kernel has acknowledged; *ret_maybe: it may have it although this failed. */
static int send_text(struct auditd *auditd, struct audit_netlink *netlink,
		     const struct recent_entry *entry, bool *ret_maybe)
{
	int r = netlink->fd < 0 ? audit_netlink_open(netlink) : 0;

	if (r == 0)
		r = audit_netlink_record(netlink, entry->type, entry->text,
					 strlen(entry->text),
					 auditd->suffix[entry->success]);
	if (r == 0)
		return 0;
	*ret_maybe = r == -ETIMEDOUT;
	/* An acknowledgement that comes late would be taken for the next record's. */
	audit_netlink_close(netlink);
	return r;
}

static bool is_alive(struct auditd *auditd)
{
	return atomic_load(&auditd->well) && watch_pidfd_alive(auditd->pidfd);
}

/* How many parts follow a first one. In a record of one part no " part=" can occur:
 * values hold neither ' ' nor '='. */
static bool has_more_parts(const char *first)
{
	return strstr(first, " part=1/") != NULL;
}

static int format(const struct record *record, unsigned part, struct recent_entry *ret)
{
	ret->type = types[record->kind];
	ret->success = record->success;
	ret->refused = false;
	return record_format_audit(record, part, ret->text, sizeof(ret->text));
}

/* Sends parts 1.. after part 0. Sets *ret_n_sent. */
static int send_further(struct auditd *auditd, struct sender *sender,
			const struct record *record, unsigned *ret_n_sent,
			bool *ret_maybe)
{
	struct recent_entry entry;

	for (unsigned part = 1;; part++) {
		int r = format(record, part, &entry);

		if (r > 0)
			r = send_text(auditd, &sender->netlink, &entry, ret_maybe);
		else
			return r;
		if (r < 0)
			return r;
		*ret_n_sent = part + 1;
	}
}

/* Keeps the first n parts for a recovery. */
static void remember(struct auditd *auditd, const struct record *record,
		     struct recent_entry *first, unsigned n, bool refused)
{
	first->refused = refused;
	recent_push(auditd->recent, first);
	if (n <= 1)
		return;
	for (unsigned part = 1; part < n; part++) {
		struct recent_entry entry;

		if (format(record, part, &entry) <= 0)
			return;
		entry.refused = refused;
		recent_push(auditd->recent, &entry);
	}
}

static int write_by(struct auditd *auditd, struct sender *sender,
		    const struct record *record, struct recent_entry *first, bool keep)
{
	unsigned n_sent = 0;
	bool maybe = false;
	int r;

	r = send_text(auditd, &sender->netlink, first, &maybe);
	if (r == 0) {
		n_sent = 1;
		if (has_more_parts(first->text))
			r = send_further(auditd, sender, record, &n_sent, &maybe);
	}
	/* auditd may have died, or auditing been switched off, before the kernel
	 * acknowledged. */
	if (r == 0 && !is_alive(auditd))
		r = -ENOTCONN;

	if (r == 0) {
		remember(auditd, record, first, n_sent, false);
	} else if (maybe || n_sent > 0) {
		/* All parts if it is kept: recover() is then what writes it. */
		remember(auditd, record, first, keep ? UINT32_MAX : n_sent, !keep);
		r = keep ? AUDIT_SINK_KEPT : r;
	}
	return r;
}

static int auditd_write(void *sink, const struct record *record, bool keep)
{
	struct auditd *auditd = sink;
	struct recent_entry first;
	struct sender *sender;
	int r;

	r = format(record, 0, &first);
	if (r <= 0)
		return -E2BIG;
	sender = senders_take(auditd->senders, &r);
	if (!sender)
		return r;
	r = write_by(auditd, sender, record, &first, keep);
	senders_give_back(auditd->senders, sender);
	return r;
}

/* Forgets what auditd had read one SETTLE_MS ago. */
static void settle(struct auditd *auditd, uint64_t pushed, uint64_t in_flight)
{
	int64_t now = now_ms();
	uint64_t settled = 0;

	/* Threads remember in another order than the kernel acknowledged, by as many as
	 * there are. */
	in_flight += senders_count(auditd->senders);

	auditd->looks[auditd->n_looks++ % N_LOOKS] = (struct look){
		.at = now,
		.read_below = pushed > in_flight ? pushed - in_flight : 0,
	};
	for (unsigned i = 0; i < N_LOOKS && i < auditd->n_looks; i++)
		if (auditd->looks[i].at <= now - SETTLE_MS &&
		    auditd->looks[i].read_below > settled)
			settled = auditd->looks[i].read_below;
	recent_settle(auditd->recent, settled);
}

/* Who finds the kernel's backlog full sleeps there until the queue has been emptied. The
 * kernel looks at the queue first and goes to sleep afterwards: if it is emptied in
 * between, nobody wakes the sleeper until the next record of anybody's, or for
 * backlog_wait_time, a minute (kernel/audit.c: audit_receive()). So one is written, which
 * has something to tell at the same time. */
static void wake_sleepers(struct auditd *auditd)
{
	const struct record record = {
		.kind = RECORD_LIFECYCLE,
		.success = true,
		.op = "wake",
		.reason = "the kernel held a record back",
	};
	struct audit_netlink netlink = { .fd = -1 };
	struct recent_entry entry;
	bool maybe;

	if (format(&record, 0, &entry) > 0)
		(void)send_text(auditd, &netlink, &entry, &maybe);
	audit_netlink_close(&netlink);
}

static enum audit_state auditd_look(void *sink)
{
	struct auditd *auditd = sink;
	struct watch_report report;
	uint64_t pushed;

	pushed = recent_pushed(auditd->recent); /* before the kernel is asked */
	watch_look(&auditd->watch, &report);
	if (report.state != AUDIT_STATE_RECORDING) {
		atomic_store(&auditd->well, false);
		errno = -report.error;
		return report.state;
	}
	atomic_store(&auditd->waiting, report.in_flight);
	if (senders_are_stuck(auditd->senders) && report.backlog == 0)
		wake_sleepers(auditd);
	if (atomic_load(&auditd->well))
		settle(auditd, pushed, report.in_flight);
	return AUDIT_STATE_RECORDING;
}

/* The same text and seqno once more, so that at least one copy is in the log. */
static int send_again(struct auditd *auditd, struct audit_netlink *netlink,
		      const struct recent_entry *entry)
{
	static const char resent[] = " resent=yes", refused[] = " resent=yes refused=yes";
	const char *suffix = entry->refused ? refused : resent;
	struct again {
		struct recent_entry entry;
		char room[sizeof(refused)];
	} again = { .entry = *entry };
	size_t length = strlen(entry->text);
	bool maybe;

	/* RECORD_TEXT_MAX leaves room for this. */
	memcpy((char *)&again + offsetof(struct recent_entry, text) + length, suffix,
	       strlen(suffix) + 1);
	if (entry->refused)
		again.entry.success = false;

	return send_text(auditd, netlink, &again.entry, &maybe);
}

static int send_all_again(struct auditd *auditd)
{
	struct audit_netlink netlink = { .fd = -1 };
	struct recent_entry entry;
	uint64_t index = 0;
	int r = 0;

	while (r == 0 && recent_next(auditd->recent, &index, &entry))
		r = send_again(auditd, &netlink, &entry);
	audit_netlink_close(&netlink);
	return r;
}

static int auditd_recover(void *sink, uint64_t *lost)
{
	struct auditd *auditd = sink;
	bool alive;
	int r;

	r = senders_close(auditd->senders);
	if (r < 0)
		return r;
	if (auditd->pidfd >= 0)
		close(auditd->pidfd);
	auditd->pidfd = fcntl(auditd->watch.pidfd, F_DUPFD_CLOEXEC, 3);
	r = send_all_again(auditd);
	if (r < 0)
		return r;

	/* What an earlier look said was about the copies before. The order of the indexes
	 * is again the order of sending, so from here on it counts as ever. */
	auditd->n_looks = 0;

	alive = watch_pidfd_alive(auditd->pidfd);
	atomic_store(&auditd->well, alive);
	if (!alive)
		return -ENOTCONN;
	*lost += recent_take_lost(auditd->recent);
	senders_open(auditd->senders);
	return 0;
}

static int auditd_wake_fd(void *sink)
{
	struct auditd *auditd = sink;

	return auditd->watch.pidfd;
}

static uint64_t auditd_waiting(void *sink)
{
	struct auditd *auditd = sink;

	return atomic_load(&auditd->waiting);
}

const struct audit_sink_type audit_sink_auditd = {
	.open = auditd_open,
	.close = auditd_close,
	.write = auditd_write,
	.look = auditd_look,
	.recover = auditd_recover,
	.wake_fd = auditd_wake_fd,
	.waiting = auditd_waiting,
};
