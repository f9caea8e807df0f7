/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what its verbs share. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "config/policy-load.h"
#include "config/policy.h"

#define CTL_POLICY_FILE "/etc/modelguard/policy.ini"

/* Exit statuses; the manual page lists them. */
enum ctl_status {
	CTL_OK = 0,	 /* yes: sound, allowed */
	CTL_NO = 1,	 /* no: refused by check, denied by explain */
	CTL_USAGE = 2,	 /* the command line is wrong */
	CTL_POLICY = 3,	 /* the policy that is needed for the answer is refused */
	CTL_NO_USER = 4, /* no such user */
	CTL_FAILED = 5,	 /* a file cannot be read, no memory, the name service does not
			    answer */
	CTL_WARNED = 6,	 /* doctor: warnings, and nothing critical */
	CTL_UNTOLD = 7,	 /* doctor: something could not be told, and nothing else */
};

/* An option of a verb. */
struct ctl_option {
	int code;	      /* its letter, or from CTL_LONG on if it has none */
	const char *name;     /* --name */
	const char *argument; /* what it takes, for --help; NULL: nothing */
	const char *help;
};

#define CTL_LONG 256

/* A verb: one row of the table in ctl-main.c, one file. */
struct ctl_verb {
	const char *name;
	const char *arguments;		  /* for --help: "[FILE]" */
	const char *summary;		  /* one line */
	const char *details;		  /* more for its own --help, lines; or NULL */
	const struct ctl_option *options; /* ends with a NULL name; --help is added */
	int (*run)(const struct ctl_verb *verb, int argc, char **argv);
};

/* A line for each. */
/* clang-format off */
extern const struct ctl_verb
	ctl_approvals,
	ctl_approve,
	ctl_check,
	ctl_diff,
	ctl_doctor,
	ctl_edit,
	ctl_explain,
	ctl_grant,
	ctl_grants,
	ctl_history,
	ctl_hold,
	ctl_inspect,
	ctl_lineage,
	ctl_log,
	ctl_manifest,
	ctl_promote,
	ctl_release,
	ctl_reload,
	ctl_replay,
	ctl_report,
	ctl_revoke,
	ctl_status,
	ctl_unapprove,
	ctl_user,
	ctl_verify,
	ctl_who;
/* clang-format on */

/* The next option by getopt_long(3), its argument in optarg: its code, -1 after the last,
 * '?' after a complaint. --help is answered with exit(3). */
int ctl_getopt(const struct ctl_verb *verb, int argc, char **argv);

/* Prints what is wrong with the command line and where help is. Returns CTL_USAGE. */
int ctl_usage(const struct ctl_verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The --help of a verb. */
void ctl_help(const struct ctl_verb *verb, FILE *stream);

/* "modelguardctl: text" on stderr. Returns CTL_FAILED. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Colours are terminal sequences, or "" if the stream is no terminal or NO_COLOR is set
 * (no-color.org). */
enum ctl_colour { CTL_PLAIN, CTL_BOLD, CTL_RED, CTL_GREEN, CTL_DIM };
const char *ctl_colour(FILE *stream, enum ctl_colour colour);

/* stdout is a pipe to a pager now that shows on a terminal, or it is no longer. */
void ctl_colour_through_pipe(bool yes);

/* Prints bytes from outside; what is not printable ASCII as \xNN. */
void ctl_print_safe(FILE *stream, const char *bytes, size_t length);
void ctl_puts_safe(FILE *stream, const char *text);

/* "file:line: text" for each, on stderr; line 0 is left out. */
void ctl_print_complaints(const char *file, const struct complaints *complaints);
