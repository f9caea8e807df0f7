/* SPDX-License-Identifier: Apache-2.0 */
/* Watches the kernel's audit and auditd: an acknowledgement alone says nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fuse/audit-courier.h"
#include "fuse/audit.h"

/* Owned by one thread; no locks. */
struct watch {
	struct courier *courier; /* borrowed */
	bool has_looked;
	pid_t pid;	/* of auditd; 0: none */
	int pidfd;	/* of that pid, -1: none */
	uint32_t lost;	/* the kernel's counter at the last look */
	uint32_t drops; /* how often auditd's socket had no room, the same */
};

struct watch_report {
	enum audit_state state;
	int error;	/* AUDIT_STATE_FAILING: -errno */
	bool is_late;	/* there is no answer: only `state` and is_drained are set */
	uint64_t stamp; /* all that follows was so at a moment after it was taken */

	bool is_drained;    /* auditd has read all that was handed over to it */
	bool is_idle;	    /* and nothing waits to be */
	uint32_t in_flight; /* at most so many records wait to be read by auditd; while
			       is_dropped is false: no queue lets one pass another */
	bool is_dropped;    /* since the last look a record was lost, or could not be
			       handed over at first */
	uint32_t backlog_limit; /* 0: none */
};

/* Needs no privilege by itself. */
void watch_open(struct watch *watch, struct courier *courier);
void watch_close(struct watch *watch);

/* Asks once; takes some 100 us, at most 5 ms (the first time: a second). `stamp` is given
 * back with what is answered to the question, if not by this look, then by a later one.
 * Needs
 * CAP_AUDIT_CONTROL in the initial user namespace, and the initial pid namespace: else
 * FAILING with -EPERM or -ECONNREFUSED. */
void watch_look(struct watch *watch, uint64_t stamp, struct watch_report *ret);

/* True if the process behind this pidfd lives. Any thread. */
bool watch_pidfd_alive(int pidfd);

/* Waits for at most `ms` for auditd to end: true if it has. */
bool watch_ends(const struct watch *watch, int ms);
