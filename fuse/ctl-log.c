/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl log: the trail, one line an event; or its sum. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-event.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl-actor.h"
#include "fuse/ctl-summary.h"
#include "fuse/ctl-trail.h"
#include "fuse/util.h"

enum {
	OPTION_USER = CTL_LONG,
	OPTION_ROLE,
	OPTION_PATH,
	OPTION_ZONE,
	OPTION_OP,
	OPTION_DENIED,
	OPTION_FOLLOW,
	OPTION_SUMMARY,
	OPTION_JSON,
};

static const struct ctl_option options[] = {
	{ OPTION_USER, "user", "USER", "by this user, a name or a uid" },
	{ OPTION_ROLE, "role", "ROLE", "decided by this role" },
	{ OPTION_PATH, "path", "PATH",
	  "at PATH or below it; or a glob: '*.safetensors'" },
	{ OPTION_ZONE, "zone", "ZONE", "in this zone" },
	{ OPTION_OP, "op", "OP,...", "these operations; globs: 'open-*,write'" },
	{ OPTION_DENIED, "denied", NULL, "only what was denied" },
	CTL_TRAIL_OPTION_SINCE,
	CTL_TRAIL_OPTION_UNTIL,
	{ OPTION_FOLLOW, "follow", NULL, "go on with what is recorded from now on" },
	{ OPTION_SUMMARY, "summary", NULL,
	  "who touched what and how much, and denials by rule" },
	{ OPTION_JSON, "json", NULL, "one JSON object a line; of --summary, one in all" },
	CTL_TRAIL_OPTION_INPUT,
	{ 0, NULL, NULL, NULL },
};

struct arguments {
	const char *input;
	struct trail_filter filter;
	bool follow, summary, json;
	bool any; /* an event was shown */
};

static int print_event(struct trail_event *event, void *user)
{
	struct arguments *arguments = user;

	if (!trail_filter_matches(&arguments->filter, event))
		return CTL_OK;
	arguments->any = true;
	if (ferror(stdout))
		return CTL_TRAIL_STOP;
	return arguments->json ? ctl_event_print_json(event) : ctl_event_print(event);
}

/* Whether what is printed is read at all: a pipe may be closed. */
static bool is_heard(void)
{
	return fflush(stdout) == 0 && !ferror(stdout);
}

static int print_events(struct arguments *arguments, struct trail *trail)
{
	bool paged = !arguments->json && !arguments->follow;
	int status;

	if (paged)
		ctl_pager_start();
	status = ctl_trail_each(trail, false, print_event, arguments);
	if (paged && ctl_pager_end() != CTL_OK)
		return CTL_FAILED;
	while (status == CTL_OK && arguments->follow && is_heard() && trail_wait(trail))
		status = ctl_trail_each(trail, false, print_event, arguments);
	return status;
}

struct summing {
	struct arguments *arguments;
	struct summary *summary;
};

static int sum_event(struct trail_event *event, void *user)
{
	struct summing *summing = user;

	if (!trail_filter_matches(&summing->arguments->filter, event))
		return CTL_OK;
	summing->arguments->any = true;
	if (summary_add(summing->summary, event) < 0)
		return ctl_fail("no memory");
	return CTL_OK;
}

static int print_summary(struct arguments *arguments, struct trail *trail)
{
	_cleanup_(summary_freep) struct summary *summary = summary_new(SUMMARY_FILES);
	struct summing summing = { arguments, summary };
	int status;

	if (!summary)
		return ctl_fail("no memory");
	status = ctl_trail_each(trail, true, sum_event, &summing);
	if (status != CTL_OK)
		return status;
	if (!arguments->json)
		ctl_summary_print(summary);
	else if (ctl_summary_print_json(summary, trail) < 0)
		return ctl_fail("no memory");
	return CTL_OK;
}

static int show(struct arguments *arguments)
{
	_cleanup_(trail_closep) struct trail *trail = NULL;
	int status = ctl_trail_open(arguments->input, arguments->follow, &trail);

	if (status != CTL_OK)
		return status;
	if (arguments->summary)
		status = print_summary(arguments, trail);
	else
		status = print_events(arguments, trail);
	if (status != CTL_OK)
		return status;
	ctl_trail_print_skipped(trail);
	return arguments->any ? CTL_OK : CTL_NO;
}

/* Whoever left is found by the uid that is on record, too. */
static void resolve_user(struct trail_filter *filter)
{
	uid_t uid;

	filter->has_uid = filter->user && ctl_actor_uid(filter->user, &uid) == 0;
	if (filter->has_uid)
		filter->uid = uid;
}

static int check(const struct ctl_verb *verb, struct arguments *arguments)
{
	_cleanup_(freep) char *item = NULL;
	int r = 0;

	if (arguments->follow && arguments->summary)
		return ctl_usage(verb, "--follow never comes to a --summary");
	if (arguments->filter.operations)
		r = trail_filter_check_operations(arguments->filter.operations, &item);
	if (r > 0)
		return ctl_usage(verb, "no operation is recorded as %s", QUOTED(item));
	if (r < 0)
		return ctl_fail("no memory");
	resolve_user(&arguments->filter);
	return ctl_trail_check_times(verb, &arguments->filter);
}

/* Takes one option. Returns CTL_OK or CTL_USAGE. */
static int take(const struct ctl_verb *verb, int code, struct arguments *arguments)
{
	struct trail_filter *filter = &arguments->filter;

	switch (code) {
	case OPTION_USER:
		filter->user = optarg;
		return CTL_OK;
	case OPTION_ROLE:
		filter->role = optarg;
		return CTL_OK;
	case OPTION_PATH:
		filter->path = optarg;
		return CTL_OK;
	case OPTION_ZONE:
		filter->zone = optarg;
		return CTL_OK;
	case OPTION_OP:
		filter->operations = optarg;
		return CTL_OK;
	case OPTION_DENIED:
		filter->denied = true;
		return CTL_OK;
	case OPTION_FOLLOW:
		arguments->follow = true;
		return CTL_OK;
	case OPTION_SUMMARY:
		arguments->summary = true;
		return CTL_OK;
	case OPTION_JSON:
		arguments->json = true;
		return CTL_OK;
	default:
		return ctl_trail_option(verb, code, &arguments->input, filter);
	}
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int code, status;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (take(verb, code, &arguments) != CTL_OK)
			return CTL_USAGE;
	}
	if (optind < argc)
		return ctl_usage(verb, "takes options only; a path goes to --path");
	status = check(verb, &arguments);
	return status == CTL_OK ? show(&arguments) : status;
}

const struct ctl_verb ctl_log = {
	.name = "log",
	.arguments = "",
	.summary = "Show the trail: who did what, or was denied what, and by which rule.",
	.details =
		"All options together must fit an event. The exit status is 1 if none "
		"does.\n"
		"Without --input the trail is that of auditd, with its rotated files.\n",
	.options = options,
	.run = run,
};
