/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: do core dumps put models where no guard is? */
#include <string.h>
#include <strings.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

#define CORE_PATTERN  "/proc/sys/kernel/core_pattern"
#define COREDUMP_CONF "/etc/systemd/coredump.conf"

enum { CORES };

static const struct doctor_check checks[] = {
	[CORES] = { "core-dumps", DOCTOR_WARNING,
		    "a program that crashes leaves what it had in memory, models too, in "
		    "a file that no guard guards and no record is of",
		    "sysctl kernel.core_pattern='|/bin/false' (and in /etc/sysctl.d), or "
		    "Storage=none in /etc/systemd/coredump.conf" },
};

/* Where systemd-coredump is told to keep nothing, by coredump.conf(5). */
static bool keeps_nothing(const struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL, *storage = NULL, *size = NULL;

	if (doctor_read(doctor, COREDUMP_CONF, &text) < 0)
		return false;
	storage = doctor_setting(text, "storage");
	size = doctor_setting(text, "processsizemax");
	return (storage && strcasecmp(storage, "none") == 0) ||
	       (size && strcmp(size, "0") == 0);
}

/* "Max core file size  SOFT  HARD  bytes" of the first process, from which all have it.
 */
static bool is_limited(const struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL;
	const char *line;
	char soft[32], hard[32];

	if (doctor_read(doctor, "/proc/1/limits", &text) < 0)
		return false;
	line = strstr(text, "Max core file size");
	return line && sscanf(line, "Max core file size %31s %31s", soft, hard) == 2 &&
	       strcmp(hard, "0") == 0;
}

/* core(5): RLIMIT_CORE does not hold for a pipe. */
static bool is_harmless(const struct doctor *doctor, const char *pattern)
{
	const char *program = pattern + 1;
	char name[64] = "";

	if (*pattern == '\0')
		return true;
	if (*pattern != '|')
		return is_limited(doctor);
	for (const char *at = program; *at && *at != ' '; at++) {
		if (*at == '/')
			program = at + 1;
	}
	(void)sscanf(program, "%63[^ ]", name);
	if (strcmp(name, "systemd-coredump") == 0)
		return keeps_nothing(doctor);
	return strcmp(name, "false") == 0 || strcmp(name, "true") == 0;
}

static void look(struct doctor *doctor)
{
	_cleanup_(freep) char *pattern = NULL;
	int r = doctor_read(doctor, CORE_PATTERN, &pattern);

	if (r < 0) {
		doctor_unreadable(doctor, &checks[CORES], CORE_PATTERN, r);
		return;
	}
	pattern[strcspn(pattern, "\n")] = '\0';
	if (!is_harmless(doctor, pattern))
		doctor_found(doctor, &checks[CORES], CORE_PATTERN, "%s", pattern);
}

const struct doctor_area doctor_cores = { DOCTOR_CHECKS(checks), false, look };
