/* SPDX-License-Identifier: Apache-2.0 */
/* The timeline of the auditor's page: changes above, denials below, as an SVG. */
#include <inttypes.h>
#include <string.h>

#include "fuse/report.h"

#define BARS_MAX    180
#define MARKERS_MAX 200
#define TICKS_MAX   9

/* In units of the viewBox. */
#define WIDTH	     1060
#define LEFT	     52
#define RIGHT	     28
#define PLOT	     (WIDTH - LEFT - RIGHT)
#define TOP	     16
#define CHANGES_HIGH 130
#define BETWEEN	     24
#define DENIALS_HIGH 70
#define DENIALS_TOP  (TOP + CHANGES_HIGH + BETWEEN)
#define BOTTOM	     (DENIALS_TOP + DENIALS_HIGH)
#define HEIGHT	     (BOTTOM + 24)

/* How long one bar may be, and how that is said. */
static const struct width {
	time_t seconds;
	const char *name;
} widths[] = {
	{ 1, "1 second" },	  { 5, "5 seconds" },	{ 15, "15 seconds" },
	{ 60, "1 minute" },	  { 300, "5 minutes" }, { 900, "15 minutes" },
	{ 3600, "1 hour" },	  { 10800, "3 hours" }, { 43200, "12 hours" },
	{ 86400, "1 day" },	  { 604800, "1 week" }, { 2592000, "30 days" },
	{ 31536000, "365 days" },
};

#define N_WIDTHS (sizeof(widths) / sizeof(widths[0]))

struct bars {
	time_t begin, end;
	const struct width *width;
	size_t n;
	struct report_second of[BARS_MAX];
	uint64_t most_changes, most_denials;
};

/* Bars begin at whole hours and days of the local time zone. */
static time_t round_down(time_t time, time_t width)
{
	struct tm tm;
	long offset = localtime_r(&time, &tm) ? tm.tm_gmtoff : 0;

	return (time + offset) / width * width - offset;
}

static void choose_width(const struct report *report, struct bars *bars)
{
	time_t end = report_end(report);

	for (size_t i = 0; i < N_WIDTHS; i++) {
		time_t width = widths[i].seconds;

		bars->width = &widths[i];
		bars->begin = round_down(report_begin(report), width);
		bars->n = (size_t)((end - bars->begin) / width + 1);
		if (bars->n <= BARS_MAX)
			break;
	}
	if (bars->n > BARS_MAX)
		bars->n = BARS_MAX;
	bars->end = bars->begin + (time_t)bars->n * bars->width->seconds;
}

/* The bar of a time; what lies outside goes to the nearest. */
static size_t bar_at(const struct bars *bars, time_t time)
{
	size_t at;

	if (time < bars->begin)
		return 0;
	at = (size_t)((time - bars->begin) / bars->width->seconds);
	return at < bars->n ? at : bars->n - 1;
}

static void fill(const struct report *report, struct bars *bars)
{
	for (size_t i = 0; i < report->n_seconds; i++) {
		const struct report_second *second = &report->seconds[i];
		struct report_second *bar = &bars->of[bar_at(bars, second->second)];

		bar->changes += second->changes;
		bar->denials += second->denials;
	}
	for (size_t i = 0; i < bars->n; i++) {
		bars->of[i].second = bars->begin + (time_t)i * bars->width->seconds;
		if (bars->of[i].changes > bars->most_changes)
			bars->most_changes = bars->of[i].changes;
		if (bars->of[i].denials > bars->most_denials)
			bars->most_denials = bars->of[i].denials;
	}
}

static double x_of(const struct bars *bars, time_t time)
{
	double part = (double)(time - bars->begin) / (double)(bars->end - bars->begin);

	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return LEFT + part * PLOT;
}

/* A line at the bottom and one at the most, with its number. */
static void put_scale(FILE *out, int top, int high, uint64_t most, const char *what)
{
	fprintf(out,
		"<path class='grid' d='M%d %dH%dM%d %dH%d'/><text x='%d' y='%d' "
		"text-anchor='end'>%" PRIu64 "</text><text x='%d' y='%d' "
		"text-anchor='end'>0</text><text x='%d' y='%d' "
		"text-anchor='end'>%s</text>\n",
		LEFT, top + high, WIDTH - RIGHT, LEFT, top, WIDTH - RIGHT, LEFT - 6,
		top + 4, most, LEFT - 6, top + high + 4, WIDTH - RIGHT, top - 5, what);
}

static void put_bar(FILE *out, const struct bars *bars, size_t i, bool denials)
{
	const struct report_second *bar = &bars->of[i];
	uint64_t n = denials ? bar->denials : bar->changes;
	uint64_t most = denials ? bars->most_denials : bars->most_changes;
	int top = denials ? DENIALS_TOP : TOP,
	    high = denials ? DENIALS_HIGH : CHANGES_HIGH;
	double width = (double)PLOT / (double)bars->n;
	double gap = width > 4 ? 1.5 : width * 0.15, size;

	if (n == 0)
		return;
	size = (double)n / (double)most * high;
	size = size < 1.5 ? 1.5 : size; /* one among a million is still seen */
	fprintf(out,
		"<rect class='%s' x='%.2f' y='%.2f' width='%.2f' height='%.2f'><title>",
		denials ? "b-denied" : "b-change", LEFT + width * (double)i,
		top + high - size, width - gap, size);
	report_put_time(out, bar->second);
	fputs(": ", out);
	report_put_count(out, n, denials ? "denial" : "change");
	fputs("</title></rect>\n", out);
}

