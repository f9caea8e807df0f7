/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what the verbs that read the trail share. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/text.h"

#include "fuse/ctl-trail.h"
#include "fuse/trail-time.h"
#include "fuse/util.h"

#define PROGRESS_EVENTS 4096 /* looked at the clock so often */

static int take_time(const struct ctl_verb *verb, const char *option, bool end,
		     struct timespec *ret)
{
	if (trail_time_parse(optarg, end, time(NULL), ret) == 0)
		return CTL_OK;
	return ctl_usage(verb, "%s takes no time like %s: write " TRAIL_TIME_FORMS,
			 option, QUOTED(optarg));
}

int ctl_trail_option(const struct ctl_verb *verb, int code, const char **input,
		     struct trail_filter *filter)
{
	switch (code) {
	case CTL_TRAIL_INPUT:
		*input = optarg;
		return CTL_OK;
	case CTL_TRAIL_SINCE:
		return take_time(verb, "--since", false, &filter->since);
	case CTL_TRAIL_UNTIL:
		return take_time(verb, "--until", true, &filter->until);
	default:
		return CTL_USAGE;
	}
}

int ctl_trail_check_times(const struct ctl_verb *verb, const struct trail_filter *filter)
{
	if (filter->until.tv_sec != 0 &&
	    trail_time_compare(&filter->since, &filter->until) > 0)
		return ctl_usage(verb, "--since is after --until");
	return CTL_OK;
}

int ctl_trail_open(const char *input, bool follow, struct trail **ret)
{
	_cleanup_(freep) char *why = NULL;
	int r = trail_open(input, follow, ret, &why);

	if (r < 0)
		return ctl_fail("%s", why ? why : strerrordesc_np(-r));
	return CTL_OK;
}

struct progress {
	bool shown, drawn;
	struct timespec last;
};

static bool is_due(struct progress *progress)
{
	struct timespec now;
	long ms;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - progress->last.tv_sec) * 1000 +
	     (now.tv_nsec - progress->last.tv_nsec) / 1000000;
	if (ms < 200)
		return false;
	progress->last = now;
	return true;
}

static void draw(struct progress *progress, const struct trail *trail, uint64_t n)
{
	if (!progress->shown || n % PROGRESS_EVENTS != 0 || !is_due(progress))
		return;
	fprintf(stderr, "\r%3u%%  %" PRIu64 " records ", trail_percent(trail), n);
	progress->drawn = true;
}

static void erase(const struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
}

/* A pipe may lead to the same terminal, as through a pager. */
static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int ctl_trail_each(struct trail *trail, bool silent,
		   int (*on_event)(struct trail_event *event, void *user), void *user)
{
	struct progress progress = {
		.shown = isatty(STDERR_FILENO) && (silent || is_file(STDOUT_FILENO)),
	};
	struct trail_event *event;
	int status = CTL_OK, r;

	while ((r = trail_next(trail, &event)) > 0 && status == CTL_OK) {
		status = on_event(event, user);
		draw(&progress, trail, event->number);
	}
	erase(&progress);
	if (r < 0)
		return ctl_fail("cannot read the trail to its end: %s",
				strerrordesc_np(-r));
	return status == CTL_TRAIL_STOP ? CTL_OK : status;
}

void ctl_trail_print_skipped(const struct trail *trail)
{
	struct trail_counts counts = trail_counts(trail);
	const char *separator = "skipped ";

	if (counts.broken + counts.halves + counts.foreign == 0)
		return;
	fputs("modelguardctl: ", stderr);
	if (counts.broken > 0) {
		fprintf(stderr, "%s%" PRIu64 " broken record%s", separator, counts.broken,
			counts.broken == 1 ? "" : "s");
		separator = ", ";
	}
	if (counts.halves > 0) {
		fprintf(stderr, "%s%" PRIu64 " half-written line%s at the end of a file",
			separator, counts.halves, counts.halves == 1 ? "" : "s");
		separator = ", ";
	}
	if (counts.foreign > 0)
		fprintf(stderr, "%s%" PRIu64 " line%s of other programs", separator,
			counts.foreign, counts.foreign == 1 ? "" : "s");
	fputc('\n', stderr);
}
