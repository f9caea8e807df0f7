/* SPDX-License-Identifier: Apache-2.0 */
/* The auditor's page: people and zones, and denials by rule. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/ctl-actor.h"
#include "fuse/ctl-summary.h"
#include "fuse/report.h"
#include "fuse/util.h"

#define WHO_SIZE    300
#define DENIALS_MAX 500

static void put_who(FILE *out, const struct actor *actor)
{
	char who[WHO_SIZE];

	report_put(out, ctl_actor_name(actor, who, sizeof(who)));
}

static bool is_same_person(const struct actor *one, const struct actor *other)
{
	return one->uid == other->uid && strcmp(one->acct, other->acct) == 0;
}

/* The sides of the table: rows of the summary stand for the people and zones in them. */
struct sides {
	const struct summary_row **people, **zones;
	size_t n_people, n_zones;
};

static void free_sides(struct sides *sides)
{
	free(sides->people);
	free(sides->zones);
}

static void add_person(struct sides *sides, const struct summary_row *row)
{
	for (size_t i = 0; i < sides->n_people; i++)
		if (is_same_person(&sides->people[i]->actor, &row->actor))
			return;
	sides->people[sides->n_people++] = row;
}

static void add_zone(struct sides *sides, const struct summary_row *row)
{
	for (size_t i = 0; i < sides->n_zones; i++)
		if (strcmp(sides->zones[i]->where, row->where) == 0)
			return;
	sides->zones[sides->n_zones++] = row;
}

static int compare_people(const void *one, const void *other)
{
	const struct summary_row *a = *(const struct summary_row *const *)one;
	const struct summary_row *b = *(const struct summary_row *const *)other;

	return strcmp(a->actor.acct, b->actor.acct);
}

static int compare_zones(const void *one, const void *other)
{
	const struct summary_row *a = *(const struct summary_row *const *)one;
	const struct summary_row *b = *(const struct summary_row *const *)other;

	return strcmp(a->where, b->where);
}

static int find_sides(const struct summary_table *table, struct sides *ret)
{
	size_t n = table->n_rows ? table->n_rows : 1;

	ret->people = calloc(n, sizeof(*ret->people));
	ret->zones = calloc(n, sizeof(*ret->zones));
	if (!ret->people || !ret->zones)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_rows; i++) {
		add_person(ret, table->rows[i]);
		add_zone(ret, table->rows[i]);
	}
	qsort(ret->people, ret->n_people, sizeof(*ret->people), compare_people);
	qsort(ret->zones, ret->n_zones, sizeof(*ret->zones), compare_zones);
	return 0;
}

static const struct tally *find_tally(const struct summary_table *table,
				      const struct summary_row *person,
				      const struct summary_row *zone)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct summary_row *row = table->rows[i];

		if (is_same_person(&row->actor, &person->actor) &&
		    strcmp(row->where, zone->where) == 0)
			return &row->tally;
	}
	return NULL;
}

static void put_part(FILE *out, const char *class, uint64_t n, const char *noun)
{
	if (n == 0)
		return;
	fprintf(out, "<span class='%s'>", class);
	report_put_count(out, n, noun);
	fputs("</span>", out);
}

static void put_cell(FILE *out, const struct tally *tally)
{
	char bytes[CTL_BYTES_SIZE];

	fputs("<td class='cell'>", out);
	if (!tally || tally->reads + tally->writes + tally->changes + tally->denied == 0)
		fprintf(out, "<span class='none'>%s</span>",
			tally ? "looked" : "&ndash;");
	if (!tally) {
		fputs("</td>", out);
		return;
	}
	put_part(out, "", tally->reads, "read");
	if (tally->writes > 0)
		fprintf(out, "<span class='change'>%s in %" PRIu64 " write%s</span>",
			ctl_bytes(tally->bytes, bytes), tally->writes,
			tally->writes == 1 ? "" : "s");
	put_part(out, "change", tally->changes, "change");
	if (tally->denied > 0)
		fprintf(out, "<span class='denied'>%" PRIu64 " denied</span>",
			tally->denied);
	fputs("</td>", out);
}

