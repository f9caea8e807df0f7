/* SPDX-License-Identifier: Apache-2.0 */
/* What the trail asks of a place that records go to. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fuse/audit.h"

/* audit_sink_write(): not in the log yet for certain, but kept: recover() will send it
 * again. */
#define AUDIT_SINK_KEPT 1

struct audit_sink_type {
	/* `where` is what follows the colon of -o audit=. 0, or -errno and *ret_why
	 * (malloc'ed, or NULL). */
	int (*open)(const char *where, void **ret, char **ret_why);

	/* Flushes and frees. */
	void (*close)(void *sink);

	/* Any thread. 0: accepted. AUDIT_SINK_KEPT, with `keep` only. -E2BIG: this record
	 * cannot be written at all. Any other -errno: the sink fails, and the record must
	 * be taken for unrecorded; should it be in the log all the same, recover()
	 * disowns it there. */
	int (*write)(void *sink, const struct record *record, bool keep);

	/* How it is now. The watching thread only (and audit_new() before there is one).
	 */
	enum audit_state (*look)(void *sink);

	/* After look() said RECORDING for the first time, or again: sends what may have
	 * been lost. 0, and adds to *lost what cannot be sent any more; or -errno: try
	 * later. The watching thread only. */
	int (*recover)(void *sink, uint64_t *lost);

	/* Becomes readable when look() would find something new; -1: nothing to wait for.
	 * The watching thread only. */
	int (*wake_fd)(void *sink);

	/* How many accepted records have not got to the log yet, as of the last look.
	 * Any thread. NULL: none wait. */
	uint64_t (*waiting)(void *sink);
};

extern const struct audit_sink_type audit_sink_auditd;
extern const struct audit_sink_type audit_sink_file;
