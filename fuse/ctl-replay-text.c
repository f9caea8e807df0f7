/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl replay: the answer for a person. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fuse/ctl-actor.h"
#include "fuse/ctl-event.h"
#include "fuse/ctl-replay.h"
#include "fuse/ctl-words.h"
#include "fuse/ctl.h"

#define WHO_SIZE 300

const char *ctl_replay_reason(const struct replay_row *row)
{
	if (row->result == REPLAY_UNTOLD)
		return replay_doubt_name(row->doubt);
	if (row->copy != COPY_NOT_NEEDED)
		return copy_reason_name(row->copy);
	return denial_reason_name(row->denial);
}

const char *ctl_replay_operation(const struct replay_row *row, unsigned *after)
{
	while (++*after < N_OPERATIONS) {
		if (!(row->operations >> *after & 1))
			continue;
		return *after == OPERATION_RENAME_FROM
			       ? "rename"
			       : operation_rule((enum operation) * after)->name;
	}
	return NULL;
}

static const struct {
	char sign;
	enum ctl_colour colour;
	const char *what;
} results[N_REPLAY_RESULTS] = {
	[REPLAY_SAME] = { ' ', CTL_PLAIN, "as before" },
	[REPLAY_DENIED] = { '-', CTL_RED, "would be denied" },
	[REPLAY_ALLOWED] = { '+', CTL_GREEN, "would be allowed" },
	[REPLAY_UNTOLD] = { '?', CTL_BOLD, "cannot be told" },
};

static bool same_person(const struct replay_row *a, const struct replay_row *b)
{
	return a->result == b->result && a->uid == b->uid && !a->acct == !b->acct &&
	       (!a->acct || strcmp(a->acct, b->acct) == 0);
}

/* "- sci1: 12 decisions would be denied" over the rows from `from` on. */
static void print_person(const struct replay_rows *rows, size_t from)
{
	const struct replay_row *first = rows->items[from];
	const struct actor actor = { .acct = first->acct, .uid = first->uid };
	uint64_t count = 0;
	char who[WHO_SIZE];

	for (size_t i = from; i < rows->n_items && same_person(first, rows->items[i]);
	     i++)
		count += rows->items[i]->count;
	printf("\n%s%c ", ctl_colour(stdout, results[first->result].colour),
	       results[first->result].sign);
	ctl_puts_safe(stdout, first->acct ? ctl_actor_name(&actor, who, sizeof(who))
					  : "further people");
	printf("%s: %" PRIu64 " decision%s %s\n", ctl_colour(stdout, CTL_PLAIN), count,
	       count == 1 ? "" : "s", results[first->result].what);
}

static void print_rule(const struct policy *policy, const struct replay_row *row)
{
	if (row->line == 0)
		return;
	fputs(" (", stdout);
	if (row->role)
		printf("%s, ", row->role->name);
	ctl_print_place(policy, row->line);
	putchar(')');
}

static void print_row(const struct policy *policy, const struct replay_row *row)
{
	char first[CTL_TIME_SIZE], last[CTL_TIME_SIZE];
	const char *separator = "", *operation;
	unsigned after = OPERATION_NONE;

	printf("%9" PRIu64 "  ", row->count);
	ctl_puts_safe(stdout, row->path ? row->path : "further paths");
	if (row->to_path) {
		fputs(" -> ", stdout);
		ctl_puts_safe(stdout, row->to_path);
	}
	fputs(": ", stdout);
	while ((operation = ctl_replay_operation(row, &after))) {
		printf("%s%s", separator, operation);
		separator = ", ";
	}
	printf("\n           %s%s", ctl_colour(stdout, CTL_DIM),
	       ctl_time(row->first.tv_sec, first));
	if (strcmp(first, ctl_time(row->last.tv_sec, last)) != 0)
		printf(" to %s", last);
	printf("%s  %s", ctl_colour(stdout, CTL_PLAIN), ctl_replay_reason(row));
	print_rule(policy, row);
	putchar('\n');
}

static void print_doubts(const struct replay_answer *answer)
{
	for (unsigned i = DOUBT_NONE + 1; i < N_DOUBTS; i++) {
		if (answer->n_doubts[i] == 0)
			continue;
		printf("%9" PRIu64 "  %s\n", answer->n_doubts[i],
		       replay_doubt_name((enum replay_doubt)i));
		for (size_t j = 0; i == DOUBT_POLICY && j < answer->n_missing; j++) {
			printf("           %" PRIu64 " by ", answer->missing[j].n_untold);
			if (answer->missing[j].hash[0])
				printf("the one with sha256 %.12s",
				       answer->missing[j].hash);
			else
				fputs("one that the trail does not name", stdout);
			puts(": give it with --old=FILE");
		}
	}
}

static void print_totals(const struct replay_answer *answer)
{
	char first[CTL_TIME_SIZE], last[CTL_TIME_SIZE];

	printf("\n%" PRIu64 " decision%s, %s to %s:\n", answer->n_decisions,
	       answer->n_decisions == 1 ? "" : "s", ctl_time(answer->first.tv_sec, first),
	       ctl_time(answer->last.tv_sec, last));
	for (unsigned i = 0; i < N_REPLAY_RESULTS; i++)
		printf("%9" PRIu64 "  %s\n", answer->n_results[i], results[i].what);
	if (answer->n_results[REPLAY_UNTOLD] > 0) {
		puts("What cannot be told:");
		print_doubts(answer);
	}
}

static void print_notes(const struct replay_answer *answer)
{
	if (answer->n_unrecorded > 0)
		printf("%" PRIu64 " operations happened without a record.\n",
		       answer->n_unrecorded);
	if (answer->n_refused > 0)
		printf("%" PRIu64 " operations were refused without a record.\n",
		       answer->n_refused);
	if (answer->n_elsewhere > 0)
		printf("%" PRIu64 " decisions of other shares were left out.\n",
		       answer->n_elsewhere);
	puts("Judged by the user and group ids on record, and by the groups that the "
	     "name "
	     "service\ngives now. Looking is on record only where it was denied.");
}

void ctl_replay_print(const struct replay_question *question,
		      const struct replay_answer *answer)
{
	const struct replay_rows *rows = &answer->rows;

	if (answer->n_decisions == 0) {
		puts("no decisions");
		print_notes(answer);
		return;
	}
	for (size_t i = 0; i < rows->n_items; i++) {
		if (i == 0 || !same_person(rows->items[i], rows->items[i - 1]))
			print_person(rows, i);
		print_row(question->candidate, rows->items[i]);
	}
	print_totals(answer);
	print_notes(answer);
}
