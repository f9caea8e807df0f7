/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: can others than root change the policy, or the trail? */
#include <string.h>
#include <sys/stat.h>

#include "config/identity.h"

#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

#define AUDITD_CONF "/etc/audit/auditd.conf"
#define AUDIT_LOG   "/var/log/audit/audit.log"

enum { POLICY, TRAIL };

static const struct doctor_check checks[] = {
	[POLICY] = { "policy-writable", DOCTOR_CRITICAL,
		     "others than root can change the policy, or put another in its "
		     "place",
		     "chown root:root {} && chmod go-w {}" },
	[TRAIL] = { "trail-writable", DOCTOR_CRITICAL,
		    "others than root can change the trail, or put another in its place",
		    "chown root {} && chmod go-w {}" },
};

static void look_at(struct doctor *doctor, const struct doctor_check *check,
		    const char *path)
{
	_cleanup_(freep) char *whole = doctor_path(doctor, path);
	struct stat st;
	char owner[64];

	if (!whole || stat(whole, &st) < 0) {
		if (!whole || errno != ENOENT)
			doctor_unreadable(doctor, check, path, whole ? -errno : -ENOMEM);
		return;
	}
	if (st.st_uid != 0) {
		identity_user_name(st.st_uid, owner, sizeof(owner));
		doctor_found(doctor, check, path, "it belongs to %s", owner);
	}
	/* The sticky bit keeps others from replacing what is not theirs. An ACL that lets
	 * anyone write shows in the bits of the group. */
	if (st.st_mode & (S_IWGRP | S_IWOTH) &&
	    !(S_ISDIR(st.st_mode) && st.st_mode & S_ISVTX))
		doctor_found(doctor, check, path, "mode %04o lets %s write",
			     (unsigned)st.st_mode & 07777,
			     st.st_mode & S_IWOTH ? "everyone" : "a group");
}

/* The file, and each directory above it. */
static void look_at_way(struct doctor *doctor, const struct doctor_check *check,
			const char *path)
{
	_cleanup_(freep) char *way = strdup(path);

	if (!way) {
		doctor->no_memory = true;
		return;
	}
	look_at(doctor, check, way);
	for (char *slash = strrchr(way, '/'); slash; slash = strrchr(way, '/')) {
		*slash = '\0';
		look_at(doctor, check, *way ? way : "/");
	}
}

static void look(struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL, *log = NULL;

	look_at_way(doctor, &checks[POLICY], doctor->policy_file);
	if (doctor_read(doctor, AUDITD_CONF, &text) == 0)
		log = doctor_setting(text, "log_file");
	look_at_way(doctor, &checks[TRAIL], log ? log : AUDIT_LOG);
}

const struct doctor_area doctor_writable = { DOCTOR_CHECKS(checks), false, look };
