/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of modelguard. */
#pragma once

#include <stdbool.h>

#define OPTIONS_POLICY_DEFAULT "/etc/modelguard/policy.ini"
#define OPTIONS_AUDIT_DEFAULT  "auditd"

struct options {
	char *source;	  /* absolute, links resolved */
	char *mountpoint; /* absolute, links resolved */
	char *policy;
	char *audit;
	char *mount_namespace;	   /* of those who use the mount: a file; NULL: our own */
	unsigned long mount_flags; /* MS_* */
	bool foreground;
	bool unsealed;
	bool show_help;
	bool show_version;
};

/* Parses; what is wrong is logged in one line. 0 or -EINVAL, -ENOENT, -ENOTDIR, -ENOMEM.
 * With show_help or show_version the rest is not filled in. options_fini() in any case.
 */
int options_parse(struct options *options, int argc, char *argv[]);
void options_fini(struct options *options);

/* The text of --help. */
extern const char options_help[];
