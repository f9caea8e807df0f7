/* SPDX-License-Identifier: Apache-2.0 */
/* The trail: takes a record before its effect, or says that it cannot. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "fuse/record.h"

struct audit;

enum audit_state {
	AUDIT_STATE_UNKNOWN,
	AUDIT_STATE_RECORDING,
	AUDIT_STATE_DISABLED,	 /* auditctl -e 0 */
	AUDIT_STATE_NO_DAEMON,	 /* no auditd is running */
	AUDIT_STATE_LOSING,	 /* accepted records do not arrive in the log */
	AUDIT_STATE_FAILING,	 /* netlink or file errors */
	AUDIT_STATE_STALLED,	 /* auditd does not write what it is sent */
	AUDIT_STATE_NOT_WRITTEN, /* auditd reads, and writes nothing: a full disk */
};

/* Opens the sink that `-o audit=` names: "auditd" or "file:PATH". Starts its watching
 * thread. Returns 0 and sets *ret, or -errno; *ret_why then says in one line what is
 * wrong and what to do (static or from malloc: the caller free()s it). For auditd it
 * fails with -ENOTCONN if no record arrives in its log within two seconds and
 * `failure_allowed` is false. */
int audit_new(const char *sink, bool failure_allowed, struct audit **ret, char **ret_why);

/* Ends the thread, flushes (fsync of a file) and frees. NULL is fine; returns NULL. */
struct audit *audit_free(struct audit *audit);

/* What happens while nothing can be recorded (audit-failure = allow). Any thread. */
void audit_set_failure_allowed(struct audit *audit, bool allowed);

/* Writes a record and gives it a sequence number if it has none. Returns 0 once it is
 * accepted, or counted as a gap with audit-failure = allow; -EIO if it cannot be
 * recorded: then the effect must not happen. Any thread; may sleep while auditd is slow.
 */
int audit_record(struct audit *audit, struct record *record);

/* Writes a record of what was answered already. Returns 0 once it is accepted, or will be
 * sent after an outage; -EAGAIN: not now, and no gap counts it: the caller keeps it, and
 * its number. */
int audit_record_later(struct audit *audit, struct record *record);

/* For status. */
struct audit_report {
	enum audit_state state;
	bool failure_allowed;
	uint64_t seqno;	  /* the last one given */
	uint64_t waiting; /* given to the kernel, and not seen in the log yet */
	uint64_t n_gaps;  /* since the start, and in them: see modelguard-audit(7) */
	uint64_t unrecorded, refused, lost;
	time_t gap_since; /* of the present gap; 0: there is none */
};
void audit_report(struct audit *audit, struct audit_report *ret);

/* The state as of the last look (at most 100 ms ago). Any thread. */
enum audit_state audit_state(struct audit *audit);
const char *audit_state_name(enum audit_state state);
