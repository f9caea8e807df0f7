/* SPDX-License-Identifier: Apache-2.0 */
/* Which events are asked for. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "config/operation.h"
#include "config/text.h"

#include "fuse/trail-filter.h"
#include "fuse/trail-time.h"
#include "fuse/util.h"

/* Words that records have and that are not decided as operations. */
static const char *const further_operations[] = {
	"rename", "start", "end",	"policy-load",	"policy-reload", "gap",
	"wake",	  "grant", "grant-end", "grant-revoke", "verify",	 "keep",
};

bool trail_filter_in_time(const struct trail_filter *filter,
			  const struct trail_event *event)
{
	const struct timespec *time = &event->record.time;

	return trail_time_compare(time, &filter->since) >= 0 &&
	       (filter->until.tv_sec == 0 ||
		trail_time_compare(time, &filter->until) <= 0);
}

static bool matches_user(const struct trail_filter *filter,
			 const struct trail_event *event)
{
	const struct actor *actor = event->record.actor;

	if (!actor)
		return false;
	return strcmp(actor->acct, filter->user) == 0 ||
	       (filter->has_uid && actor->uid == filter->uid);
}

/* /models/production is itself and what is below, and no sibling. */
static bool matches_path(const char *wanted, const char *path)
{
	size_t length = strlen(wanted);

	if (!path)
		return false;
	if (strpbrk(wanted, "*?["))
		return fnmatch(wanted, path, 0) == 0;
	while (length > 0 && wanted[length - 1] == '/')
		length--;
	return strncmp(path, wanted, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

/* Calls with each item of a list until one is true. The list is short. */
static bool any_item(const char *list, const char *word)
{
	char copy[256], *state = copy, *item;

	if (strlen(list) >= sizeof(copy))
		return false;
	strcpy(copy, list);
	while ((item = text_next_item(&state)))
		if (fnmatch(item, word, 0) == 0)
			return true;
	return false;
}

static bool is(const char *wanted, const char *value)
{
	return !wanted || (value && strcmp(wanted, value) == 0);
}

bool trail_filter_matches(const struct trail_filter *filter,
			  const struct trail_event *event)
{
	const struct record *record = &event->record;

	if (!trail_filter_in_time(filter, event) ||
	    (filter->denied && event->outcome != TRAIL_DENIED) ||
	    !is(filter->role, record->role) || !is(filter->zone, record->zone))
		return false;
	if (filter->user && !matches_user(filter, event))
		return false;
	if (filter->path && !matches_path(filter->path, record->path) &&
	    !matches_path(filter->path, record->new_path))
		return false;
	return !filter->operations || any_item(filter->operations, record->op);
}

/* What a rename is decided as; its record says op=rename. */
static bool is_decided_only(enum operation operation)
{
	return operation == OPERATION_RENAME_FROM || operation == OPERATION_RENAME_TO ||
	       operation == OPERATION_RENAME_OVER ||
	       operation == OPERATION_RENAME_OVER_DIR ||
	       operation == OPERATION_RENAME_EXCHANGE || operation == OPERATION_MOVE_OUT;
}

static bool is_recorded(const char *item)
{
	for (enum operation i = OPERATION_NONE + 1; i < N_OPERATIONS; i++)
		if (!is_decided_only(i) && fnmatch(item, operation_rule(i)->name, 0) == 0)
			return true;
	for (size_t i = 0; i < sizeof(further_operations) / sizeof(char *); i++)
		if (fnmatch(item, further_operations[i], 0) == 0)
			return true;
	return false;
}

int trail_filter_check_operations(const char *operations, char **ret_item)
{
	_cleanup_(freep) char *copy = strdup(operations);
	char *state = copy, *item;

	if (!copy)
		return -ENOMEM;
	while ((item = text_next_item(&state))) {
		if (strlen(operations) < 256 && is_recorded(item))
			continue;
		*ret_item = strdup(item);
		return *ret_item ? 1 : -ENOMEM;
	}
	return 0;
}
