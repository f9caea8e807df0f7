/* SPDX-License-Identifier: Apache-2.0 */
/* From lines to events: parts are put together, copies merged, what was refused is told.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/trail-guards.h"
#include "fuse/trail-line.h"
#include "fuse/trail-lines.h"
#include "fuse/trail.h"
#include "fuse/util.h"

/* Number `seqno` of a run did not happen, whatever an earlier copy says. */
struct refusal {
	uint64_t run, seqno;
};

struct trail {
	struct trail_lines lines;
	struct trail_auditd *auditd;
	struct trail_guards *guards;
	struct trail_counts counts;
	struct trail_draft draft;
	void *refusals;	 /* tsearch(3) tree of struct refusal */
	bool only_marks; /* the pass that looks for refusals */
};

struct trail *trail_close(struct trail *trail)
{
	if (!trail)
		return NULL;
	trail_lines_close(&trail->lines);
	trail_auditd_free(trail->auditd);
	trail_guards_free(trail->guards);
	trail_draft_fini(&trail->draft);
	tdestroy(trail->refusals, free);
	free(trail);
	return NULL;
}

static int compare_refusals(const void *one, const void *other)
{
	const struct refusal *a = one, *b = other;

	if (a->run != b->run)
		return a->run < b->run ? -1 : 1;
	return a->seqno < b->seqno ? -1 : a->seqno > b->seqno;
}

static int add_refusal(struct trail *trail, uint64_t run, uint64_t seqno)
{
	struct refusal *refusal = malloc(sizeof(*refusal)), **found;

	if (!refusal)
		return -ENOMEM;
	*refusal = (struct refusal){ run, seqno };
	found = tsearch(refusal, &trail->refusals, compare_refusals);
	if (!found || *found != refusal)
		free(refusal);
	return found ? 0 : -ENOMEM;
}

static bool is_refused(struct trail *trail, uint64_t run, uint64_t seqno)
{
	const struct refusal key = { run, seqno };

	return trail->refusals && tfind(&key, &trail->refusals, compare_refusals);
}

/* How the effect of the record with the same number went, recorded after it. */
static bool corrects(const struct record *record)
{
	return record->note && (strcmp(record->note, "effect-failed") == 0 ||
				strcmp(record->note, "short") == 0);
}

static enum trail_outcome outcome_of(const struct trail_event *event)
{
	const struct record *record = &event->record;

	if (record->success || strcmp(record->op, "gap") == 0)
		return TRAIL_OK;
	if (record->kind != RECORD_DECISION || event->corrects)
		return TRAIL_FAILED;
	return TRAIL_DENIED;
}

/* A refusal that comes while we follow is news: its record was shown as a success. */
static bool is_late_refusal(struct trail *trail, const struct trail_guard *guard,
			    const struct trail_draft *draft)
{
	return draft->refused &&
	       !is_refused(trail, guard->run, draft->event.record.seqno);
}

/* A whole record. 1 if it is an event, 0 if it is a copy of one, or -errno. */
static int complete(struct trail *trail, struct trail_guard *guard,
		    struct trail_draft *draft, struct trail_event **ret)
{
	struct trail_event *event = &draft->event;
	uint64_t seqno = event->record.seqno;
	bool late = is_late_refusal(trail, guard, draft);
	int r = 0;

	if (trail_draft_finish(draft) < 0) {
		trail->counts.broken++;
		return 0;
	}
	if (late)
		r = add_refusal(trail, guard->run, seqno);
	if (r < 0 || trail->only_marks)
		return r;
	event->corrects = corrects(&event->record);
	event->guard = guard->run;
	event->outcome =
		is_refused(trail, guard->run, seqno) ? TRAIL_REFUSED : outcome_of(event);
	if (trail_guard_see(guard, draft, event->corrects, &event->as_planned) ==
		    TRAIL_COPY &&
	    !late) {
		trail->counts.copies++;
		return 0;
	}
	event->number = ++trail->counts.events;
	*ret = event;
	return 1;
}

static int add_part(struct trail *trail, struct trail_guard *guard,
		    struct trail_event **ret)
{
	struct trail_draft *whole;
	int r = trail_parts_add(&guard->parts, &trail->draft, &whole,
				&trail->counts.broken);

	if (r == -EINVAL) {
		trail->counts.broken++;
		return 0;
	}
	return r > 0 ? complete(trail, guard, whole, ret) : r;
}

