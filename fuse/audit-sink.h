/* SPDX-License-Identifier: Apache-2.0 */
/* What the trail asks of a place that records go to. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fuse/audit.h"

/* How a record is written. */
enum {
	AUDIT_SINK_KEEP = 1 << 0,    /* it may be kept instead: see AUDIT_SINK_KEPT */
	AUDIT_SINK_AT_ONCE = 1 << 1, /* by the watching thread, which waits for nobody */
};

/* audit_sink_write(): not in the log yet for certain, but kept: recover() will send it
 * again. */
#define AUDIT_SINK_KEPT 1

/* audit_sink_recover() */
#define AUDIT_SINK_TELL 1

#define AUDIT_SINK_N_WAKE_FDS 2

struct audit_sink_type {
	/* `where` is what follows the colon of -o audit=. 0, or -errno and *ret_why
	 * (malloc'ed, or NULL). */
	int (*open)(const char *where, void **ret, char **ret_why);

	/* Flushes and frees. */
	void (*close)(void *sink);

	/* Any thread. 0: accepted. AUDIT_SINK_KEPT, with AUDIT_SINK_KEEP only. -E2BIG:
	 * this record cannot be written at all. -ENOTCONN: the sink was shut. Any other
	 * -errno: the sink fails, and the record must be taken for unrecorded; should it
	 * be in the log all the same, recover() disowns it there. */
	int (*write)(void *sink, const struct record *record, unsigned how);

	/* How it is now. The watching thread only (and audit_new() before there is one),
	 * as all below but for waiting(). */
	enum audit_state (*look)(void *sink);

	/* After look() said anything but RECORDING: who waits in write() comes back.
	 * NULL: nobody waits. */
	void (*shut)(void *sink);

	/* After look() said RECORDING for the first time, or again: sends what may have
	 * been lost. -errno: not yet, look again and try later. AUDIT_SINK_TELL: the
	 * account of the gap may be written now, and then it goes on. 0: done. */
	int (*recover)(void *sink);

	/* What to wait for: become readable when look() would find something new (-1:
	 * none); and how long to wait at most, in ms. */
	void (*wake_fds)(void *sink, int ret[static AUDIT_SINK_N_WAKE_FDS]);
	int (*patience)(void *sink);

	/* When the first record was accepted that may not be in the log yet; false: all
	 * are. NULL: all always are. */
	bool (*unsettled)(void *sink, struct timespec *ret);

	/* How many accepted records have not got to the log yet, as of the last look.
	 * Any thread. NULL: none wait. */
	uint64_t (*waiting)(void *sink);
};

extern const struct audit_sink_type audit_sink_auditd;
extern const struct audit_sink_type audit_sink_file;
