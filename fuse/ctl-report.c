/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl report: the trail as one page for an auditor. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/text.h"

#include "fuse/ctl-trail.h"
#include "fuse/report.h"
#include "fuse/util.h"

enum { OPTION_HTML = CTL_LONG };

static const struct ctl_option options[] = {
	{ OPTION_HTML, "html", "FILE", "write the page to FILE" },
	CTL_TRAIL_OPTION_SINCE,
	CTL_TRAIL_OPTION_UNTIL,
	CTL_TRAIL_OPTION_INPUT,
	{ 0, NULL, NULL, NULL },
};

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

static int add_event(struct trail_event *event, void *user)
{
	if (report_add(user, event) < 0)
		return ctl_fail("no memory");
	return CTL_OK;
}

static int gather(const char *input, struct report *report)
{
	_cleanup_(trail_closep) struct trail *trail = NULL;
	int status = ctl_trail_open(input, false, &trail);

	if (status == CTL_OK)
		status = ctl_trail_each(trail, true, add_event, report);
	if (status != CTL_OK)
		return status;
	report->counts = trail_counts(trail);
	ctl_trail_print_skipped(trail);
	return CTL_OK;
}

/* Everything is on the disk, or -errno. */
static int fill(int fd, struct report *report)
{
	_cleanup_(fclosep) FILE *out = fdopen(fd, "w");

	if (!out) {
		close(fd);
		return -ENOMEM;
	}
	errno = 0;
	if (report_write(out, report) < 0)
		return -ENOMEM;
	if (fflush(out) != 0 || ferror(out) || fsync(fd) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

/* What is at `file` stays as it is until the page is complete. Readable to its owner
 * only: it tells who did what. */
static int write_page(const char *file, struct report *report)
{
	_cleanup_(freep) char *temporary = NULL;
	int fd, r;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return ctl_fail("no memory");
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return ctl_fail("cannot make a file beside %s: %m", QUOTED(file));
	r = fill(fd, report);
	if (r == 0 && rename(temporary, file) < 0)
		r = -errno;
	if (r == 0)
		return CTL_OK;
	(void)unlink(temporary);
	return ctl_fail("cannot write %s: %s", QUOTED(file), strerrordesc_np(-r));
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	_cleanup_(report_fini) struct report report = { 0 };
	const char *input = NULL, *file = NULL;
	int code, status;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code == OPTION_HTML)
			file = optarg;
		else if (ctl_trail_option(verb, code, &input, &report.filter) != CTL_OK)
			return CTL_USAGE;
	}
	if (optind < argc)
		return ctl_usage(verb, "takes options only");
	if (!file)
		return ctl_usage(verb, "--html=FILE says where the page goes");
	if (ctl_trail_check_times(verb, &report.filter) != CTL_OK)
		return CTL_USAGE;
	if (report_init(&report) < 0)
		return ctl_fail("no memory");
	status = gather(input, &report);
	return status == CTL_OK ? write_page(file, &report) : status;
}

const struct ctl_verb ctl_report = {
	.name = "report",
	.arguments = "--html=FILE",
	.summary = "Write the trail as one page for an auditor.",
	.details = "The page is one file that needs no network: period, people and "
		   "zones, a\n"
		   "timeline, denials by rule, policies, gaps, and what could not be "
		   "read.\n",
	.options = options,
	.run = run,
};
