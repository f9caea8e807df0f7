/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: does auditd's configuration keep what is recorded? */
#include <string.h>
#include <strings.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

#define AUDITD_CONF "/etc/audit/auditd.conf"

enum { UNKEPT, DISK_FULL, DISK_LOW, FORMAT, FLUSH };

static const struct doctor_check checks[] = {
	[UNKEPT] = { "auditd-keeps-nothing", DOCTOR_CRITICAL,
		     "auditd takes the records and writes none of them",
		     "set write_logs = yes and local_events = yes in {}" },
	[DISK_FULL] = { "auditd-disk-full", DOCTOR_WARNING,
			"when the disk is full or fails, auditd throws records away, and "
			"the kernel and the guard take them for recorded",
			"set it to HALT or SINGLE in {}, and give the log a disk of its "
			"own" },
	[DISK_LOW] = { "auditd-disk-low", DOCTOR_WARNING,
		       "nobody is told in time that the disk of the log fills up",
		       "set space_left_action = EMAIL and admin_space_left_action = "
		       "SINGLE or HALT in {}" },
	[FORMAT] = { "auditd-format", DOCTOR_WARNING,
		     "the names of users are not kept with the records: who an id was "
		     "cannot be told once the user has gone",
		     "set log_format = ENRICHED in {}" },
	[FLUSH] = { "auditd-flush", DOCTOR_NOTE,
		    "the last records before a loss of power may not be on the disk",
		    "set flush = INCREMENTAL_ASYNC and freq = 50 in {}" },
};

/* auditd.conf(5); `unset` is what auditd does without the line. Values without case. */
static const struct {
	const struct doctor_check *check;
	const char *key, *unset;
	const char *bad[4];
} settings[] = {
	{ &checks[UNKEPT], "write_logs", "yes", { "no" } },
	{ &checks[UNKEPT], "local_events", "yes", { "no" } },
	{ &checks[UNKEPT], "log_format", "RAW", { "NOLOG" } },
	{ &checks[DISK_FULL],
	  "disk_full_action",
	  "IGNORE",
	  { "IGNORE", "SYSLOG", "SUSPEND", "ROTATE" } },
	{ &checks[DISK_FULL],
	  "disk_error_action",
	  "SYSLOG",
	  { "IGNORE", "SYSLOG", "SUSPEND" } },
	{ &checks[DISK_FULL], "admin_space_left_action", "IGNORE", { "SUSPEND" } },
	{ &checks[DISK_LOW], "space_left_action", "IGNORE", { "IGNORE" } },
	{ &checks[DISK_LOW], "admin_space_left_action", "IGNORE", { "IGNORE" } },
	{ &checks[FORMAT], "log_format", "RAW", { "RAW" } },
	{ &checks[FLUSH], "flush", "NONE", { "NONE" } },
};

static bool is_bad(const char *value, const char *const bad[4])
{
	for (size_t i = 0; i < 4 && bad[i]; i++) {
		if (strcasecmp(value, bad[i]) == 0)
			return true;
	}
	return false;
}

static void look(struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL;
	int r = doctor_read(doctor, AUDITD_CONF, &text);

	if (r == -ENOENT)
		doctor_unknown(doctor, &checks[UNKEPT], AUDITD_CONF,
			       "it is not there: is auditd installed?");
	else if (r < 0)
		doctor_unreadable(doctor, &checks[UNKEPT], AUDITD_CONF, r);
	for (size_t i = 0; r == 0 && i < sizeof(settings) / sizeof(*settings); i++) {
		_cleanup_(freep) char *set = doctor_setting(text, settings[i].key);
		const char *value = set ? set : settings[i].unset;

		if (is_bad(value, settings[i].bad))
			doctor_found(doctor, settings[i].check, AUDITD_CONF, "%s = %s%s",
				     settings[i].key, value,
				     set ? "" : " (it is not set)");
	}
}

const struct doctor_area doctor_auditd = { DOCTOR_CHECKS(checks), false, look };
