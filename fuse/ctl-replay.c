/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl replay: what another policy would have made of the past. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-guards.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl-replay.h"
#include "fuse/ctl-trail.h"
#include "fuse/util.h"

enum { OPTION_OLD = CTL_LONG, OPTION_MOUNT, OPTION_FAIL_ON, OPTION_JSON };

static const struct ctl_option options[] = {
	CTL_TRAIL_OPTION_SINCE,
	CTL_TRAIL_OPTION_UNTIL,
	{ OPTION_OLD, "old", "FILE",
	  "a policy that was in force then (else: the installed one); can be repeated" },
	{ OPTION_MOUNT, "mount", "DIR", "only the share that is mounted at DIR" },
	{ OPTION_FAIL_ON, "fail-on", "WHAT,...",
	  "exit with 1 on widen, narrow or untold (else: widen,narrow)" },
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	CTL_TRAIL_OPTION_INPUT,
	{ 0, NULL, NULL, NULL },
};

static const struct {
	const char *word;
	enum replay_result result;
} failures[] = {
	{ "widen", REPLAY_ALLOWED },
	{ "narrow", REPLAY_DENIED },
	{ "untold", REPLAY_UNTOLD },
};

#define N_FAILURES (sizeof(failures) / sizeof(failures[0]))

struct arguments {
	const char *input, *policy;
	const char *old[REPLAY_OLD_MAX];
	size_t n_old;
	bool fails_on[N_REPLAY_RESULTS], json;
	struct replay_question question;
};

/* The policies that the question borrows. */
struct policies {
	struct policy *candidate, *old[REPLAY_OLD_MAX];
};

static void policies_fini(struct policies *policies)
{
	policy_unref(policies->candidate);
	for (size_t i = 0; i < REPLAY_OLD_MAX; i++)
		policy_unref(policies->old[i]);
}

/* The installed policy need not be there: what cannot be told without it is said. */
static int load(struct arguments *arguments, struct policies *policies)
{
	struct replay_question *question = &arguments->question;
	int status = ctl_load_policy(arguments->policy, &policies->candidate);

	question->candidate = policies->candidate;
	for (size_t i = 0; status == CTL_OK && i < arguments->n_old; i++)
		status = ctl_load_policy(arguments->old[i], &policies->old[i]);
	question->n_old = arguments->n_old;
	if (status == CTL_OK && arguments->n_old == 0 &&
	    access(CTL_POLICY_FILE, F_OK) == 0 &&
	    ctl_load_policy(CTL_POLICY_FILE, &policies->old[0]) == CTL_OK)
		question->n_old = 1;
	for (size_t i = 0; i < question->n_old; i++)
		question->old[i] = policies->old[i];
	return status;
}

static int add_event(struct trail_event *event, void *user)
{
	struct replay *replay = user;
	const struct replay_answer *answer;
	int r = replay_add(replay, event);

	if (r == 0)
		return CTL_OK;
	if (r != -EXDEV)
		return ctl_fail("no memory");
	answer = replay_answer(replay);
	return ctl_fail(
		"the trail is of several shares, and one policy is for one of them: "
		"choose with --mount=%s or --mount=%s",
		QUOTED(answer->mountpoint), QUOTED(answer->other_mountpoint));
}

static int print(const struct arguments *arguments, const struct replay_answer *answer,
		 const struct trail *trail)
{
	if (arguments->json)
		return ctl_replay_print_json(&arguments->question, answer, trail) < 0
			       ? ctl_fail("no memory")
			       : CTL_OK;
	ctl_pager_start();
	ctl_replay_print(&arguments->question, answer);
	return ctl_pager_end();
}

static int ask(const struct arguments *arguments)
{
	_cleanup_(replay_freep) struct replay *replay = replay_new(&arguments->question);
	_cleanup_(trail_closep) struct trail *trail = NULL;
	const struct replay_answer *answer;
	int status;

	if (!replay)
		return ctl_fail("no memory");
	status = ctl_trail_open(arguments->input, false, &trail);
	if (status == CTL_OK)
		status = ctl_trail_each(trail, true, add_event, replay);
	if (status != CTL_OK)
		return status;
	answer = replay_answer(replay);
	status = print(arguments, answer, trail);
	ctl_trail_print_skipped(trail);
	for (unsigned i = 0; status == CTL_OK && i < N_REPLAY_RESULTS; i++)
		if (arguments->fails_on[i] && answer->n_results[i] > 0)
			status = CTL_NO;
	return status;
}

