/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl diff: who may do more, and who less, by another policy. */
#include <getopt.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-effect.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

enum { OPTION_FAIL_ON = CTL_LONG, OPTION_JSON };

static const struct ctl_option options[] = {
	{ OPTION_FAIL_ON, "fail-on", "widen",
	  "exit with 1 if anybody may do more, or a setting is weaker" },
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

struct arguments {
	const char *old, *new;
	bool fail_on_widening, json;
};

static int show(const struct arguments *arguments, const struct effect *effect)
{
	if (arguments->json)
		return ctl_json_print(effect_json(effect)) < 0 ? ctl_fail("no memory")
							       : CTL_OK;
	ctl_pager_start();
	effect_print(effect);
	return ctl_pager_end();
}

static int compare(const struct arguments *arguments, const struct policy *old,
		   const struct policy *new)
{
	_cleanup_(people_fini) struct people people = { 0 };
	_cleanup_(effect_fini) struct effect effect = { 0 };
	int status = ctl_find_effect(old, new, &people, &effect);

	if (status == CTL_OK)
		status = show(arguments, &effect);
	if (status != CTL_OK)
		return status;
	return arguments->fail_on_widening && effect.widened ? CTL_NO : CTL_OK;
}

static int diff(const struct arguments *arguments)
{
	_cleanup_(policy_unrefp) struct policy *old = NULL, *new = NULL;
	int status = ctl_load_policy(arguments->old, &old);

	if (status == CTL_OK)
		status = ctl_load_policy(arguments->new, &new);
	return status == CTL_OK ? compare(arguments, old, new) : status;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code == '?')
			return CTL_USAGE;
		if (code == OPTION_JSON) {
			arguments.json = true;
			continue;
		}
		if (strcmp(optarg, "widen") != 0)
			return ctl_usage(verb, "--fail-on takes 'widen', not %s",
					 QUOTED(optarg));
		arguments.fail_on_widening = true;
	}
	if (argc - optind != 2)
		return ctl_usage(verb, "takes two policies: OLD and NEW");
	arguments.old = argv[optind];
	arguments.new = argv[optind + 1];
	return diff(&arguments);
}

const struct ctl_verb ctl_diff = {
	.name = "diff",
	.arguments = "OLD NEW",
	.summary = "Show who may do more, and who less, by another policy.",
	.details = "The people are those whom the name service knows here. Each line "
		   "tells the verbs,\n"
		   "the path and how many people; then by which role and line, and who "
		   "they are.\n",
	.options = options,
	.run = run,
};
