/* SPDX-License-Identifier: Apache-2.0 */
/* The auditor's page: policies, starts and ends of the guard, gaps. */
#include <inttypes.h>
#include <string.h>

#include "fuse/ctl-event.h"
#include "fuse/report.h"

#define ROWS_MAX 1000

static void begin_table(FILE *out, const char *title, const char *note, const char *heads)
{
	fprintf(out,
		"<section><h2>%s</h2>\n<p class='note'>%s</p>\n<div "
		"class='scroll'><table><thead><tr>%s</tr></thead><tbody>\n",
		title, note, heads);
}

static void end_table(FILE *out, size_t n)
{
	fputs("</tbody></table></div>\n", out);
	if (n > ROWS_MAX)
		fprintf(out,
			"<p class='note'>And %zu more; <code>modelguardctl log</code> "
			"has "
			"them all.</p>\n",
			n - ROWS_MAX);
	fputs("</section>\n", out);
}

static void write_nothing(FILE *out, const char *title, const char *note)
{
	fprintf(out, "<section><h2>%s</h2>\n<p class='note'>%s</p></section>\n", title,
		note);
}

static void put_time_cell(FILE *out, time_t time)
{
	fputs("<tr><td class='nowrap'>", out);
	report_put_time(out, time);
	fputs("</td>", out);
}

static void put_code_cell(FILE *out, const char *text)
{
	fputs("<td><code>", out);
	report_put(out, text);
	fputs("</code></td>", out);
}

static bool is_life(const struct report_moment *moment)
{
	return !report_is_gap(moment) && !report_is_policy(moment) &&
	       !report_is_grant(moment);
}

static size_t count(const struct report *report,
		    bool (*is_one)(const struct report_moment *moment))
{
	size_t n = 0;

	for (size_t i = 0; i < report->n_moments; i++)
		n += is_one(&report->moments[i]);
	return n;
}

/* Rows of those moments that are asked for. */
static void put_rows(FILE *out, const struct report *report,
		     bool (*is_one)(const struct report_moment *moment),
		     void (*put)(FILE *out, const struct report_moment *moment))
{
	size_t shown = 0;

	for (size_t i = 0; i < report->n_moments && shown < ROWS_MAX; i++) {
		if (!is_one(&report->moments[i]))
			continue;
		put(out, &report->moments[i]);
		shown++;
	}
}

static void put_hash(FILE *out, const char *label, const char *hash)
{
	if (*hash == '\0')
		return;
	fprintf(out, "<div><span class='soft'>%s</span> <code>", label);
	report_put(out, hash);
	fputs("</code></div>", out);
}

static void put_policy(FILE *out, const struct report_moment *moment)
{
	bool loaded = moment->outcome == TRAIL_OK;

	put_time_cell(out, moment->time.tv_sec);
	fprintf(out,
		"<td><span class='tag %s'>%s</span></td><td class='n'>%" PRIu64 "</td>",
		loaded ? "good" : "bad",
		!loaded				    ? "refused"
		: strcmp(moment->op, "policy-load") ? "reloaded"
						    : "loaded",
		moment->gen);
	fputs("<td><code>", out);
	report_put(out, moment->path);
	fputs("</code>", out);
	put_hash(out, loaded ? "is" : "stays", moment->hash);
	put_hash(out, "was", moment->old_hash);
	if (*moment->reason) {
		fputs("<div>", out);
		report_put(out, moment->reason);
		fputs("</div>", out);
	}
	fputs("</td></tr>\n", out);
}

void report_write_policies(FILE *out, const struct report *report)
{
	size_t n = count(report, report_is_policy);

	if (n == 0) {
		write_nothing(out, "Policy",
			      "No policy was loaded or changed in this period.");
		return;
	}
	begin_table(
		out, "Policy",
		"Every policy that came into force or was refused, with its SHA-256.",
		"<th>When</th><th>Outcome</th><th class='n'>Generation</th><th>Policy "
		"and SHA-256</th>");
	put_rows(out, report, report_is_policy, put_policy);
	end_table(out, n);
}

