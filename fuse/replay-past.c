/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded decision as the question that it answered. */
#include <string.h>

#include "fuse/refusal.h"
#include "fuse/replay-past.h"

const char *replay_doubt_name(enum replay_doubt doubt)
{
	static const char *const names[N_DOUBTS] = {
		[DOUBT_NONE] = "none",
		[DOUBT_POLICY] = "the policy of then is not at hand",
		[DOUBT_GROUPS] = "the groups of then are not those of now",
		[DOUBT_OWNER] = "whether it was their own is not on record",
		[DOUBT_HANDLE] =
			"whether they were still making the file is not on record",
		[DOUBT_MOVE] = "what was renamed or replaced is not on record",
		[DOUBT_MODES] = "mode bits and ACLs decide as well",
		[DOUBT_MOUNT] = "where the share was mounted is not on record",
		[DOUBT_RECORD] = "the record is not understood",
	};

	return names[doubt];
}

/* In auditd's log a reason has '-' for ' '. */
static bool is_reason(const char *written, const char *reason)
{
	for (; *written && *reason; written++, reason++)
		if (*written != *reason && !(*written == '-' && *reason == ' '))
			return false;
	return *written == *reason;
}

bool past_is_decision(const struct trail_event *event)
{
	return event->record.kind == RECORD_DECISION && event->record.actor &&
	       !event->corrects;
}

bool past_takes_back(const struct trail_event *event)
{
	const struct record *record = &event->record;

	return event->corrects && record->actor && record->kind == RECORD_DECISION &&
	       record->reason && is_reason(record->reason, REFUSAL_BY_MODES);
}

const char *past_share_path(const char *path, const char *mountpoint)
{
	size_t length = strcmp(mountpoint, "/") == 0 ? 0 : strlen(mountpoint);

	if (strncmp(path, mountpoint, length) != 0)
		return NULL;
	path += length;
	if (*path == '\0')
		return "/";
	return *path == '/' ? path : NULL;
}

/* Why it was denied or refused. */
static enum replay_doubt read_denial(const char *reason, struct past *ret)
{
	if (!reason)
		return DOUBT_RECORD;
	for (unsigned i = DENIAL_NO_ZONE; i <= DENIAL_NOT_OWNER; i++) {
		if (!is_reason(reason, denial_reason_name((enum denial_reason)i)))
			continue;
		ret->outcome = PAST_DENIED;
		ret->denial = (enum denial_reason)i;
		return DOUBT_NONE;
	}
	for (unsigned i = COPY_NOT_NEEDED + 1; i < N_COPY_REASONS; i++) {
		if (!is_reason(reason, copy_reason_name((enum copy_reason)i)))
			continue;
		ret->outcome = PAST_COPIED;
		ret->copy = (enum copy_reason)i;
		return DOUBT_NONE;
	}
	if (is_reason(reason, REFUSAL_BY_MODES))
		ret->outcome = PAST_BY_MODES;
	else if (is_reason(reason, REFUSAL_DEVICE) || is_reason(reason, REFUSAL_TRUSTED))
		ret->outcome = PAST_BARRED;
	else
		return DOUBT_RECORD;
	return DOUBT_NONE;
}

static enum replay_doubt read_operation(const struct record *record, struct past *ret)
{
	if (strcmp(record->op, "rename") == 0) {
		ret->kind = PAST_RENAME;
		ret->exchange = ret->copy == COPY_EXCHANGE ||
				(record->note && strcmp(record->note, "exchange") == 0);
	} else if (strcmp(record->op, "link") == 0) {
		ret->kind = PAST_LINK;
	} else if (operation_from_name(record->op, &ret->operation) < 0) {
		return DOUBT_RECORD;
	}
	/* Decided in the zone that something was or would be promoted to. */
	if (ret->operation == OPERATION_PROMOTE || ret->operation == OPERATION_APPROVE ||
	    ret->operation == OPERATION_UNAPPROVE)
		return DOUBT_RECORD;
	ret->is_handles = ret->operation == OPERATION_WRITE ||
			  ret->operation == OPERATION_READ ||
			  ret->operation == OPERATION_FALLOCATE;
	return DOUBT_NONE;
}

enum replay_doubt past_read(const struct trail_event *event, const char *mountpoint,
			    struct past *ret)
{
	const struct record *record = &event->record;
	enum replay_doubt doubt;

	*ret = (struct past){ .record = record, .exists = record->present & RECORD_INO };
	if (event->outcome == TRAIL_DENIED || event->corrects)
		doubt = read_denial(record->reason, ret);
	else
		doubt = DOUBT_NONE;
	if (doubt == DOUBT_NONE)
		doubt = read_operation(record, ret);
	if (doubt != DOUBT_NONE || !record->path)
		return DOUBT_RECORD;
	ret->path = past_share_path(record->path, mountpoint);
	if (ret->kind != PAST_OPERATION)
		ret->to_path = record->new_path
				       ? past_share_path(record->new_path, mountpoint)
				       : NULL;
	if (!ret->path || (ret->kind != PAST_OPERATION && !ret->to_path))
		return DOUBT_MOUNT;
	return DOUBT_NONE;
}
