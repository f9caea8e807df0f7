/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: do users without a name slow the trail down? */
#include <fcntl.h>
#include <string.h>

#include "config/identity.h"

#include "fuse/ctl-patience.h"
#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/trail.h"
#include "fuse/util.h"

#define AUDIT_LOG "/var/log/audit/audit.log"

enum { NAMELESS };

static const struct doctor_check checks[] = {
	[NAMELESS] = { "callers-without-name", DOCTOR_WARNING,
		       "users without a name use the share: auditd looks each id up, and "
		       "an id without a name takes 15 times as long, so that bursts of "
		       "records fill the kernel's backlog",
		       "give {} a name in passwd(5), or have jobs run as users that "
		       "exist" },
};

#define CALLERS_MAX 4096

struct callers {
	uid_t uids[CALLERS_MAX];
	size_t n;
};

static void add_caller(struct callers *callers, uid_t uid)
{
	for (size_t i = 0; i < callers->n; i++) {
		if (callers->uids[i] == uid)
			return;
	}
	if (callers->n < CALLERS_MAX)
		callers->uids[callers->n++] = uid;
}

/* 0 or -errno. */
static int read_callers(const char *input, struct callers *callers)
{
	_cleanup_(trail_closep) struct trail *trail = NULL;
	_cleanup_(freep) char *why = NULL;
	struct trail_event *event;
	int r = trail_open(input, false, &trail, &why);

	if (r < 0)
		return r;
	while ((r = trail_next(trail, &event)) > 0) {
		if (event->record.actor)
			add_caller(callers, event->record.actor->uid);
	}
	return r;
}

/* The directory of the log has its rotated files with it. */
static char *find_log(const struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL, *set = NULL;
	const char *log, *slash;
	char *copy;

	if (doctor_read(doctor, TRAIL_AUDITD_CONF, &text) == 0)
		set = doctor_setting(text, "log_file");
	log = set ? set : AUDIT_LOG;
	copy = doctor_path(doctor, log);
	slash = strrchr(log, '/');
	if (copy && slash && strcmp(slash, "/audit.log") == 0)
		*strrchr(copy, '/') = '\0';
	return copy;
}

static void look(struct doctor *doctor)
{
	_cleanup_(freep) struct callers *callers = calloc(1, sizeof(*callers));
	_cleanup_(freep) char *log =
		doctor->input ? strdup(doctor->input) : find_log(doctor);
	int r = callers && log ? read_callers(log, callers) : -ENOMEM;

	if (r < 0) {
		doctor_unreadable(doctor, &checks[NAMELESS], log ? log : "the trail", r);
		return;
	}
	for (size_t i = 0; i < callers->n; i++) {
		char name[256];

		ctl_patience_start();
		if (identity_user_name(callers->uids[i], name, sizeof(name)) == -ENOENT)
			doctor_found(doctor, &checks[NAMELESS], name,
				     "a user id in the trail without a name");
	}
	ctl_patience_stop();
	if (callers->n == CALLERS_MAX)
		doctor_unknown(doctor, &checks[NAMELESS], log,
			       "it has more than %d users; only the first were looked at",
			       CALLERS_MAX);
}

const struct doctor_area doctor_callers = { DOCTOR_CHECKS(checks), false, look };
