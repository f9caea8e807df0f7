/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: how long are records kept, at the rate at which they come now? */
#include <fnmatch.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

#define AUDITD_CONF "/etc/audit/auditd.conf"
#define AUDIT_LOG   "/var/log/audit/audit.log"
#define ROTATED_MAX 999 /* auditd.conf(5): num_logs */
#define DAYS_MIN    30
#define DAY	    86400.0
#define SPAN_MIN    3600 /* seconds; less tells nothing of the rate */
#define TAIL_BYTES  65536

enum { DAYS, STOPS, COMPRESSED };

static const struct doctor_check checks[] = {
	[DAYS] = { "auditd-rotation", DOCTOR_WARNING,
		   "at the present rate, records are removed before 30 days are over",
		   "raise num_logs and max_log_file in {}, set max_log_file_action = "
		   "KEEP_LOGS, or send the records to another machine (audisp-remote)" },
	[STOPS] = { "auditd-log-stops", DOCTOR_CRITICAL,
		    "auditd stops writing when its log has reached max_log_file",
		    "set max_log_file_action = ROTATE or KEEP_LOGS in {}" },
	[COMPRESSED] = { "trail-compressed", DOCTOR_NOTE,
			 "older records are in compressed files, which 'modelguardctl "
			 "log' does not read",
			 "have auditd rotate its log itself, or unpack them and name "
			 "them with --input" },
};

struct logs {
	char *directory, *name;
	uint64_t bytes;
	time_t first, last;
	int n_files, error;
};

/* "... msg=audit(1795444162.123:45): ..." */
static time_t time_of(const char *text)
{
	const char *at = strstr(text, "audit(");

	return at ? (time_t)strtoll(at + strlen("audit("), NULL, 10) : 0;
}

/* Of the first record that a piece of the file has, or of the last. */
static time_t time_in(int fd, off_t at, bool last)
{
	_cleanup_(freep) char *piece = malloc(TAIL_BYTES + 1);
	ssize_t n = piece ? pread(fd, piece, TAIL_BYTES, at) : -1;
	time_t found = 0;

	if (n <= 0)
		return 0;
	piece[n] = '\0';
	if (!last)
		return time_of(piece);
	for (char *line = strstr(piece, "audit("); line;
	     line = strstr(line + 1, "audit("))
		found = time_of(line);
	return found;
}

static void take_file(struct logs *logs, int fd)
{
	struct stat st;
	time_t first, last;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	first = time_in(fd, 0, false);
	last = time_in(fd, st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0, true);
	logs->bytes += (uint64_t)st.st_size;
	logs->n_files++;
	if (first != 0 && (logs->first == 0 || first < logs->first))
		logs->first = first;
	if (last > logs->last)
		logs->last = last;
}

static void measure(const struct doctor *doctor, struct logs *logs)
{
	for (int i = 0; i <= ROTATED_MAX; i++) {
		_cleanup_(freep) char *path = NULL;
		_cleanup_(closep) int fd = -1;
		char number[16] = "";

		if (i > 0)
			snprintf(number, sizeof(number), ".%d", i);
		if (asprintf(&path, "%s/%s%s", logs->directory, logs->name, number) < 0)
			return;
		fd = doctor_open(doctor, path, O_RDONLY | O_NONBLOCK);
		if (fd < 0) {
			logs->error = i == 0 ? fd : 0;
			return;
		}
		take_file(logs, fd);
	}
}

static void on_name(struct doctor *doctor, const char *directory, const char *name,
		    void *data)
{
	static const char *const endings[] = { ".gz", ".xz", ".bz2", ".zst" };
	const char *log = data;

	(void)directory;
	if (strncmp(name, log, strlen(log)) != 0)
		return;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		const char *end = strrchr(name, '.');

		if (end && strcmp(end, endings[i]) == 0)
			doctor_found(doctor, &checks[COMPRESSED], name, "in %s",
				     directory);
	}
}

static uint64_t number(const char *text, const char *key, uint64_t unset)
{
	_cleanup_(freep) char *value = doctor_setting(text, key);

	return value ? strtoull(value, NULL, 10) : unset;
}

static void look_at_rate(struct doctor *doctor, const struct logs *logs, uint64_t room)
{
	double span = (double)(logs->last - logs->first), days;

	if (logs->error < 0) {
		doctor_unreadable(doctor, &checks[DAYS], logs->name, logs->error);
		return;
	}
	if (logs->first == 0 || span < SPAN_MIN) {
		doctor_unknown(doctor, &checks[DAYS], AUDITD_CONF,
			       "the log spans less than an hour: ask again later");
		return;
	}
	days = (double)room / ((double)logs->bytes / span) / DAY;
	if (days < DAYS_MIN)
		doctor_found(doctor, &checks[DAYS], AUDITD_CONF,
			     "there is room for %.1f days: %.1f MiB a day, and %.0f MiB "
			     "are kept",
			     days, (double)logs->bytes / span * DAY / (1 << 20),
			     (double)room / (1 << 20));
}

/* auditd.conf(5): with num_logs < 2 nothing is rotated, and so nothing is removed. */
static void look_at_settings(struct doctor *doctor, const char *text,
			     const struct logs *logs)
{
	_cleanup_(freep) char *set = doctor_setting(text, "max_log_file_action");
	const char *action = set ? set : "IGNORE";
	uint64_t n = number(text, "num_logs", 0), size = number(text, "max_log_file", 0);

	if (strcasecmp(action, "SUSPEND") == 0)
		doctor_found(doctor, &checks[STOPS], AUDITD_CONF,
			     "max_log_file_action = %s", action);
	else if (strcasecmp(action, "ROTATE") == 0 && n >= 2)
		look_at_rate(doctor, logs, (n * size) << 20);
}

static int set_place(struct logs *logs, const char *text)
{
	_cleanup_(freep) char *log = doctor_setting(text, "log_file");
	const char *path = log ? log : AUDIT_LOG, *slash = strrchr(path, '/');

	if (!slash)
		return -EINVAL;
	logs->directory = strndup(path, (size_t)(slash - path));
	logs->name = strdup(slash + 1);
	return logs->directory && logs->name ? 0 : -ENOMEM;
}

static void look(struct doctor *doctor)
{
	_cleanup_(freep) char *text = NULL;
	struct logs logs = { 0 };
	int r = doctor_read(doctor, AUDITD_CONF, &text);

	if (r < 0) {
		doctor_unreadable(doctor, &checks[DAYS], AUDITD_CONF, r);
		return;
	}
	r = set_place(&logs, text);
	if (r == 0) {
		measure(doctor, &logs);
		look_at_settings(doctor, text, &logs);
		(void)doctor_each_name(doctor, logs.directory, on_name, logs.name);
	} else {
		doctor_unreadable(doctor, &checks[DAYS], AUDITD_CONF, r);
	}
	free(logs.directory);
	free(logs.name);
}

const struct doctor_area doctor_rotation = { DOCTOR_CHECKS(checks), false, look };