/* The guards that are mounted now, for a trail that has lost its beginning. */
static int look_for_mounts(struct arguments *arguments, const struct ctl_guards *guards,
			   const char ***ret)
{
	const char **mounted = calloc(guards->n_items + 1, sizeof(*mounted));
	size_t n = 0;

	*ret = mounted;
	if (!mounted)
		return ctl_fail("no memory");
	for (size_t i = 0; i < guards->n_items; i++)
		if (guards->items[i].mountpoint)
			mounted[n++] = guards->items[i].mountpoint;
	arguments->question.mounted = mounted;
	arguments->question.n_mounted = n;
	return CTL_OK;
}

static int replay(struct arguments *arguments)
{
	_cleanup_(policies_fini) struct policies policies = { 0 };
	_cleanup_(ctl_guards_fini) struct ctl_guards guards = { 0 };
	_cleanup_(freep) const char **mounted = NULL;
	int status = load(arguments, &policies);

	if (status == CTL_OK)
		status = ctl_look_for_guards(&guards);
	if (status == CTL_OK)
		status = look_for_mounts(arguments, &guards, &mounted);
	return status == CTL_OK ? ask(arguments) : status;
}

static int take_failures(const struct ctl_verb *verb, struct arguments *arguments)
{
	char copy[64], *state = copy, *item;
	size_t i;

	if (strlen(optarg) >= sizeof(copy))
		return ctl_usage(verb, "--fail-on takes no %s", QUOTED(optarg));
	strcpy(copy, optarg);
	memset(arguments->fails_on, 0, sizeof(arguments->fails_on));
	while ((item = text_next_item(&state))) {
		for (i = 0; i < N_FAILURES && strcmp(item, failures[i].word) != 0; i++)
			;
		if (i == N_FAILURES)
			return ctl_usage(
				verb,
				"--fail-on takes 'widen', 'narrow' and 'untold', "
				"not %s",
				QUOTED(item));
		arguments->fails_on[failures[i].result] = true;
	}
	return CTL_OK;
}

static int take_old(const struct ctl_verb *verb, struct arguments *arguments)
{
	if (arguments->n_old == REPLAY_OLD_MAX)
		return ctl_usage(verb, "--old can be given %d times", REPLAY_OLD_MAX);
	arguments->old[arguments->n_old++] = optarg;
	return CTL_OK;
}

/* As the guard writes it: without slashes at the end. */
static int take_mount(const struct ctl_verb *verb, struct arguments *arguments)
{
	size_t length = strlen(optarg);

	if (optarg[0] != '/')
		return ctl_usage(verb, "the mount point must begin with '/'");
	while (length > 1 && optarg[length - 1] == '/')
		optarg[--length] = '\0';
	arguments->question.mountpoint = optarg;
	return CTL_OK;
}

static int take(const struct ctl_verb *verb, int code, struct arguments *arguments)
{
	switch (code) {
	case OPTION_OLD:
		return take_old(verb, arguments);
	case OPTION_MOUNT:
		return take_mount(verb, arguments);
	case OPTION_FAIL_ON:
		return take_failures(verb, arguments);
	case OPTION_JSON:
		arguments->json = true;
		return CTL_OK;
	default:
		return ctl_trail_option(verb, code, &arguments->input,
					&arguments->question.filter);
	}
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = {
		.fails_on = { [REPLAY_DENIED] = true, [REPLAY_ALLOWED] = true },
	};
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (take(verb, code, &arguments) != CTL_OK)
			return CTL_USAGE;
	}
	if (argc - optind != 1)
		return ctl_usage(verb, "takes one policy: NEW-POLICY");
	arguments.policy = argv[optind];
	if (ctl_trail_check_times(verb, &arguments.question.filter) != CTL_OK)
		return CTL_USAGE;
	return replay(&arguments);
}

const struct ctl_verb ctl_replay = {
	.name = "replay",
	.arguments = "NEW-POLICY",
	.summary = "Decide the past again by another policy: what would be different.",
	.details = "Each decision on record is decided again: what would now be denied "
		   "(-), what\n"
		   "would be allowed that was not (+), and what cannot be told (?), by "
		   "person and\n"
		   "path. The exit status is 1 if anything would be different.\n",
	.options = options,
	.run = run,
};
