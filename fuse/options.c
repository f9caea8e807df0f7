/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of modelguard. */
#include <fuse_opt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fuse/log.h"
#include "fuse/options.h"
#include "fuse/util.h"

const char options_help[] =
	"usage: modelguard [-f] [-o OPTION,...] SOURCE MOUNTPOINT\n"
	"\n"
	"Mounts the directory SOURCE through a guard: roles decide, every open and "
	"every\n"
	"write is recorded. SOURCE and MOUNTPOINT may be the same directory.\n"
	"\n"
	"    -f, --foreground       stay in the foreground, messages to stderr\n"
	"    -o policy=FILE         the policy (default: " OPTIONS_POLICY_DEFAULT ")\n"
	"    -o audit=auditd        record with the audit daemon (the default)\n"
	"    -o audit=file:PATH     record to a file, one JSON object a line\n"
	"    -o unsealed            mount although SOURCE can be reached around the "
	"guard\n"
	"    -o mount-namespace=FILE\n"
	"                           mount for others: in the mount namespace of FILE,\n"
	"                           such as /proc/1/ns/mnt\n"
	"    -o ro, rw              read-only, read-write (the default)\n"
	"    -o exec, noexec        programs in the share may be run, or not (the "
	"default)\n"
	"    -o noatime             do not ask for access times\n"
	"    -o nosuid, nodev       always in force\n"
	"    -h, --help             this text\n"
	"    -V, --version          the version\n"
	"\n"
	"To end it: umount MOUNTPOINT, or send it SIGTERM. SIGHUP reads the policy "
	"again.\n";

/* What libfuse's parser fills in, before paths are resolved. */
struct parsed {
	char *policy, *audit, *mount_namespace, *source, *mountpoint;
	int foreground, unsealed, help, version;
	int read_only, exec, noatime;
	bool failed;
};

#define OPT(text, member, value)                             \
	{                                                    \
		text, offsetof(struct parsed, member), value \
	}
#define IGNORED(text) FUSE_OPT_KEY(text, FUSE_OPT_KEY_DISCARD)

static const struct fuse_opt option_table[] = {
	OPT("policy=%s", policy, 0),
	OPT("audit=%s", audit, 0),
	OPT("mount-namespace=%s", mount_namespace, 0),
	OPT("unsealed", unsealed, 1),
	OPT("-f", foreground, 1),
	OPT("--foreground", foreground, 1),
	OPT("-h", help, 1),
	OPT("--help", help, 1),
	OPT("-V", version, 1),
	OPT("--version", version, 1),
	OPT("ro", read_only, 1),
	OPT("rw", read_only, 0),
	OPT("exec", exec, 1),
	OPT("noexec", exec, 0),
	OPT("noatime", noatime, 1),
	/* Always so, or what mount.fuse3(8) and fstab(5) add for their own use. "suid"
	 * and "dev" come from mount.fuse3 whenever root mounts; they have no effect. */
	IGNORED("nosuid"),
	IGNORED("nodev"),
	IGNORED("suid"),
	IGNORED("dev"),
	IGNORED("allow_other"),
	IGNORED("auto"),
	IGNORED("noauto"),
	IGNORED("nofail"),
	IGNORED("_netdev"),
	IGNORED("x-"),
	FUSE_OPT_END,
};

static int parse_one(void *data, const char *arg, int key, struct fuse_args *args)
{
	struct parsed *parsed = data;

	(void)args;
	if (key == FUSE_OPT_KEY_NONOPT && !parsed->source)
		return (parsed->source = strdup(arg)) ? 0 : -1;
	if (key == FUSE_OPT_KEY_NONOPT && !parsed->mountpoint)
		return (parsed->mountpoint = strdup(arg)) ? 0 : -1;
	if (key == FUSE_OPT_KEY_NONOPT)
		log_error("there is an argument too many: '%s' (see modelguard --help)",
			  arg);
	else if (strncmp(arg, "x-", 2) == 0)
		return 0; /* fstab(5): for user space, e.g. x-systemd.automount */
	else
		log_error("unknown option '%s' (see modelguard --help)", arg);
	parsed->failed = true;
	return -1;
}

/* Resolves a directory given on the command line. */
static int resolve(const char *what, const char *path, char **ret)
{
	struct stat st;
	char *resolved = realpath(path, NULL);
	int r;

	if (!resolved) {
		r = -errno;
		log_error("the %s '%s' cannot be used: %s", what, path, strerror(-r));
		return r;
	}
	if (stat(resolved, &st) < 0) {
		r = -errno;
		log_error("the %s '%s' cannot be used: %s%s", what, path, strerror(-r),
			  r == -ENOTCONN ? " (a dead mount: run 'umount' on it first)"
					 : "");
		free(resolved);
		return r;
	}
	if (!S_ISDIR(st.st_mode)) {
		log_error("the %s '%s' is not a directory", what, path);
		free(resolved);
		return -ENOTDIR;
	}
	*ret = resolved;
	return 0;
}

/* The policy is read again on SIGHUP, when the working directory is another. */
static int make_absolute(char **path)
{
	char *absolute, cwd[PATH_MAX];

	if ((*path)[0] == '/')
		return 0;
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	if (asprintf(&absolute, "%s/%s", cwd, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = absolute;
	return 0;
}

static int take_over(struct options *options, struct parsed *parsed)
{
	int r;

	if (!parsed->source || !parsed->mountpoint) {
		log_error("SOURCE and MOUNTPOINT are needed (see modelguard --help)");
		return -EINVAL;
	}
	if (!parsed->policy)
		parsed->policy = strdup(OPTIONS_POLICY_DEFAULT);
	if (!parsed->audit)
		parsed->audit = strdup(OPTIONS_AUDIT_DEFAULT);
	if (!parsed->policy || !parsed->audit)
		return -ENOMEM;
	r = resolve("source", parsed->source, &options->source);
	if (r == 0)
		r = resolve("mount point", parsed->mountpoint, &options->mountpoint);
	if (r == 0)
		r = make_absolute(&parsed->policy);
	if (r == 0 && parsed->mount_namespace)
		r = make_absolute(&parsed->mount_namespace);
	if (r < 0)
		return r;
	options->policy = take_ptr(parsed->policy);
	options->audit = take_ptr(parsed->audit);
	options->mount_namespace = take_ptr(parsed->mount_namespace);
	options->foreground = parsed->foreground;
	options->unsealed = parsed->unsealed;
	options->mount_flags = (parsed->read_only ? MS_RDONLY : 0) |
			       (parsed->exec ? 0 : MS_NOEXEC) |
			       (parsed->noatime ? MS_NOATIME : 0);
	return 0;
}

int options_parse(struct options *options, int argc, char *argv[])
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct parsed parsed = { 0 };
	int r = 0;

	*options = (struct options){ 0 };
	if (fuse_opt_parse(&args, &parsed, option_table, parse_one) < 0)
		r = -EINVAL;
	options->show_help = parsed.help;
	options->show_version = parsed.version;
	if (r == 0 && !parsed.help && !parsed.version)
		r = take_over(options, &parsed);
	fuse_opt_free_args(&args);
	free(parsed.policy);
	free(parsed.audit);
	free(parsed.mount_namespace);
	free(parsed.source);
	free(parsed.mountpoint);
	return r;
}

void options_fini(struct options *options)
{
	free(options->source);
	free(options->mountpoint);
	free(options->policy);
	free(options->audit);
	free(options->mount_namespace);
	*options = (struct options){ 0 };
}
