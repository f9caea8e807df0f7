/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl promote: a promotion with its digest known, and with an answer. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/ctl-guards.h"
#include "fuse/ctl-tree.h"
#include "fuse/ctl.h"
#include "fuse/util.h"
#include "fuse/word-names.h"

static const struct ctl_option options[] = {
	{ 0, NULL, NULL, NULL },
};

static const struct ctl_meaning meanings[] = {
	{ EACCES, CTL_NO,
	  "you may not: it takes 'promote' in the zone it goes to, and 'read' and "
	  "'delete' "
	  "where it is" },
	{ EEXIST, CTL_NO, "the new name is taken, and a promotion replaces nothing" },
	{ EXDEV, CTL_NO,
	  "that would be no promotion: the zone it goes to names another directory in "
	  "promote-from, or none" },
	{ EPERM, CTL_NO, "refused: the trail says why" },
	{ ENOENT, CTL_NO, "there is no such file, or no directory for the new name" },
	{ EAGAIN, CTL_NO, "the policy has just changed: try again" },
	{ 0, 0, NULL },
};

/* What the guard has against it, if it told. */
static int say_refusal(const char *path, int error)
{
	_cleanup_(freep) char *reason =
		error == EACCES ? NULL : ctl_tree_ask(path, WORD_PROMOTE);

	if (!reason)
		return ctl_tree_fail(path, error, meanings);
	fputs("modelguardctl: ", stderr);
	ctl_puts_safe(stderr, path);
	fputs(": refused: ", stderr);
	ctl_puts_safe(stderr, reason);
	fputc('\n', stderr);
	return CTL_NO;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	char hex[DIGEST_HEX_SIZE];
	const char *from, *to;
	int status;

	if (ctl_getopt(verb, argc, argv) != -1)
		return CTL_USAGE;
	if (argc - optind != 2)
		return ctl_usage(verb, "PATH and NEWPATH are needed");
	from = argv[optind];
	to = argv[optind + 1];
	status = ctl_check_in_share(from);
	if (status == CTL_OK)
		status = ctl_tree_digest(from, hex);
	if (status != CTL_OK)
		return status;
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
		return say_refusal(from, errno);
	ctl_puts_safe(stdout, to);
	printf(": promoted, sha256 %s\n", hex);
	return CTL_OK;
}

const struct ctl_verb ctl_promote = {
	.name = "promote",
	.arguments = "PATH NEWPATH",
	.summary = "Promote a file or a directory, and say what is in its way.",
	.details =
		"As 'mv -T PATH NEWPATH', with the digest computed before; NEWPATH must "
		"not exist.\n",
	.options = options,
	.run = run,
};
