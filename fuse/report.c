/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into the auditor's page. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/report.h"

int report_init(struct report *report)
{
	report->summary = summary_new(!SUMMARY_FILES);
	return report->summary ? 0 : -ENOMEM;
}

static void moment_fini(struct report_moment *moment)
{
	free(moment->op);
	free(moment->path);
	free(moment->reason);
	free(moment->note);
	free(moment->hash);
	free(moment->old_hash);
	free(moment->grantee);
	free(moment->role);
	free(moment->acct);
}

void report_fini(struct report *report)
{
	for (size_t i = 0; i < report->n_moments; i++)
		moment_fini(&report->moments[i]);
	free(report->moments);
	free(report->seconds);
	summary_free(report->summary);
}

bool report_is_gap(const struct report_moment *moment)
{
	return strcmp(moment->op, "gap") == 0;
}

bool report_is_policy(const struct report_moment *moment)
{
	return moment->kind == RECORD_CONFIG && !report_is_grant(moment);
}

bool report_is_grant(const struct report_moment *moment)
{
	return *moment->grantee != '\0';
}

time_t report_begin(const struct report *report)
{
	return report->filter.since.tv_sec ? report->filter.since.tv_sec
					   : report->summary->first.tv_sec;
}

time_t report_end(const struct report *report)
{
	return report->filter.until.tv_sec ? report->filter.until.tv_sec
					   : report->summary->last.tv_sec;
}

/* NULL only without memory. */
static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

static int add_moment(struct report *report, const struct trail_event *event)
{
	const struct record *record = &event->record;
	struct report_moment *moments = report->moments, *moment;

	if (report->n_moments == report->moments_room) {
		size_t room = report->moments_room ? 2 * report->moments_room : 64;

		moments = reallocarray(moments, room, sizeof(*moments));
		if (!moments)
			return -ENOMEM;
		report->moments = moments;
		report->moments_room = room;
	}
	moment = &moments[report->n_moments++];
	*moment = (struct report_moment){
		.time = record->time,
		.since = record->since,
		.until = record->until,
		.kind = record->kind,
		.outcome = event->outcome,
		.op = copy(record->op),
		.path = copy(record->path),
		.reason = copy(record->reason),
		.note = copy(record->note),
		.hash = copy(record->hash),
		.old_hash = copy(record->old_hash),
		.grantee = copy(record->grantee),
		.role = copy(record->role),
		.acct = copy(record->actor ? record->actor->acct : NULL),
		.gen = record->gen,
		.count = record->count,
		.lost = record->lost,
	};
	return moment->op && moment->path && moment->reason && moment->note &&
			       moment->hash && moment->old_hash && moment->grantee &&
			       moment->role && moment->acct
		       ? 0
		       : -ENOMEM;
}

static int add_second(struct report *report, time_t second, uint64_t changes,
		      uint64_t denials)
{
	struct report_second *seconds = report->seconds, *last;

	if (changes + denials == 0)
		return 0;
	last = report->n_seconds > 0 ? &seconds[report->n_seconds - 1] : NULL;
	if (last && last->second == second) {
		last->changes += changes;
		last->denials += denials;
		return 0;
	}
	if (report->n_seconds == report->seconds_room) {
		size_t room = report->seconds_room ? 2 * report->seconds_room : 1024;

		seconds = reallocarray(seconds, room, sizeof(*seconds));
		if (!seconds)
			return -ENOMEM;
		report->seconds = seconds;
		report->seconds_room = room;
	}
	seconds[report->n_seconds++] = (struct report_second){ second, changes, denials };
	return 0;
}

int report_add(struct report *report, const struct trail_event *event)
{
	struct tally tally = { 0 };
	int r;

	if (strcmp(event->record.op, "gap") == 0)
		report->accounted += event->record.count + event->record.lost;
	if (!trail_filter_in_time(&report->filter, event))
		return 0;
	r = summary_add(report->summary, event);
	if (r == 0 && event->record.kind != RECORD_DECISION)
		return add_moment(report, event);
	if (r < 0)
		return r;
	tally_add(&tally, event);
	return add_second(report, event->record.time.tv_sec, tally.writes + tally.changes,
			  tally.denied);
}
