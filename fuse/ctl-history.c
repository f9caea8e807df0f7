/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl history: everything that happened to one model, through its renames. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-event.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl-trail.h"
#include "fuse/trail-lineage.h"
#include "fuse/util.h"

enum { OPTION_JSON = CTL_LONG };

static const struct ctl_option options[] = {
	CTL_TRAIL_OPTION_SINCE,
	CTL_TRAIL_OPTION_UNTIL,
	{ OPTION_JSON, "json", NULL, "one JSON object a line" },
	CTL_TRAIL_OPTION_INPUT,
	{ 0, NULL, NULL, NULL },
};

struct history {
	const char *input;
	struct trail_filter filter; /* its times only */
	bool json;
	struct lineage *lineage;
	bool any;
};

static int note_event(struct trail_event *event, void *user)
{
	struct history *history = user;

	if (lineage_note(history->lineage, event) < 0)
		return ctl_fail("no memory");
	return CTL_OK;
}

static int print_event(struct trail_event *event, void *user)
{
	struct history *history = user;

	if (!trail_filter_in_time(&history->filter, event) ||
	    !lineage_has(history->lineage, event))
		return CTL_OK;
	history->any = true;
	if (ferror(stdout))
		return CTL_TRAIL_STOP;
	return history->json ? ctl_event_print_json(event) : ctl_event_print(event);
}

/* Names are followed through the whole trail, whatever part of it is asked for. */
static int show(struct history *history, const char *path)
{
	_cleanup_(trail_closep) struct trail *trail = NULL;
	_cleanup_(lineage_freep) struct lineage *lineage = lineage_new();
	int status = ctl_trail_open(history->input, false, &trail);

	if (status != CTL_OK)
		return status;
	history->lineage = lineage;
	if (!lineage)
		return ctl_fail("no memory");
	status = ctl_trail_each(trail, true, note_event, history);
	if (status != CTL_OK)
		return status;
	if (lineage_trace(lineage, path) < 0)
		return ctl_fail("no memory");
	if (trail_rewind(trail) < 0)
		return ctl_fail("cannot read the trail again: %m");
	if (!history->json)
		ctl_pager_start();
	status = ctl_trail_each(trail, false, print_event, history);
	if (ctl_pager_end() != CTL_OK || status != CTL_OK)
		return CTL_FAILED;
	ctl_trail_print_skipped(trail);
	return history->any ? CTL_OK : CTL_NO;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct history history = { 0 };
	char *path;
	size_t length;
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code == OPTION_JSON)
			history.json = true;
		else if (ctl_trail_option(verb, code, &history.input, &history.filter) !=
			 CTL_OK)
			return CTL_USAGE;
	}
	if (argc - optind != 1)
		return ctl_usage(verb, "takes one PATH");
	path = argv[optind];
	if (path[0] != '/')
		return ctl_usage(verb, "the path must begin with '/', as users see it");
	for (length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
		path[length - 1] = '\0';
	if (ctl_trail_check_times(verb, &history.filter) != CTL_OK)
		return CTL_USAGE;
	return show(&history, path);
}

const struct ctl_verb ctl_history = {
	.name = "history",
	.arguments = "PATH",
	.summary = "Show everything that happened to one model, through its renames.",
	.details = "PATH is any name that it has or had, as users see it. What other "
		   "names it\n"
		   "had, by renames and links, is followed both ways. The exit status is "
		   "1 if\n"
		   "the trail has nothing of it.\n",
	.options = options,
	.run = run,
};