static void put_grant(FILE *out, const struct report_moment *moment)
{
	bool made = strcmp(moment->op, "grant") == 0;

	put_time_cell(out, moment->time.tv_sec);
	fprintf(out, "<td><span class='tag %s'>%s</span> ", made ? "warn" : "good",
		made				     ? "granted"
		: strcmp(moment->op, "grant-revoke") ? "ended"
						     : "revoked");
	report_put(out, moment->note);
	fputs("</td>", out);
	put_code_cell(out, moment->grantee);
	put_code_cell(out, moment->role);
	fputs("<td class='nowrap'>", out);
	report_put_time(out, moment->until.tv_sec);
	fputs("</td>", out);
	put_code_cell(out, moment->acct);
	fputs("<td>", out);
	report_put(out, moment->reason);
	fputs("</td></tr>\n", out);
}

/* Most shares have none, and need no section that says so. */
void report_write_grants(FILE *out, const struct report *report)
{
	size_t n = count(report, report_is_grant);

	if (n == 0)
		return;
	begin_table(out, "Grants that end",
		    "Roles that were lent to somebody for a time, and how that ended.",
		    "<th>When</th><th>What</th><th>To</th><th>Role</th><th>Until</th>"
		    "<th>By</th><th>Reason</th>");
	put_rows(out, report, report_is_grant, put_grant);
	end_table(out, n);
}

static void put_life(FILE *out, const struct report_moment *moment)
{
	bool start = strcmp(moment->op, "start") == 0,
	     end = strcmp(moment->op, "end") == 0;

	put_time_cell(out, moment->time.tv_sec);
	fprintf(out, "<td><span class='tag %s'>", start ? "good" : end ? "" : "warn");
	report_put(out, moment->op);
	fputs("</span></td>", out);
	put_code_cell(out, moment->path);
	fputs("<td>", out);
	report_put(out, moment->reason);
	fputs("</td></tr>\n", out);
}

void report_write_life(FILE *out, const struct report *report)
{
	size_t n = count(report, is_life);

	if (n == 0) {
		write_nothing(out, "Starts and ends of the guard",
			      "The guard neither started nor ended in this period.");
		return;
	}
	begin_table(out, "Starts and ends of the guard",
		    "While no guard runs, nobody has access through the mount. A start "
		    "without an end before it: the guard was killed.",
		    "<th>When</th><th>What</th><th>Mount</th><th>Reason</th>");
	put_rows(out, report, is_life, put_life);
	end_table(out, n);
}

static void put_gap(FILE *out, const struct report_moment *moment)
{
	bool unrecorded = strcmp(moment->note, "unrecorded") == 0;

	put_time_cell(out, moment->since.tv_sec);
	fputs("<td class='nowrap'>", out);
	report_put_time(out, moment->until.tv_sec);
	fprintf(out,
		"</td><td class='n'>%" PRIu64 "</td><td><span class='tag %s'>%s</span>",
		moment->count, unrecorded ? "bad" : "warn",
		unrecorded ? "happened without a record" : "refused, did not happen");
	if (moment->lost > 0)
		fprintf(out, " up to %" PRIu64 " records lost", moment->lost);
	fputs("</td>", out);
	put_code_cell(out, moment->reason);
	fputs("</tr>\n", out);
}

void report_write_gaps(FILE *out, const struct report *report)
{
	size_t n = count(report, report_is_gap);

	if (n == 0) {
		write_nothing(out, "Gaps in the trail",
			      "None: recording was possible at all times that are on "
			      "record.");
		return;
	}
	begin_table(
		out, "Gaps in the trail",
		"Times in which nothing could be recorded, and what became of the "
		"operations of that time.",
		"<th>From</th><th>Until</th><th class='n'>Operations</th><th>They</th>"
		"<th>Because</th>");
	put_rows(out, report, report_is_gap, put_gap);
	end_table(out, n);
}
