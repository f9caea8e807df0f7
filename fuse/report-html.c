/* SPDX-License-Identifier: Apache-2.0 */
/* The auditor's page as a whole: its head, its key figures, its sections. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuse/ctl-summary.h"
#include "fuse/report.h"

#ifndef MODELGUARD_VERSION
#define MODELGUARD_VERSION "(development)"
#endif

/* What the page says first. */
struct figures {
	struct tally all;
	uint64_t n_people, n_gaps, n_refused, n_unrecorded, n_lost;
	uint64_t n_missing; /* numbers that no gap accounts for, in the whole trail */
};

static bool is_new_person(const struct summary_table *table, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (table->rows[i]->actor.uid == table->rows[at]->actor.uid &&
		    strcmp(table->rows[i]->actor.acct, table->rows[at]->actor.acct) == 0)
			return false;
	return true;
}

static void add_up(const struct report *report, struct figures *ret)
{
	const struct summary_table *zones = &report->summary->zones;

	for (size_t i = 0; i < zones->n_rows; i++) {
		const struct tally *tally = &zones->rows[i]->tally;

		ret->all.reads += tally->reads;
		ret->all.writes += tally->writes;
		ret->all.bytes += tally->bytes;
		ret->all.changes += tally->changes;
		ret->all.denied += tally->denied;
		ret->n_people += is_new_person(zones, i);
	}
	if (report->counts.missing > report->accounted)
		ret->n_missing = report->counts.missing - report->accounted;
	for (size_t i = 0; i < report->n_moments; i++) {
		const struct report_moment *moment = &report->moments[i];

		if (!report_is_gap(moment))
			continue;
		ret->n_gaps++;
		ret->n_lost += moment->lost;
		if (strcmp(moment->note, "unrecorded") == 0)
			ret->n_unrecorded += moment->count;
		else
			ret->n_refused += moment->count;
	}
}

/* " (CET)" */
static void put_zone(FILE *out, time_t seconds)
{
	struct tm tm;

	if (!localtime_r(&seconds, &tm))
		return;
	fputs(" (", out);
	report_put(out, tm.tm_zone);
	fputs(")", out);
}

static void put_head(FILE *out, const struct report *report)
{
	char host[256] = "";

	(void)gethostname(host, sizeof(host) - 1);
	fputs("<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n<meta "
	      "http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'\">\n<meta name='viewport' "
	      "content='width=device-width,initial-scale=1'>\n<title>Audit report of ",
	      out);
	report_put(out, host);
	fprintf(out, "</title>\n<style>\n%s</style></head><body><main>\n", report_style);
	fputs("<h1>Shared models: audit report</h1>\n<p class='sub'>", out);
	if (report_begin(report) != 0) {
		report_put_time(out, report_begin(report));
		fputs(" to ", out);
		report_put_time(out, report_end(report));
		put_zone(out, report_end(report));
	} else {
		fputs("no events", out);
	}
	fputs(" &middot; ", out);
	report_put(out, host);
	fputs("</p>\n", out);
}

static void put_tile(FILE *out, const char *class, const char *number, const char *what)
{
	fprintf(out, "<div class='tile %s'><b>%s</b><span>%s</span></div>\n", class,
		number, what);
}

static void put_number_tile(FILE *out, const char *class, uint64_t n, const char *what)
{
	char number[40], *to = number;
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	put_tile(out, class, number, what);
}

static void put_tiles(FILE *out, const struct report *report,
		      const struct figures *figures)
{
	char bytes[CTL_BYTES_SIZE];

	fputs("<div class='tiles'>\n", out);
	put_number_tile(out, "", report->summary->n_events, "events on record");
	put_number_tile(out, "", figures->n_people, "people");
	put_number_tile(out, "", figures->all.reads, "files opened to read");
	put_tile(out, "", ctl_bytes(figures->all.bytes, bytes), "written");
	put_number_tile(out, "", figures->all.changes, "other changes");
	put_number_tile(out, figures->all.denied ? "bad" : "", figures->all.denied,
			"denials");
	put_number_tile(out, figures->n_gaps ? "warn" : "", figures->n_gaps, "gaps");
	fputs("</div>\n", out);
}

/* Whether the trail can be relied on, in a sentence for each thing that is against it. */
static void put_verdict(FILE *out, const struct report *report,
			const struct figures *figures)
{
	uint64_t unreadable = report->counts.broken + report->counts.halves;
	bool sound = figures->n_gaps + figures->n_missing + unreadable == 0;

	fprintf(out, "<p class='verdict%s'>", sound ? "" : " warn");
	if (sound)
		fputs("<b>The trail has no gap</b>: none is on record, no number of a "
		      "record is missing, and every record could be read.",
		      out);
	if (figures->n_gaps > 0) {
		fputs("<b>The trail has ", out);
		report_put_count(out, figures->n_gaps, "gap");
		fputs("</b>: ", out);
		report_put_count(out, figures->n_refused, "operation");
		fputs(" refused, ", out);
		report_put_count(out, figures->n_unrecorded, "operation");
		fputs(" without a record. ", out);
	}
	if (figures->n_lost > 0) {
		fputs("At most ", out);
		report_put_count(out, figures->n_lost, "record");
		fputs(" lost. ", out);
	}
	if (figures->n_missing > 0) {
		fputs("<b>", out);
		report_put_count(out, figures->n_missing, "record");
		fputs(" missing that no gap accounts for</b>: removed from the log, or "
		      "never arrived in it. ",
		      out);
	}
	if (unreadable > 0) {
		fputs("<b>", out);
		report_put_count(out, unreadable, "record");
		fputs(" could not be read</b>.", out);
	}
	fputs("</p>\n", out);
}

static void put_unreadable(FILE *out, const struct trail_counts *counts,
			   const struct figures *figures)
{
	const struct {
		const char *what;
		uint64_t n;
	} rows[] = {
		{ "Broken records of the guard, or with missing parts", counts->broken },
		{ "Half-written lines at the end of a file", counts->halves },
		{ "Numbers of records that are missing, and that no gap accounts for",
		  figures->n_missing },
		{ "Records that were sent again after an outage, and are counted once",
		  counts->copies },
		{ "Lines of other programs and of the kernel, which are not of this "
		  "report",
		  counts->foreign },
	};

	fputs("<section><h2>What could not be read</h2>\n<p class='note'>In the whole "
	      "trail, whatever the period.</p><table><tbody>\n",
	      out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(out, "<tr><td>%s</td><td class='n'>%" PRIu64 "</td></tr>\n",
			rows[i].what, rows[i].n);
	fputs("</tbody></table></section>\n", out);
}

int report_write(FILE *out, struct report *report)
{
	struct figures figures = { 0 };

	add_up(report, &figures);
	put_head(out, report);
	put_verdict(out, report, &figures);
	put_tiles(out, report, &figures);
	report_write_timeline(out, report);
	if (report_write_people(out, report) < 0 || report_write_denials(out, report) < 0)
		return -1;
	report_write_policies(out, report);
	report_write_grants(out, report);
	report_write_life(out, report);
	report_write_gaps(out, report);
	put_unreadable(out, &report->counts, &figures);
	fputs("<footer>Written by modelguardctl " MODELGUARD_VERSION " on ", out);
	report_put_time(out, time(NULL));
	fputs(", from the records that modelguard(8) made before each effect. "
	      "modelguard-audit(7) describes them.</footer>\n</main></body></html>\n",
	      out);
	return 0;
}
