/* SPDX-License-Identifier: Apache-2.0 */
/* Where a model comes from, as a picture: what was read, who wrote it, what became of it,
 * who reads it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/ancestry.h"
#include "fuse/ctl-event.h"
#include "fuse/report.h"

/* In units of the viewBox. */
#define WIDTH	 1240
#define MARGIN	 24
#define TOP	 112
#define COLUMN	 274
#define BETWEEN	 32
#define ROW	 52
#define BOX_HIGH 42
#define ROWS_MAX 14
#define TEXT_MAX 38 /* characters that fit a box */

enum column { COLUMN_INPUTS, COLUMN_WRITERS, COLUMN_STEPS, COLUMN_READERS, N_COLUMNS };

static const struct {
	const char *title, *fill, *line;
} columns[N_COLUMNS] = {
	[COLUMN_INPUTS] = { "Read while it was written", "#eef4fb", "#5b8fc9" },
	[COLUMN_WRITERS] = { "Written by", "#f1effa", "#8474c4" },
	[COLUMN_STEPS] = { "What became of it", "#eef7f0", "#4f9d69" },
	[COLUMN_READERS] = { "Read by, since", "#fdf5e8", "#c98f2c" },
};

static int left_of(enum column column)
{
	return MARGIN + (int)column * (COLUMN + BETWEEN);
}

static int middle_of(size_t row)
{
	return TOP + (int)row * ROW + BOX_HIGH / 2;
}

static size_t shown(size_t n)
{
	return n < ROWS_MAX ? n : ROWS_MAX;
}

/* Beside what is in the line already. The end of what is too long says more: the name. */
static void put_short(FILE *out, const char *before, const char *text)
{
	size_t length = strlen(text), used = strlen(before);
	size_t room = used + 12 < TEXT_MAX ? TEXT_MAX - used : 12;

	if (length <= room) {
		report_put(out, text);
		return;
	}
	fputs("...", out);
	report_put(out, text + length - (room - 3));
}

static void put_box(FILE *out, enum column column, size_t row, bool bad)
{
	fprintf(out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"7\" fill=\"%s\" "
		"stroke=\"%s\"/>\n",
		left_of(column), TOP + (int)row * ROW, COLUMN, BOX_HIGH,
		bad ? "#fdecec" : columns[column].fill,
		bad ? "#c74444" : columns[column].line);
}

static void begin_text(FILE *out, enum column column, size_t row, bool second)
{
	fprintf(out, "<text x=\"%d\" y=\"%d\"%s>", left_of(column) + 12,
		TOP + (int)row * ROW + (second ? 34 : 18), second ? " class=\"d\"" : "");
}

static void put_line(FILE *out, enum column from, size_t row, enum column to,
		     size_t to_row, bool dashed)
{
	int x = left_of(from) + COLUMN, end = left_of(to), bend = (end - x) / 2;

	fprintf(out, "<path d=\"M%d %dC%d %d %d %d %d %d\"%s/>\n", x, middle_of(row),
		x + bend, middle_of(row), end - bend, middle_of(to_row), end,
		middle_of(to_row), dashed ? " stroke-dasharray=\"4 4\"" : "");
}

static void put_more(FILE *out, enum column column, size_t n, uint64_t more)
{
	if (n <= ROWS_MAX && more == 0)
		return;
	begin_text(out, column, shown(n), true);
	fprintf(out, "and %" PRIu64 " more</text>\n", (uint64_t)(n - shown(n)) + more);
}

static void put_inputs(FILE *out, const struct ancestry *ancestry)
{
	for (size_t i = 0; i < shown(ancestry->inputs.n); i++) {
		const struct ancestry_input *input = &ancestry->inputs.items[i];

		put_box(out, COLUMN_INPUTS, i, false);
		begin_text(out, COLUMN_INPUTS, i, false);
		put_short(out, "", input->path);
		fputs("</text>\n", out);
		begin_text(out, COLUMN_INPUTS, i, true);
		report_put_time(out, input->first.tv_sec);
		fputs(input->sibling ? ", by the same program" : "", out);
		fputs("</text>\n", out);
	}
	put_more(out, COLUMN_INPUTS, ancestry->inputs.n, ancestry->inputs.more);
}

static void put_writers(FILE *out, const struct ancestry *ancestry)
{
	for (size_t i = 0; i < shown(ancestry->writers.n); i++) {
		const struct ancestry_writer *writer = &ancestry->writers.items[i];

		put_box(out, COLUMN_WRITERS, i, false);
		begin_text(out, COLUMN_WRITERS, i, false);
		report_put(out, writer->acct);
		fputs(": ", out);
		put_short(out, writer->acct, writer->exe[0] ? writer->exe : writer->comm);
		fputs("</text>\n", out);
		begin_text(out, COLUMN_WRITERS, i, true);
		report_put_time(out, writer->first.tv_sec);
		fprintf(out, ", process %jd</text>\n", (intmax_t)writer->pid);
	}
	put_more(out, COLUMN_WRITERS, ancestry->writers.n, ancestry->writers.more);
}

