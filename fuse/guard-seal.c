/* SPDX-License-Identifier: Apache-2.0 */
/* A write-once zone: what is refused there although it may be granted. */
#include <stdio.h>
#include <time.h>

#include "fuse/guard-internal.h"

enum seal_kind {
	SEAL_NONE,
	SEAL_CHANGE, /* changes what is complete: only who is making it may */
	SEAL_ADD,    /* adds a name: not to what was promoted as a whole */
	SEAL_REMOVE, /* removes a name: not before its time */
};

static const enum seal_kind kinds[N_OPERATIONS] = {
	[OPERATION_ACCESS_WRITE] = SEAL_CHANGE,
	[OPERATION_OPEN_WRITE] = SEAL_CHANGE,
	[OPERATION_OPEN_READ_WRITE] = SEAL_CHANGE,
	[OPERATION_WRITE] = SEAL_CHANGE,
	[OPERATION_TRUNCATE] = SEAL_CHANGE,
	[OPERATION_FALLOCATE] = SEAL_CHANGE,
	[OPERATION_LINK] = SEAL_CHANGE,
	[OPERATION_RENAME_FROM] = SEAL_CHANGE,
	[OPERATION_RENAME_TO] = SEAL_CHANGE,
	[OPERATION_RENAME_OVER] = SEAL_CHANGE,
	[OPERATION_RENAME_OVER_DIR] = SEAL_CHANGE,
	[OPERATION_RENAME_EXCHANGE] = SEAL_CHANGE,
	[OPERATION_MOVE_OUT] = SEAL_CHANGE,
	[OPERATION_CHMOD] = SEAL_CHANGE,
	[OPERATION_CHOWN] = SEAL_CHANGE,
	[OPERATION_CHGRP_OWN] = SEAL_CHANGE,
	[OPERATION_UTIMES] = SEAL_CHANGE,
	[OPERATION_TOUCH] = SEAL_CHANGE,
	[OPERATION_SETXATTR] = SEAL_CHANGE,
	[OPERATION_REMOVEXATTR] = SEAL_CHANGE,
	[OPERATION_SET_ACL] = SEAL_CHANGE,
	[OPERATION_SET_FLAGS] = SEAL_CHANGE,
	[OPERATION_CREATE] = SEAL_ADD,
	[OPERATION_MKDIR] = SEAL_ADD,
	[OPERATION_MKNOD] = SEAL_ADD,
	[OPERATION_SYMLINK] = SEAL_ADD,
	[OPERATION_PROMOTE] = SEAL_ADD,
	[OPERATION_UNLINK] = SEAL_REMOVE,
	[OPERATION_RMDIR] = SEAL_REMOVE,
};

#define UNKNOWN "whether it is sealed cannot be told"

static const char *add_reason(const struct sealed *sealed)
{
	if (!sealed->known)
		return UNKNOWN;
	return sealed->in_version
		       ? "write-once: the version that it would be in is complete"
		       : NULL;
}

/* A time in the future may be the clock that was set back: kept is kept. */
static const char *remove_reason(const struct zone *zone, const struct sealed *sealed,
				 char buffer[static SEAL_REASON_MAX])
{
	time_t until = sealed->since + (time_t)zone->retain;
	struct tm tm;
	char text[40];

	if (!sealed->known)
		return UNKNOWN;
	if (sealed->hold[0]) {
		snprintf(buffer, SEAL_REASON_MAX, "held: %s", sealed->hold);
		return buffer;
	}
	if (zone->retain == 0 || time(NULL) >= until)
		return NULL;
	if (!gmtime_r(&until, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return UNKNOWN;
	snprintf(buffer, SEAL_REASON_MAX, "retained until %s", text);
	return buffer;
}

const char *guard_seal_reason(const struct question *question,
			      const struct action *action, enum operation operation,
			      const struct target *target,
			      char buffer[static SEAL_REASON_MAX])
{
	const struct zone *zone = place_zone(&question->snapshot, target->place);

	if (!zone || !zone->write_once)
		return NULL;
	switch (kinds[operation]) {
	case SEAL_CHANGE:
		return guard_is_creators(action, zone)
			       ? NULL
			       : "write-once: what is complete is never changed again";
	case SEAL_ADD:
		return add_reason(&target->sealed);
	case SEAL_REMOVE:
		return remove_reason(zone, &target->sealed, buffer);
	case SEAL_NONE:
		break;
	}
	return NULL;
}
