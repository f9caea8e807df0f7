/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded decision as the question that it answered. */
#pragma once

#include <stdbool.h>

#include "config/decide.h"
#include "config/move.h"

#include "fuse/trail.h"

/* Why it cannot be told how a policy would have decided. */
enum replay_doubt {
	DOUBT_NONE,
	DOUBT_POLICY, /* the policy of then is not at hand, and groups matter */
	DOUBT_GROUPS, /* by the groups of now, that policy would have decided otherwise */
	DOUBT_OWNER,
	DOUBT_HANDLE, /* whether the file was still being made */
	DOUBT_MOVE,   /* what was renamed or replaced */
	DOUBT_MODES,
	DOUBT_MOUNT,
	DOUBT_RECORD, /* not understood */
	N_DOUBTS,
};

/* One phrase; static storage. */
const char *replay_doubt_name(enum replay_doubt doubt);

enum past_kind { PAST_OPERATION, PAST_RENAME, PAST_LINK };

enum past_outcome {
	PAST_ALLOWED,
	PAST_DENIED,   /* by the policy; `denial` says why */
	PAST_COPIED,   /* granted, but mv(1) had to copy; `copy` says why */
	PAST_BY_MODES, /* granted, and denied by the source's modes */
	PAST_BARRED,   /* granted, and done under no policy */
};

/* Borrows from the record. */
struct past {
	enum past_kind kind;
	enum past_outcome outcome;
	enum operation operation;   /* of PAST_OPERATION */
	const char *path, *to_path; /* in the share; to_path of the other kinds */
	bool exists;		    /* the object; else the operation makes it */
	bool exchange;
	bool is_handles; /* done through an open handle */
	enum denial_reason denial;
	enum copy_reason copy;
	const struct record *record;
};

/* Whether the event is a decision that can be decided again at all: no correction, no
 * record of the guard's own life. */
bool past_is_decision(const struct trail_event *event);

/* Whether it says that what the record of the same number allowed was denied by the
 * source's modes. */
bool past_takes_back(const struct trail_event *event);

/* The path in the share; NULL: not below the mount point. Points into `path`. */
const char *past_share_path(const char *path, const char *mountpoint);

/* Reads the event's question. DOUBT_NONE, or why it cannot be asked. */
enum replay_doubt past_read(const struct trail_event *event, const char *mountpoint,
			    struct past *ret);