/* 1 and an event, 0 for nothing yet, or -errno. */
static int take_record(struct trail *trail, struct trail_event **ret)
{
	struct trail_draft *draft = &trail->draft;
	struct trail_guard *guard;

	if (trail_draft_finish(draft) < 0) {
		trail->counts.broken++;
		return 0;
	}
	guard = trail_guard_of(trail->guards, draft);
	if (!guard)
		return -ENOMEM;
	if (draft->part > 0)
		return add_part(trail, guard, ret);
	return complete(trail, guard, draft, ret);
}

/* Refusals, and the records that tell one run of a guard from the next. */
static bool is_mark(const char *line, size_t length)
{
	static const char *const marks[] = { " refused=yes", " seqno=1 ", "'op=end " };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (memmem(line, length, marks[i], strlen(marks[i])))
			return true;
	return false;
}

/* Returns an enum trail_line, or -ENOMEM. */
static int read_line(struct trail *trail, char *line, size_t length)
{
	/* JSON needs no marks: nothing is sent twice to a file. */
	if (length > 0 && line[0] == '{')
		return trail->only_marks ? TRAIL_LINE_FOREIGN
					 : trail_json_read(line, length, &trail->draft);
	if (!trail_auditd_is_ours(line, length) ||
	    (trail->only_marks && !is_mark(line, length)))
		return TRAIL_LINE_FOREIGN;
	return trail_auditd_read(trail->auditd, line, length, &trail->draft);
}

/* 1 and an event, 0 for nothing yet, or -errno. */
static int take_line(struct trail *trail, char *line, size_t length,
		     struct trail_event **ret)
{
	int r = read_line(trail, line, length);

	switch (r) {
	case TRAIL_LINE_RECORD:
		return take_record(trail, ret);
	case TRAIL_LINE_FOREIGN:
		trail->counts.foreign++;
		return 0;
	case TRAIL_LINE_BROKEN:
		trail->counts.broken++;
		return 0;
	default:
		return r;
	}
}

int trail_next(struct trail *trail, struct trail_event **ret)
{
	size_t length;
	char *line;
	int r;

	while ((r = trail_lines_next(&trail->lines, &line, &length)) > 0) {
		r = take_line(trail, line, length, ret);
		if (r != 0)
			return r;
	}
	if (r == 0 && trail->lines.ended)
		trail_guards_drop_parts(trail->guards, &trail->counts.broken);
	return r;
}

bool trail_wait(struct trail *trail)
{
	return trail_lines_wait(&trail->lines);
}

int trail_rewind(struct trail *trail)
{
	trail->counts = (struct trail_counts){ 0 };
	trail_guards_reset(trail->guards);
	return trail_lines_rewind(&trail->lines);
}

/* A refusal can come long after the record that it takes back; so they are looked for
 * first, if there are any. */
static int find_refusals(struct trail *trail)
{
	struct trail_event *event;
	int r = trail_lines_contain(&trail->lines, " refused=yes");

	if (r <= 0)
		return r < 0 ? r : trail_rewind(trail);
	trail->only_marks = true;
	r = trail_lines_rewind(&trail->lines);
	if (r == 0)
		r = trail_next(trail, &event);
	trail->only_marks = false;
	return r < 0 ? r : trail_rewind(trail);
}

int trail_open(const char *input, bool follow, struct trail **ret, char **ret_why)
{
	_cleanup_(trail_closep) struct trail *trail = calloc(1, sizeof(*trail));
	int r;

	*ret_why = NULL;
	if (!trail)
		return -ENOMEM;
	r = trail_lines_open(&trail->lines, input, follow, ret_why);
	if (r < 0)
		return r;
	trail->auditd = trail_auditd_new();
	trail->guards = trail_guards_new();
	if (!trail->auditd || !trail->guards)
		return -ENOMEM;
	/* A pipe that is followed can be read once only. */
	if (!follow || trail->lines.files.directory)
		r = find_refusals(trail);
	if (r < 0)
		return r;
	*ret = take_ptr(trail);
	return 0;
}

struct trail_counts trail_counts(const struct trail *trail)
{
	struct trail_counts counts = trail->counts;

	counts.halves = trail->lines.halves;
	counts.broken += trail->lines.overlong;
	counts.missing = trail_guards_missing(trail->guards);
	return counts;
}

unsigned trail_percent(const struct trail *trail)
{
	uint64_t total = trail->lines.n_total;

	if (total == 0 || trail->lines.n_read >= total)
		return 100;
	return (unsigned)(trail->lines.n_read * 100 / total);
}