int report_write_people(FILE *out, const struct report *report)
{
	const struct summary_table *table = &report->summary->zones;
	_cleanup_(free_sides) struct sides sides = { 0 };

	if (find_sides(table, &sides) < 0)
		return -ENOMEM;
	fputs("<section><h2>People and zones</h2>\n<p class='note'>Reads are files "
	      "opened "
	      "for reading. Changes are new, renamed and removed names, sizes and "
	      "attributes. A number in parentheses: the name service does not know this "
	      "user id by this name any more.</p>\n",
	      out);
	if (sides.n_people == 0) {
		fputs("<p>Nobody did anything in this period.</p></section>\n", out);
		return 0;
	}
	fputs("<div class='scroll'><table><thead><tr><th>Who</th>", out);
	for (size_t j = 0; j < sides.n_zones; j++) {
		fputs("<th>", out);
		report_put(out, sides.zones[j]->where);
		fputs("</th>", out);
	}
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < sides.n_people; i++) {
		fputs("<tr><th>", out);
		put_who(out, &sides.people[i]->actor);
		fputs("</th>", out);
		for (size_t j = 0; j < sides.n_zones; j++)
			put_cell(out, find_tally(table, sides.people[i], sides.zones[j]));
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div></section>\n", out);
	return 0;
}

/* The denials of one rule for one reason: rows of the summary, of several people. */
struct denial {
	const struct summary_row *const *rows;
	size_t n_rows;
	uint64_t total;
};

static int compare_denied_rows(const void *one, const void *other)
{
	const struct summary_row *a = *(const struct summary_row *const *)one;
	const struct summary_row *b = *(const struct summary_row *const *)other;
	int r = strcmp(a->where, b->where);

	if (r == 0)
		r = strcmp(a->why, b->why);
	if (r == 0 && a->tally.denied != b->tally.denied)
		return a->tally.denied > b->tally.denied ? -1 : 1;
	return r ? r : strcmp(a->actor.acct, b->actor.acct);
}

static int compare_denials(const void *one, const void *other)
{
	const struct denial *a = one, *b = other;

	return a->total > b->total ? -1 : a->total < b->total;
}

/* Groups the sorted rows. Returns how many groups. */
static size_t group(const struct summary_table *table, struct denial *denials)
{
	const struct summary_row *const *rows =
		(const struct summary_row *const *)table->rows;
	size_t n = 0;

	for (size_t i = 0; i < table->n_rows; i++) {
		if (n == 0 ||
		    strcmp(denials[n - 1].rows[0]->where, rows[i]->where) != 0 ||
		    strcmp(denials[n - 1].rows[0]->why, rows[i]->why) != 0)
			denials[n++] = (struct denial){ .rows = &rows[i] };
		denials[n - 1].n_rows++;
		denials[n - 1].total += rows[i]->tally.denied;
	}
	return n;
}

static void put_denial(FILE *out, const struct denial *denial)
{
	fputs("<tr><td class='mono nowrap'>", out);
	report_put(out, denial->rows[0]->where);
	fputs("</td><td class='nowrap'>", out);
	report_put(out, denial->rows[0]->why);
	fputs("</td><td>", out);
	for (size_t i = 0; i < denial->n_rows; i++) {
		fputs(i == 0 ? "" : ", ", out);
		put_who(out, &denial->rows[i]->actor);
		fprintf(out, " <span class='soft'>&times;&#8239;%" PRIu64 "</span>",
			denial->rows[i]->tally.denied);
	}
	fprintf(out, "</td><td class='n denied'>%" PRIu64 "</td></tr>\n", denial->total);
}

int report_write_denials(FILE *out, struct report *report)
{
	struct summary_table *table = &report->summary->denials;
	_cleanup_(freep) struct denial *denials = NULL;
	size_t n;

	fputs("<section><h2>Denials by rule</h2>\n", out);
	if (table->n_rows == 0) {
		fputs("<p class='note'>Nothing was denied.</p></section>\n", out);
		return 0;
	}
	denials = calloc(table->n_rows, sizeof(*denials));
	if (!denials)
		return -ENOMEM;
	qsort(table->rows, table->n_rows, sizeof(*table->rows), compare_denied_rows);
	n = group(table, denials);
	qsort(denials, n, sizeof(*denials), compare_denials);
	fputs("<p class='note'>The line of the policy that decided, as it was "
	      "then.</p>\n<div class='scroll'><table><thead><tr><th>Rule</th>"
	      "<th>Reason</th><th>Who</th><th "
	      "class='n'>Denied</th></tr></thead><tbody>\n",
	      out);
	for (size_t i = 0; i < n && i < DENIALS_MAX; i++)
		put_denial(out, &denials[i]);
	fputs("</tbody></table></div>\n", out);
	if (n > DENIALS_MAX)
		fprintf(out,
			"<p class='note'>And %zu more rules; <code>modelguardctl log "
			"--summary</code> has them all.</p>\n",
			n - DENIALS_MAX);
	fputs("</section>\n", out);
	return 0;
}
