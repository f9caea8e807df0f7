/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: one event of the trail, as a line for a person and as a line of JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-event.h"
#include "fuse/ctl-actor.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

#define WHO_SIZE 300

/* The columns that grow, and how far. */
enum column { COLUMN_WHO, COLUMN_OPERATION, COLUMN_PATH };
static const size_t column_max[] = { 24, 18, 72 };

const char *ctl_outcome_name(enum trail_outcome outcome)
{
	static const char *const names[] = {
		[TRAIL_OK] = "ok",
		[TRAIL_DENIED] = "DENIED",
		[TRAIL_FAILED] = "failed",
		[TRAIL_REFUSED] = "refused",
	};

	return names[outcome];
}

const char *ctl_time(time_t seconds, char buffer[static CTL_TIME_SIZE])
{
	static time_t last = -1;
	static char text[CTL_TIME_SIZE];
	struct tm tm;

	/* Most events share their second with the one before. */
	if (seconds != last) {
		if (!localtime_r(&seconds, &tm) ||
		    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
			strcpy(text, "?");
		last = seconds;
	}
	memcpy(buffer, text, sizeof(text));
	return buffer;
}

/* Pads to the widest so far. The text is ASCII, safe already. */
static void print_column(enum column column, const char *text)
{
	static size_t widths[] = { 10, 10, 30 };
	size_t length = strlen(text);

	if (length > widths[column])
		widths[column] =
			length < column_max[column] ? length : column_max[column];
	printf("%-*s  ", (int)widths[column], text);
}

static enum ctl_colour colour_of(enum trail_outcome outcome)
{
	switch (outcome) {
	case TRAIL_OK:
		return CTL_GREEN;
	case TRAIL_DENIED:
		return CTL_RED;
	default:
		return CTL_BOLD;
	}
}

/* PATH, or PATH -> NAME. A symbolic link's target is no path of the share. */
static int print_paths(const struct record *record)
{
	_cleanup_(freep) char *path = NULL, *name = NULL, *both = NULL;

	path = text_safe(record->path ? record->path : "",
			 record->path ? strlen(record->path) : 0);
	if (!path)
		return CTL_FAILED;
	if (!record->new_path) {
		print_column(COLUMN_PATH, path);
		return CTL_OK;
	}
	name = text_safe(record->new_path, strlen(record->new_path));
	if (!name || asprintf(&both, "%s -> %s", path, name) < 0)
		return CTL_FAILED;
	print_column(COLUMN_PATH, both);
	return CTL_OK;
}

static void print_rule(const struct record *record)
{
	if (!record->rule_file)
		return;
	ctl_puts_safe(stdout, record->rule_file);
	if (record->rule_line != 0)
		printf(":%u", record->rule_line);
}

static void print_gap(const struct record *record)
{
	char begin[CTL_TIME_SIZE], end[CTL_TIME_SIZE];

	printf("%" PRIu64 " operation%s %s", record->count, record->count == 1 ? "" : "s",
	       record->note && strcmp(record->note, "unrecorded") == 0
		       ? "happened without a record"
		       : "refused");
	if (record->reason) {
		fputs(" (", stdout);
		ctl_puts_safe(stdout, record->reason);
		fputs(")", stdout);
	}
	if (record->lost > 0)
		printf(", up to %" PRIu64 " records lost", record->lost);
	printf(", %s to %s", ctl_time(record->since.tv_sec, begin),
	       ctl_time(record->until.tv_sec, end));
}

static void print_policy(const struct record *record)
{
	printf("generation %" PRIu64, record->gen);
	if (record->hash) {
		fputs(", sha256 ", stdout);
		ctl_print_safe(stdout, record->hash, strnlen(record->hash, 12));
	}
	if (record->old_hash) {
		fputs(", was ", stdout);
		ctl_print_safe(stdout, record->old_hash, strnlen(record->old_hash, 12));
	}
	if (record->reason) {
		fputs(": ", stdout);
		ctl_puts_safe(stdout, record->reason);
	}
}

/* "alice, model-admin until 2026-11-23 22:00:00: mend the upload, used-up" */
static void print_grant(const struct record *record)
{
	char until[CTL_TIME_SIZE];

	ctl_puts_safe(stdout, record->grantee);
	fputs(", ", stdout);
	ctl_puts_safe(stdout, record->role ? record->role : "?");
	printf(" until %s", ctl_time(record->until.tv_sec, until));
	if (record->reason) {
		fputs(": ", stdout);
		ctl_puts_safe(stdout, record->reason);
	}
	if (record->note) {
		fputs(", ", stdout);
		ctl_puts_safe(stdout, record->note);
	}
}

static void print_reason(const struct trail_event *event)
{
	const struct record *record = &event->record;
	const char *name =
		record->present & RECORD_ERRNO ? strerrorname_np(record->err) : NULL;

	if (event->outcome == TRAIL_REFUSED) {
		fputs("could not be recorded, so it did not happen", stdout);
		return;
	}
	if (record->reason)
		ctl_puts_safe(stdout, record->reason);
	if (event->outcome == TRAIL_FAILED && name)
		printf(" %s", name);
	if (record->rule_file) {
		fputs(" (", stdout);
		print_rule(record);
		fputs(")", stdout);
	}
}

/* What more is on record of a decision. */
static void print_further(const struct record *record)
{
	if (record->present & RECORD_RANGE)
		printf(", %" PRIu64 " bytes at %" PRIu64, record->len, record->off);
	if (record->present & RECORD_SIZE)
		printf(", to %" PRIu64 " bytes", record->size);
	if (record->present & RECORD_COUNT)
		printf(", %" PRIu64 " times", record->count);
	if (record->note) {
		fputs(", ", stdout);
		ctl_puts_safe(stdout, record->note);
	}
	if (record->opener) {
		fputs(", by the open file of ", stdout);
		ctl_puts_safe(stdout, record->opener);
	}
}

static void print_detail(const struct trail_event *event)
{
	const struct record *record = &event->record;

	if (record->grantee) {
		print_grant(record);
	} else if (record->kind == RECORD_CONFIG) {
		print_policy(record);
	} else if (strcmp(record->op, "gap") == 0) {
		print_gap(record);
	} else if (event->outcome == TRAIL_OK) {
		if (record->kind == RECORD_LIFECYCLE && record->reason)
			ctl_puts_safe(stdout, record->reason);
		print_rule(record);
		print_further(record);
	} else {
		print_reason(event);
		print_further(record);
	}
}

int ctl_event_print(const struct trail_event *event)
{
	const struct record *record = &event->record;
	char time[CTL_TIME_SIZE], who[WHO_SIZE] = "(guard)";
	_cleanup_(freep) char *safe_who = NULL, *operation = NULL;

	if (record->actor)
		ctl_actor_name(record->actor, who, sizeof(who));
	safe_who = text_safe(who, strlen(who));
	operation = text_safe(record->op, strlen(record->op));
	if (!safe_who || !operation)
		return ctl_fail("no memory");
	printf("%s  ", ctl_time(record->time.tv_sec, time));
	print_column(COLUMN_WHO, safe_who);
	print_column(COLUMN_OPERATION, operation);
	printf("%s%-7s%s  ", ctl_colour(stdout, colour_of(event->outcome)),
	       ctl_outcome_name(event->outcome), ctl_colour(stdout, CTL_PLAIN));
	if (print_paths(record) != CTL_OK)
		return ctl_fail("no memory");
	print_detail(event);
	putchar('\n');
	return CTL_OK;
}

static void print_node(const char *node)
{
	json_t *text = json_string(node);

	if (text && *node) {
		fputs("\"node\":", stdout);
		json_dumpf(text, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		putchar(',');
	}
	json_decref(text);
}

int ctl_event_print_json(const struct trail_event *event)
{
	_cleanup_(freep) char *line = NULL;

	if (record_format_json(&event->record, &line) < 0)
		return ctl_fail("no memory");
	printf("{\"outcome\":\"%s\",", event->outcome == TRAIL_DENIED
					       ? "denied"
					       : ctl_outcome_name(event->outcome));
	print_node(event->node);
	fputs(line + 1, stdout);
	return CTL_OK;
}
