/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl log --summary: its two forms. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-event.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-actor.h"
#include "fuse/ctl-summary.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

#define FILES_SHOWN 30
#define WIDTH_MAX   72
#define WHO_SIZE    300

const char *ctl_bytes(uint64_t n, char buffer[static CTL_BYTES_SIZE])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)n;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(buffer, CTL_BYTES_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value,
		       units[unit]);
	return buffer;
}

/* Prints a cell, safe and padded. */
static void print_cell(const char *text, size_t width)
{
	_cleanup_(freep) char *safe = text_safe(text, strlen(text));

	printf("%-*s  ", (int)width, safe ? safe : "?");
}

static size_t safe_width(const char *text)
{
	_cleanup_(freep) char *safe = text_safe(text, strlen(text));
	size_t length = safe ? strlen(safe) : 1;

	return length < WIDTH_MAX ? length : WIDTH_MAX;
}

struct widths {
	size_t who, where, why;
};

static void widen(size_t *width, size_t to)
{
	if (to > *width)
		*width = to;
}

static void measure(const struct summary_table *table, size_t n, struct widths *widths)
{
	char who[WHO_SIZE];

	for (size_t i = 0; i < n; i++) {
		const struct summary_row *row = table->rows[i];

		widen(&widths->who,
		      safe_width(ctl_actor_name(&row->actor, who, sizeof(who))));
		widen(&widths->where, safe_width(row->where));
		widen(&widths->why, safe_width(row->why));
	}
}

static void print_title(const char *title)
{
	printf("\n%s%s%s\n", ctl_colour(stdout, CTL_BOLD), title,
	       ctl_colour(stdout, CTL_PLAIN));
}

static void print_tallies(const struct summary_table *table, size_t n, const char *where)
{
	struct widths widths = { strlen("who"), strlen(where), 0 };
	char who[WHO_SIZE], bytes[CTL_BYTES_SIZE];

	measure(table, n, &widths);
	printf("%s%-*s  %-*s  %9s  %9s  %11s  %9s  %9s%s\n", ctl_colour(stdout, CTL_DIM),
	       (int)widths.who, "who", (int)widths.where, where, "reads", "writes",
	       "written", "changes", "denied", ctl_colour(stdout, CTL_PLAIN));
	for (size_t i = 0; i < n; i++) {
		const struct summary_row *row = table->rows[i];
		const struct tally *tally = &row->tally;

		print_cell(ctl_actor_name(&row->actor, who, sizeof(who)), widths.who);
		print_cell(row->where, widths.where);
		printf("%9" PRIu64 "  %9" PRIu64 "  %11s  %9" PRIu64 "  ", tally->reads,
		       tally->writes, ctl_bytes(tally->bytes, bytes), tally->changes);
		printf("%s%9" PRIu64 "%s\n",
		       tally->denied ? ctl_colour(stdout, CTL_RED) : "", tally->denied,
		       tally->denied ? ctl_colour(stdout, CTL_PLAIN) : "");
	}
}

static void print_denials(const struct summary_table *table)
{
	struct widths widths = { strlen("who"), strlen("rule"), strlen("reason") };
	char who[WHO_SIZE];

	measure(table, table->n_rows, &widths);
	printf("%s%-*s  %-*s  %-*s  %9s%s\n", ctl_colour(stdout, CTL_DIM),
	       (int)widths.where, "rule", (int)widths.why, "reason", (int)widths.who,
	       "who", "denied", ctl_colour(stdout, CTL_PLAIN));
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct summary_row *row = table->rows[i];

		print_cell(row->where, widths.where);
		print_cell(row->why, widths.why);
		print_cell(ctl_actor_name(&row->actor, who, sizeof(who)), widths.who);
		printf("%9" PRIu64 "\n", row->tally.denied);
	}
}

void ctl_summary_print(struct summary *summary)
{
	char first[CTL_TIME_SIZE], last[CTL_TIME_SIZE];
	size_t n_files = summary->files.n_rows;

	if (summary->n_events == 0) {
		puts("no events");
		return;
	}
	summary_sort(&summary->zones);
	summary_sort(&summary->files);
	summary_sort(&summary->denials);
	printf("%" PRIu64 " event%s, %s to %s\n", summary->n_events,
	       summary->n_events == 1 ? "" : "s", ctl_time(summary->first.tv_sec, first),
	       ctl_time(summary->last.tv_sec, last));
	print_title("People in zones");
	print_tallies(&summary->zones, summary->zones.n_rows, "zone");
	print_title("Files");
	print_tallies(&summary->files, n_files < FILES_SHOWN ? n_files : FILES_SHOWN,
		      "path");
	if (n_files > FILES_SHOWN)
		printf("and %zu more rows; --json has them all\n", n_files - FILES_SHOWN);
	if (summary->denials.n_rows > 0) {
		print_title("Denials by rule");
		print_denials(&summary->denials);
	}
}

static json_t *row_json(const struct summary_row *row, const char *where, bool denial)
{
	const struct tally *tally = &row->tally;
	json_t *object = json_object();

	ctl_json_set_text(object, "acct", row->actor.acct);
	ctl_json_set(object, "uid", json_integer((json_int_t)row->actor.uid));
	ctl_json_set_text(object, where, row->where);
	if (denial) {
		ctl_json_set_text(object, "reason", row->why);
	} else {
		ctl_json_set(object, "reads", json_integer((json_int_t)tally->reads));
		ctl_json_set(object, "writes", json_integer((json_int_t)tally->writes));
		ctl_json_set(object, "bytes", json_integer((json_int_t)tally->bytes));
		ctl_json_set(object, "changes", json_integer((json_int_t)tally->changes));
	}
	ctl_json_set(object, "denied", json_integer((json_int_t)tally->denied));
	return object;
}

static json_t *table_json(struct summary_table *table, const char *where, bool denial)
{
	json_t *list = json_array();

	summary_sort(table);
	for (size_t i = 0; i < table->n_rows; i++)
		json_array_append_new(list, row_json(table->rows[i], where, denial));
	return list;
}

int ctl_summary_print_json(struct summary *summary, const struct trail *trail)
{
	struct trail_counts counts = trail_counts(trail);
	json_t *document = json_object();

	ctl_json_set(document, "events", json_integer((json_int_t)summary->n_events));
	ctl_json_set(document, "first", json_integer((json_int_t)summary->first.tv_sec));
	ctl_json_set(document, "last", json_integer((json_int_t)summary->last.tv_sec));
	ctl_json_set(document, "zones", table_json(&summary->zones, "zone", false));
	ctl_json_set(document, "files", table_json(&summary->files, "path", false));
	ctl_json_set(document, "denials", table_json(&summary->denials, "rule", true));
	ctl_json_set(document, "broken",
		     json_integer((json_int_t)(counts.broken + counts.halves)));
	ctl_json_set(document, "foreign", json_integer((json_int_t)counts.foreign));
	return ctl_json_print(document);
}
