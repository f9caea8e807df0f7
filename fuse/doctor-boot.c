/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: is auditd started at boot, and does the kernel wait for it? */
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

enum { START, HOLD };

static const struct doctor_check checks[] = {
	[START] = { "auditd-boot", DOCTOR_CRITICAL,
		    "auditd is not started at boot: nothing is recorded then, and the "
		    "guard denies everything",
		    "systemctl enable auditd, or what {} has for it" },
	[HOLD] = { "audit-hold", DOCTOR_WARNING,
		   "without audit=1 on the kernel's command line, records that the "
		   "kernel "
		   "has taken while auditd was stopped are thrown away in silence",
		   "add audit=1 to the kernel's command line (Debian: "
		   "GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)" },
};

/* What an init starts at boot: names in a directory. The first that the machine has
 * counts. */
static const struct init {
	const char *name;
	const char *sign; /* a file that tells that it is there */
	struct {
		const char *directory,
			*name; /* patterns: DIRECTORY/x/NAME if it ends in / */
	} links[4];
} inits[] = {
	{ "systemd",
	  "/etc/systemd/system",
	  { { "/etc/systemd/system/", "auditd.service" },
	    { "/usr/lib/systemd/system/", "auditd.service" },
	    { "/lib/systemd/system/", "auditd.service" } } },
	{ "OpenRC", "/etc/runlevels", { { "/etc/runlevels/", "auditd" } } },
	{ "runit",
	  "/etc/runit",
	  { { "/etc/runit/runsvdir/", "auditd" }, { "/etc/service", "auditd" } } },
	{ "sysvinit",
	  "/etc/rc2.d",
	  { { "/etc/rc2.d", "S??auditd" },
	    { "/etc/rc3.d", "S??auditd" },
	    { "/etc/rc5.d", "S??auditd" } } },
};

struct search {
	const char *pattern;
	bool found;
};

static void on_name(struct doctor *doctor, const char *directory, const char *name,
		    void *data)
{
	struct search *search = data;

	(void)doctor;
	(void)directory;
	if (fnmatch(search->pattern, name, 0) == 0)
		search->found = true;
}

/* A directory of links: multi-user.target.wants, default, ... */
static void on_directory(struct doctor *doctor, const char *directory, const char *name,
			 void *data)
{
	_cleanup_(freep) char *path = NULL;
	bool is_systemd = strstr(directory, "systemd") != NULL;

	if (is_systemd && fnmatch("*.wants", name, 0) != 0 &&
	    fnmatch("*.requires", name, 0) != 0)
		return;
	if (asprintf(&path, "%s%s", directory, name) < 0)
		doctor->no_memory = true;
	else
		(void)doctor_each_name(doctor, path, on_name, data);
}

static bool is_linked(struct doctor *doctor, const struct init *init)
{
	struct search search = { 0 };

	for (size_t i = 0; i < 4 && init->links[i].directory; i++) {
		const char *directory = init->links[i].directory;

		search.pattern = init->links[i].name;
		(void)doctor_each_name(
			doctor, directory,
			directory[strlen(directory) - 1] == '/' ? on_directory : on_name,
			&search);
	}
	return search.found;
}

static bool is_masked(const struct doctor *doctor)
{
	char target[64];

	return doctor_readlink(doctor, "/etc/systemd/system/auditd.service", target,
			       sizeof(target)) == 0 &&
	       strcmp(target, "/dev/null") == 0;
}

static bool exists(const struct doctor *doctor, const char *path)
{
	_cleanup_(closep) int fd = doctor_open(doctor, path, O_PATH);

	return fd >= 0;
}

static void look_at_start(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof(inits) / sizeof(*inits); i++) {
		if (!exists(doctor, inits[i].sign))
			continue;
		if (i == 0 && is_masked(doctor))
			doctor_found(doctor, &checks[START], inits[i].name,
				     "auditd.service is masked");
		else if (!is_linked(doctor, &inits[i]))
			doctor_found(doctor, &checks[START], inits[i].name,
				     "nothing in it starts auditd");
		return;
	}
	doctor_unknown(doctor, &checks[START], "init",
		       "neither systemd, OpenRC, runit nor sysvinit");
}

/* kernel/audit.c, audit_enable(): off and 0, on and 1. */
static void look_at_hold(struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL;
	const char *value = NULL;
	char *state = NULL;
	int r = doctor_read(doctor, "/proc/cmdline", &text);

	if (r < 0) {
		doctor_unreadable(doctor, &checks[HOLD], "/proc/cmdline", r);
		return;
	}
	for (char *word = strtok_r(text, " \n", &state); word;
	     word = strtok_r(NULL, " \n", &state)) {
		if (strncmp(word, "audit=", 6) == 0)
			value = word + 6;
	}
	if (!value || (strcmp(value, "1") != 0 && strcmp(value, "on") != 0))
		doctor_found(
			doctor, &checks[HOLD], "/proc/cmdline", "%s%s",
			value ? "it has audit=" : "it has no audit=", value ? value : "");
}

static void look(struct doctor *doctor)
{
	look_at_start(doctor);
	look_at_hold(doctor);
}

const struct doctor_area doctor_boot = { DOCTOR_CHECKS(checks), false, look };
