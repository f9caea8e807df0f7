/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl promote: a promotion with its digest known, and with an answer. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/text.h"

#include "fuse/ctl-copy.h"
#include "fuse/ctl-guards.h"
#include "fuse/ctl-tree.h"
#include "fuse/ctl.h"
#include "fuse/util.h"
#include "fuse/word-names.h"

enum { OPTION_KEEP = CTL_LONG };

static const struct ctl_option options[] = {
	{ OPTION_KEEP, "keep", NULL, "leave a copy where it was" },
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

/* The copy of --keep: made before, as a full disk must be told before anything happens,
 * and given the old name when that is free. */
struct keeping {
	int dir_fd;
	const char *name; /* in it: what is promoted */
	char copy[NAME_MAX + 1];
};

static int keep_fail(const char *what, int error)
{
	static const struct ctl_meaning copy_meanings[] = {
		{ EACCES, CTL_NO,
		  "--keep: you may not make a copy here: it takes 'create'" },
		{ ENOSPC, CTL_FAILED,
		  "--keep: there is no room for a copy; nothing was promoted" },
		{ 0, 0, NULL },
	};

	return ctl_tree_fail(what, error, copy_meanings);
}

/* CTL_OK, or the exit status, having said why. `path` is cut at its last slash. */
static int keep_begin(const char *from, char *path, struct keeping *ret)
{
	char *slash;
	int r, n;

	for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
		path[--length] = '\0';
	slash = strrchr(path, '/');
	ret->name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	n = snprintf(ret->copy, sizeof(ret->copy), ".%s.keep-%d", ret->name,
		     (int)getpid());
	if (n >= (int)sizeof(ret->copy))
		return keep_fail(from, ENAMETOOLONG);
	ret->dir_fd = open(!slash	   ? "."
			   : slash == path ? "/"
					   : path,
			   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir_fd < 0)
		return keep_fail(from, errno);
	r = ctl_copy(ret->dir_fd, ret->name, ret->copy);
	return r < 0 ? keep_fail(from, -r) : CTL_OK;
}

/* After the promotion, or after it was refused. */
static int keep_end(const char *from, const struct keeping *keeping, bool promoted)
{
	int r;

	if (!promoted)
		r = ctl_remove(keeping->dir_fd, keeping->copy);
	else
		r = RET_ERRNO(renameat2(keeping->dir_fd, keeping->copy, keeping->dir_fd,
					keeping->name, RENAME_NOREPLACE));
	if (r == 0)
		return CTL_OK;
	return ctl_fail("%s: the copy is called %s: %s", QUOTED(from),
			QUOTED(keeping->copy), strerrordesc_np(-r));
}

static int promote(const char *from, const char *to, const char *hex)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
		return say_refusal(from, errno);
	ctl_puts_safe(stdout, to);
	printf(": promoted, sha256 %s\n", hex);
	return CTL_OK;
}

static int promote_and_keep(const char *from, const char *to, const char *hex)
{
	_cleanup_(freep) char *path = strdup(from);
	struct keeping keeping = { .dir_fd = -1 };
	int status, ended;

	if (!path)
		return ctl_fail("no memory");
	status = keep_begin(from, path, &keeping);
	if (status == CTL_OK) {
		status = promote(from, to, hex);
		ended = keep_end(from, &keeping, status == CTL_OK);
		status = status == CTL_OK ? ended : status;
	}
	closep(&keeping.dir_fd);
	return status;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	char hex[DIGEST_HEX_SIZE];
	const char *from, *to;
	bool keep = false;
	int code, status;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code != OPTION_KEEP)
			return CTL_USAGE;
		keep = true;
	}
	if (argc - optind != 2)
		return ctl_usage(verb, "PATH and NEWPATH are needed");
	from = argv[optind];
	to = argv[optind + 1];
	status = ctl_check_in_share(from);
	if (status == CTL_OK)
		status = ctl_tree_digest(from, hex);
	if (status != CTL_OK)
		return status;
	return keep ? promote_and_keep(from, to, hex) : promote(from, to, hex);
}

const struct ctl_verb ctl_promote = {
	.name = "promote",
	.arguments = "[--keep] PATH NEWPATH",
	.summary = "Promote a file or a directory, and say what is in its way.",
	.details =
		"As 'mv -T PATH NEWPATH', with the digest computed before; NEWPATH must "
		"not exist.\n",
	.options = options,
	.run = run,
};
