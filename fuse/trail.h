/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the trail back, oldest first: from auditd's rotated logs or from JSON lines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/record.h"

/* auditd's configuration; its log_file= is what is read unless --input names another. */
#define TRAIL_AUDITD_CONF "/etc/audit/auditd.conf"

enum trail_outcome {
	TRAIL_OK,
	TRAIL_DENIED,  /* by the policy, or because the guard cannot do it */
	TRAIL_FAILED,  /* it was allowed, and the file system refused it; a policy too */
	TRAIL_REFUSED, /* it was allowed, and did not happen because it was not recorded
			*/
};

/* One event: its parts put together, its copies merged. It and its strings live until
 * the next trail_next(). */
struct trail_event {
	uint64_t number; /* from 1, the same in each pass over the trail */
	enum trail_outcome outcome;
	struct record
		record; /* as the guard wrote it, with its time; actor: below, or NULL */
	struct actor actor;
	const char *node; /* the machine, if auditd names it; or "" */
	uint64_t guard;	  /* which start of which guard: the same for its records only */
	bool corrects;	  /* note= of an outcome: tells how the one of this seqno went */
	uint64_t as_planned; /* with corrects: len= of that one; 0 if it is not known */
};

struct trail_counts {
	uint64_t events, copies;
	uint64_t foreign; /* lines of other programs, or of the kernel */
	uint64_t broken;  /* ours, but unreadable; with missing parts */
	uint64_t halves;  /* half a line at the end of a file */
	uint64_t missing; /* numbers between others, of records that are not there */
};

struct trail;

/* input: a file, a directory of rotated logs, "-" for stdin, or NULL for auditd's. With
 * `follow` the end is waited at. Returns 0, or -errno with *ret_why, a sentence that is
 * safe for a terminal and the caller's to free() (NULL without memory). */
int trail_open(const char *input, bool follow, struct trail **ret, char **ret_why);
struct trail *trail_close(struct trail *trail);

static inline void trail_closep(struct trail **trail)
{
	*trail = trail_close(*trail);
}

/* The next event: 1 and *ret, 0 at the end, or -errno. Following: 0 when there is nothing
 * more for now. */
int trail_next(struct trail *trail, struct trail_event **ret);

/* Following: waits until there may be more, at most a second. False: the end has come. */
bool trail_wait(struct trail *trail);

/* Back to the oldest event, for another pass. The counts begin anew. */
int trail_rewind(struct trail *trail);

struct trail_counts trail_counts(const struct trail *trail);

/* How much has been read: 0 to 100. */
unsigned trail_percent(const struct trail *trail);
