/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl approve, unapprove and approvals. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>

#include "config/text.h"

#include "fuse/ctl-guards.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-tree.h"
#include "fuse/ctl.h"
#include "fuse/util.h"
#include "fuse/word-names.h"

enum { OPTION_NOTE = CTL_LONG, OPTION_JSON };

static const struct ctl_option note_options[] = {
	{ OPTION_NOTE, "note", "TEXT", "what was looked at: it goes on record" },
	{ 0, NULL, NULL, NULL },
};

static const struct ctl_option json_options[] = {
	{ OPTION_JSON, "json", NULL, "print the result as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

static const struct ctl_meaning meanings[] = {
	{ EACCES, CTL_NO,
	  "you may not: it takes 'approve' in the zone that it is promoted to, and "
	  "'read' "
	  "where it is" },
	{ EOPNOTSUPP, CTL_NO, "from here nothing is promoted that takes approvals" },
	{ ESTALE, CTL_NO, "it was changed meanwhile: look at it again" },
	{ EAGAIN, CTL_NO, "it is being changed: try again" },
	{ ENODATA, CTL_NO, "there is no approval of yours" },
	{ ENOSPC, CTL_FAILED, "there are as many approvals of it as can be kept" },
	{ EINVAL, CTL_USAGE, "the note must be one line of 1 to 100 bytes" },
	{ 0, 0, NULL },
};

/* The one PATH and the note, of both verbs. CTL_OK, or the exit status. */
static int parse(const struct ctl_verb *verb, int argc, char **argv,
		 const char **ret_note)
{
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code != OPTION_NOTE)
			return CTL_USAGE;
		*ret_note = optarg;
	}
	if (argc - optind != 1)
		return ctl_usage(verb, "one PATH is needed");
	return ctl_check_in_share(argv[optind]);
}

static int run_approve(const struct ctl_verb *verb, int argc, char **argv)
{
	char text[WORD_MAX], hex[DIGEST_HEX_SIZE];
	const char *note = NULL, *path;
	int status = parse(verb, argc, argv, &note);

	if (status != CTL_OK)
		return status;
	path = argv[optind];
	if (!note)
		return ctl_usage(verb, "--note is missing: say what you have looked at");
	status = ctl_tree_digest(path, hex);
	if (status != CTL_OK)
		return status;
	snprintf(text, sizeof(text), "%s %s", hex, note);
	if (setxattr(path, WORD_APPROVE, text, strlen(text), 0) < 0)
		return ctl_tree_fail(path, errno, meanings);
	ctl_puts_safe(stdout, path);
	printf(": approved, sha256 %s\n", hex);
	return CTL_OK;
}

static int run_unapprove(const struct ctl_verb *verb, int argc, char **argv)
{
	const char *note = "unapproved", *path;
	int status = parse(verb, argc, argv, &note);

	if (status != CTL_OK)
		return status;
	path = argv[optind];
	if (setxattr(path, WORD_UNAPPROVE, note, strlen(note), 0) < 0)
		return ctl_tree_fail(path, errno, meanings);
	ctl_puts_safe(stdout, path);
	puts(": your approval is taken back");
	return CTL_OK;
}

static const char *text_of(const json_t *item, const char *key)
{
	const char *text = json_string_value(json_object_get(item, key));

	return text ? text : "?";
}

static void print_approval(const json_t *item, const char *hex)
{
	time_t when = (time_t)json_integer_value(json_object_get(item, "time"));
	bool holds = strcmp(text_of(item, "digest"), hex) == 0;
	char day[40] = "?";
	struct tm tm;

	if (localtime_r(&when, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d %H:%M", &tm);
	printf("%s%-4s%s  ", ctl_colour(stdout, holds ? CTL_GREEN : CTL_RED),
	       holds ? "same" : "void", ctl_colour(stdout, CTL_PLAIN));
	ctl_puts_safe(stdout, text_of(item, "name"));
	fputs(", for ", stdout);
	ctl_puts_safe(stdout, text_of(item, "zone"));
	printf(", %s: ", day);
	ctl_puts_safe(stdout, text_of(item, "note"));
	putchar('\n');
}

/* Takes the list. */
static int print_approvals(json_t *list, const char *hex, bool json)
{
	json_t *document, *item;
	size_t i;

	if (!json) {
		printf("sha256 %s\n", hex);
		json_array_foreach(list, i, item) print_approval(item, hex);
		if (json_array_size(list) == 0)
			puts("nobody has approved it");
		json_decref(list);
		return CTL_OK;
	}
	document = json_object();
	ctl_json_set_text(document, "digest", hex);
	ctl_json_set(document, "approvals", list);
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : CTL_OK;
}

static int run_approvals(const struct ctl_verb *verb, int argc, char **argv)
{
	_cleanup_(freep) char *answer = NULL;
	char hex[DIGEST_HEX_SIZE];
	bool json = false;
	json_t *list;
	int code, status;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code != OPTION_JSON)
			return CTL_USAGE;
		json = true;
	}
	if (argc - optind != 1)
		return ctl_usage(verb, "one PATH is needed");
	status = ctl_check_in_share(argv[optind]);
	if (status == CTL_OK)
		status = ctl_tree_digest(argv[optind], hex);
	if (status != CTL_OK)
		return status;
	answer = ctl_tree_ask(argv[optind], WORD_APPROVALS);
	if (!answer)
		return ctl_tree_fail(argv[optind], errno, meanings);
	list = json_loads(answer, 0, NULL);
	return list ? print_approvals(list, hex, json)
		    : ctl_fail("the answer of the guard is not understood");
}

const struct ctl_verb ctl_approve = {
	.name = "approve",
	.arguments = "--note TEXT PATH",
	.summary = "Approve a file or a directory for promotion, as it is now.",
	.details =
		"Void as soon as a byte or a name in it is another. Takes 'approve' in "
		"the zone\nthat it is promoted to, and 'read' where it is.\n",
	.options = note_options,
	.run = run_approve,
};

const struct ctl_verb ctl_unapprove = {
	.name = "unapprove",
	.arguments = "[--note TEXT] PATH",
	.summary = "Take one's approval back.",
	.options = note_options,
	.run = run_unapprove,
};

const struct ctl_verb ctl_approvals = {
	.name = "approvals",
	.arguments = "PATH",
	.summary = "Show who approved something, and which approvals still hold.",
	.options = json_options,
	.run = run_approvals,
};
