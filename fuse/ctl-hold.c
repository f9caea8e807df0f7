/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl hold and release: a legal hold on what is sealed. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/xattr.h>

#include "config/text.h"

#include "fuse/ctl-guards.h"
#include "fuse/ctl.h"
#include "fuse/word-names.h"

enum { OPTION_REASON = CTL_LONG };

static const struct ctl_option options[] = {
	{ OPTION_REASON, "reason", "TEXT", "why: it goes on record" },
	{ 0, NULL, NULL, NULL },
};

/* What an order came to. */
static int print_outcome(const char *path, const char *done, int error)
{
	static const struct {
		int error, status;
		const char *text;
	} outcomes[] = {
		{ EACCES, CTL_NO, "you may not: it takes 'admin' in the zone" },
		{ EPERM, CTL_NO, "you may not: it takes 'admin' in the zone" },
		{ EOPNOTSUPP, CTL_NO,
		  "only in a zone with 'write-once = yes' can something be held" },
		{ ENODATA, CTL_NO, "it is not held by itself" },
		{ EINVAL, CTL_USAGE, "the reason must be one line of 1 to 255 bytes" },
	};
	const char *text = strerrordesc_np(error);
	int status = CTL_FAILED;

	if (error == 0) {
		ctl_puts_safe(stdout, path);
		printf(": %s\n", done);
		return CTL_OK;
	}
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		if (outcomes[i].error != error)
			continue;
		text = outcomes[i].text;
		status = outcomes[i].status;
	}
	ctl_fail("%s: %s", QUOTED(path), text);
	return status;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	bool holds = verb == &ctl_hold;
	const char *reason = NULL;
	int code, status, error;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code != OPTION_REASON)
			return CTL_USAGE;
		reason = optarg;
	}
	if (argc - optind != 1)
		return ctl_usage(verb, "one PATH is needed");
	if (!reason)
		return ctl_usage(verb, "--reason is missing");
	status = ctl_check_in_share(argv[optind]);
	if (status != CTL_OK)
		return status;
	error = setxattr(argv[optind], holds ? WORD_HOLD : WORD_RELEASE, reason,
			 strlen(reason), 0) < 0
			? errno
			: 0;
	return print_outcome(argv[optind], holds ? "held" : "released", error);
}

const struct ctl_verb ctl_hold = {
	.name = "hold",
	.arguments = "--reason TEXT PATH",
	.summary = "Keep a sealed file or directory from being removed (legal hold).",
	.details =
		"Takes 'admin' in the zone. What is below a directory is held with it.\n",
	.options = options,
	.run = run,
};

const struct ctl_verb ctl_release = {
	.name = "release",
	.arguments = "--reason TEXT PATH",
	.summary = "End a hold.",
	.details = "Takes 'admin' in the zone.\n",
	.options = options,
	.run = run,
};