/* How far apart the ticks are, and how they are written. */
static const struct tick {
	time_t seconds;
	const char *format;
} ticks[] = {
	{ 10, "%H:%M:%S" },	   { 60, "%H:%M" },	     { 300, "%H:%M" },
	{ 900, "%H:%M" },	   { 3600, "%d %b, %H:%M" }, { 10800, "%d %b, %H:%M" },
	{ 43200, "%d %b, %H:%M" }, { 86400, "%d %b" },	     { 2 * 86400, "%d %b" },
	{ 604800, "%d %b" },	   { 2592000, "%d %b %Y" },  { 7776000, "%d %b %Y" },
	{ 31536000, "%Y" },
};

#define N_TICKS (sizeof(ticks) / sizeof(ticks[0]))

static void put_tick(FILE *out, const struct bars *bars, time_t time, const char *format)
{
	double x = x_of(bars, time);
	char text[32];
	struct tm tm;

	if (localtime_r(&time, &tm) && strftime(text, sizeof(text), format, &tm) > 0)
		fprintf(out,
			"<path class='grid' d='M%.1f %dv4'/><text x='%.1f' y='%d' "
			"text-anchor='middle'>%s</text>\n",
			x, BOTTOM, x, BOTTOM + 17, text);
}

static void put_ticks(FILE *out, const struct bars *bars)
{
	const struct tick *tick = &ticks[0];
	time_t time;

	for (size_t i = 0; i < N_TICKS; i++) {
		tick = &ticks[i];
		if ((bars->end - bars->begin) / tick->seconds < TICKS_MAX)
			break;
	}
	time = round_down(bars->begin, tick->seconds);
	for (int i = 0; i <= TICKS_MAX && time < bars->end; i++, time += tick->seconds)
		if (time >= bars->begin)
			put_tick(out, bars, time, tick->format);
}

static void put_gap(FILE *out, const struct bars *bars, const struct report_moment *gap)
{
	double from = x_of(bars, gap->since.tv_sec), to = x_of(bars, gap->until.tv_sec);

	fprintf(out,
		"<rect class='b-gap' x='%.2f' y='%d' width='%.2f' height='%d'><title>",
		from, TOP, to - from < 3 ? 3 : to - from, BOTTOM - TOP);
	fputs("Gap: ", out);
	report_put_time(out, gap->since.tv_sec);
	fputs(" to ", out);
	report_put_time(out, gap->until.tv_sec);
	fputs("</title></rect>\n", out);
}

static void put_policy(FILE *out, const struct bars *bars,
		       const struct report_moment *policy)
{
	double x = x_of(bars, policy->time.tv_sec);

	fprintf(out,
		"<g><line class='l-policy' stroke-dasharray='3 3' x1='%.2f' x2='%.2f' "
		"y1='%d' y2='%d'/><path class='b-policy' d='M%.2f %d l-4 -7 h8 "
		"z'/><title>",
		x, x, TOP, BOTTOM, x, TOP);
	report_put(out, policy->op);
	fputs(", ", out);
	report_put_time(out, policy->time.tv_sec);
	fputs("</title></g>\n", out);
}

static void put_markers(FILE *out, const struct report *report, const struct bars *bars)
{
	size_t n = report->n_moments < MARKERS_MAX ? report->n_moments : MARKERS_MAX;

	for (size_t i = 0; i < n; i++) {
		const struct report_moment *moment = &report->moments[i];

		if (report_is_gap(moment))
			put_gap(out, bars, moment);
		else if (report_is_policy(moment))
			put_policy(out, bars, moment);
	}
}

void report_write_timeline(FILE *out, const struct report *report)
{
	struct bars bars = { 0 };

	fputs("<section><h2>Timeline</h2>\n", out);
	if (report->summary->n_events == 0) {
		fputs("<p class='note'>Nothing was recorded in this "
		      "period.</p></section>\n",
		      out);
		return;
	}
	choose_width(report, &bars);
	fill(report, &bars);
	fprintf(out,
		"<p class='note'>Each bar covers %s.</p>"
		"<div class='legend'><span><i "
		"style='background:var(--change)'></i>changes: "
		"writes, names, sizes, attributes</span><span><i "
		"style='background:var(--denied)'></i>denials</span><span><i "
		"style='background:var(--policy)'></i>policy</span><span><i "
		"style='background:var(--gap)'></i>gap in the trail</span></div>\n"
		"<div class='scroll'><svg viewBox='0 0 %d %d' role='img' "
		"aria-label='Changes and denials "
		"over "
		"time'>\n",
		bars.width->name, WIDTH, HEIGHT);
	put_scale(out, TOP, CHANGES_HIGH, bars.most_changes, "changes");
	put_scale(out, DENIALS_TOP, DENIALS_HIGH, bars.most_denials, "denials");
	for (size_t i = 0; i < bars.n; i++) {
		put_bar(out, &bars, i, false);
		put_bar(out, &bars, i, true);
	}
	put_markers(out, report, &bars);
	put_ticks(out, &bars);
	fputs("</svg></div></section>\n", out);
}
