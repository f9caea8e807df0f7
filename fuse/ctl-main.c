/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the admin's tool. The verbs are a table, one file each. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuse/ctl.h"

#ifndef MODELGUARD_VERSION
#define MODELGUARD_VERSION "(development)"
#endif

/* A line for each. */
/* clang-format off */
static const struct ctl_verb *const verbs[] = {
	&ctl_check,
	&ctl_edit,
	&ctl_diff,
	&ctl_who,
	&ctl_user,
	&ctl_explain,
	&ctl_status,
	&ctl_reload,
	&ctl_log,
	&ctl_history,
	&ctl_report,
	&ctl_replay,
	&ctl_inspect,
	&ctl_approve,
	&ctl_approvals,
	&ctl_unapprove,
	&ctl_promote,
	&ctl_manifest,
	&ctl_lineage,
	&ctl_verify,
	&ctl_hold,
	&ctl_release,
	&ctl_doctor,
	&ctl_grant,
	&ctl_grants,
	&ctl_revoke,
};
/* clang-format on */

#define N_CTL_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct ctl_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < N_CTL_VERBS; i++) {
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	}
	return NULL;
}

static void print_help(FILE *stream)
{
	fputs("Usage: modelguardctl VERB [OPTION...] [ARGUMENT...]\n"
	      "Says who may do what in a share that modelguard guards, who did, and how "
	      "the guard is.\n\nVerbs:\n",
	      stream);
	for (size_t i = 0; i < N_CTL_VERBS; i++)
		fprintf(stream, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n'modelguardctl VERB --help' shows the options of a verb, 'modelguardctl "
	      "--version' the version.\n",
	      stream);
}

static int unknown_verb(const char *name)
{
	fputs("modelguardctl: no such verb: ", stderr);
	ctl_puts_safe(stderr, name);
	fputs("\nSee 'modelguardctl --help'.\n", stderr);
	return CTL_USAGE;
}

/* help [VERB] */
static int run_help(const char *name)
{
	const struct ctl_verb *verb = name ? find_verb(name) : NULL;

	if (name && !verb)
		return unknown_verb(name);
	if (verb)
		ctl_help(verb, stdout);
	else
		print_help(stdout);
	return CTL_OK;
}

static int run(int argc, char **argv)
{
	const struct ctl_verb *verb;

	if (argc < 2) {
		print_help(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("modelguardctl " MODELGUARD_VERSION);
		return CTL_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return run_help(argc > 2 ? argv[2] : NULL);
	verb = find_verb(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	return verb->run(verb, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	/* An answer that did not get through is none: a full disk, a closed pipe. */
	if (fflush(stdout) != 0 || ferror(stdout))
		return ctl_fail("cannot write the answer: %m");
	return status;
}