static void put_steps(FILE *out, const struct ancestry *ancestry, size_t from)
{
	for (size_t i = from; i < ancestry->steps.n; i++) {
		const struct ancestry_step *step = &ancestry->steps.items[i];
		size_t row = i - from;

		put_box(out, COLUMN_STEPS, row, step->outcome != TRAIL_OK);
		begin_text(out, COLUMN_STEPS, row, false);
		fputs("<tspan class=\"b\">", out);
		report_put(out, step->op);
		fputs("</tspan> ", out);
		put_short(out, step->op, step->new_path[0] ? step->new_path : step->path);
		fputs("</text>\n", out);
		begin_text(out, COLUMN_STEPS, row, true);
		report_put_time(out, step->time.tv_sec);
		fputs(", ", out);
		report_put(out, step->acct);
		if (step->n > 1)
			fprintf(out, ", and %" PRIu64 " more", step->n - 1);
		if (step->outcome != TRAIL_OK)
			fprintf(out, ", %s", ctl_outcome_name(step->outcome));
		fputs("</text>\n", out);
	}
}

static void put_readers(FILE *out, const struct ancestry *ancestry)
{
	for (size_t i = 0; i < shown(ancestry->readers.n); i++) {
		const struct ancestry_reader *reader = &ancestry->readers.items[i];

		put_box(out, COLUMN_READERS, i, false);
		begin_text(out, COLUMN_READERS, i, false);
		report_put(out, reader->acct);
		fputs(": ", out);
		put_short(out, reader->acct, reader->exe);
		fputs("</text>\n", out);
		begin_text(out, COLUMN_READERS, i, true);
		report_put_count(out, reader->n, "time");
		fputs(", last ", out);
		report_put_time(out, reader->last.tv_sec);
		fputs("</text>\n", out);
	}
	put_more(out, COLUMN_READERS, ancestry->readers.n, ancestry->readers.more);
}

static void put_lines(FILE *out, const struct ancestry *ancestry)
{
	fputs("<g fill=\"none\" stroke=\"#a9b3bf\" stroke-width=\"1.5\">\n", out);
	for (size_t i = 0; i < shown(ancestry->inputs.n); i++)
		if (ancestry->inputs.items[i].writer < ROWS_MAX)
			put_line(out, COLUMN_INPUTS, i, COLUMN_WRITERS,
				 ancestry->inputs.items[i].writer,
				 ancestry->inputs.items[i].sibling);
	for (size_t i = 0; ancestry->steps.n > 0 && i < shown(ancestry->writers.n); i++)
		put_line(out, COLUMN_WRITERS, i, COLUMN_STEPS, 0, false);
	for (size_t i = 0; ancestry->steps.n > 0 && i < shown(ancestry->readers.n); i++)
		put_line(out, COLUMN_STEPS, shown(ancestry->steps.n) - 1, COLUMN_READERS,
			 i, false);
	fputs("</g>\n", out);
}

static size_t most_rows(const struct ancestry *ancestry)
{
	const size_t n[] = { ancestry->inputs.n, ancestry->writers.n, ancestry->steps.n,
			     ancestry->readers.n };
	size_t most = 1;

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		most = shown(n[i]) > most ? shown(n[i]) : most;
	return most;
}

static void put_head(FILE *out, const struct ancestry *ancestry, size_t n_earlier)
{
	int high = TOP + (int)most_rows(ancestry) * ROW + 40;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"width=\"%d\" height=\"%d\" role=\"img\">\n<title>Lineage of ",
		WIDTH, high, WIDTH, high);
	report_put(out, ancestry->path);
	fputs("</title>\n<style>text{font:13px sans-serif;fill:#1d2733}.d{font-size:11px;"
	      "fill:#5c6773}.b{font-weight:bold}.h{font-size:14px;font-weight:bold}"
	      ".t{font-size:20px;font-weight:bold}</style>\n",
	      out);
	fprintf(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", WIDTH,
		high);
	fprintf(out, "<text x=\"%d\" y=\"42\" class=\"t\">", MARGIN);
	report_put(out, ancestry->path);
	fputs("</text>\n", out);
	fprintf(out, "<text x=\"%d\" y=\"64\" class=\"d\">", MARGIN);
	report_put_count(out, ancestry->n_denied, "attempt");
	fputs(" denied", out);
	if (n_earlier > 0)
		fprintf(out, "; %zu earlier steps are not shown", n_earlier);
	fputs("</text>\n", out);
	for (unsigned i = 0; i < N_COLUMNS; i++)
		fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"h\">%s</text>\n",
			left_of((enum column)i), TOP - 14, columns[i].title);
}

void ancestry_write_svg(FILE *out, const struct ancestry *ancestry)
{
	size_t n_earlier = ancestry->steps.n - shown(ancestry->steps.n);

	put_head(out, ancestry, n_earlier);
	put_lines(out, ancestry);
	put_inputs(out, ancestry);
	put_writers(out, ancestry);
	put_steps(out, ancestry, n_earlier);
	put_readers(out, ancestry);
	fputs("</svg>\n", out);
}
