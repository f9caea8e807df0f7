/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: what the files of audit rules set at the next boot. */
#include <errno.h>
#include <string.h>

#include "fuse/audit-rules.h"
#include "fuse/doctor-files.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

#define RULES	     "/etc/audit/audit.rules"
#define RULES_D	     "/etc/audit/rules.d"
#define BACKLOG_MIN  8192
#define BACKLOG_NONE 64 /* kernel/audit.c: audit_backlog_limit */

enum { DROPS, BACKLOG };

static const struct doctor_check checks[] = {
	[DROPS] = { "audit-rule", DOCTOR_CRITICAL,
		    "an audit rule drops records of the guard, which takes them for "
		    "recorded",
		    "remove it from {}, or add '-F msgtype' for what it is meant for; "
		    "then 'augenrules --load'" },
	[BACKLOG] = { "audit-backlog-boot", DOCTOR_WARNING,
		      "the kernel is told at boot to keep too few records for auditd: a "
		      "burst makes every user wait, and then loses records",
		      "set '-b 8192' in {}, then 'augenrules --load'" },
};

struct rules {
	bool has_limit;
	unsigned long limit;
	size_t n_files;
};

static void look_at_line(struct doctor *doctor, const char *file, const char *line,
			 struct rules *rules)
{
	_cleanup_(freep) struct audit_rule_data *rule = NULL;
	int r;

	if (strncmp(line, "-b", 2) == 0) {
		rules->has_limit = true;
		rules->limit = strtoul(line + 2, NULL, 10);
		return;
	}
	r = audit_rule_parse(line, &rule);
	if (r == -ENOMEM)
		doctor->no_memory = true;
	else if (r == -EINVAL)
		doctor_unknown(doctor, &checks[DROPS], file, "not understood: %s", line);
	else if (r == 0 && audit_rule_drops(rule))
		doctor_found(doctor, &checks[DROPS], file, "%s", line);
}

static void look_at_file(struct doctor *doctor, const char *file, struct rules *rules)
{
	_cleanup_(freep) char *text = NULL;
	char *state, *line;
	int r = doctor_read(doctor, file, &text);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		doctor_unreadable(doctor, &checks[DROPS], file, r);
		return;
	}
	rules->n_files++;
	for (state = text; (line = doctor_next_line(&state));) {
		if (*line == '-')
			look_at_line(doctor, file, line, rules);
	}
}

static void on_rules(struct doctor *doctor, const char *directory, const char *name,
		     void *data)
{
	_cleanup_(freep) char *file = NULL;
	const char *end = strrchr(name, '.');

	if (!end || strcmp(end, ".rules") != 0)
		return;
	if (asprintf(&file, "%s/%s", directory, name) < 0)
		doctor->no_memory = true;
	else
		look_at_file(doctor, file, data);
}

/* augenrules(8) makes audit.rules of rules.d, if there is anything in it. */
static void look(struct doctor *doctor)
{
	struct rules rules = { .limit = BACKLOG_NONE };
	int r = doctor_each_name(doctor, RULES_D, on_rules, &rules);

	if (r < 0 && r != -ENOENT)
		doctor_unreadable(doctor, &checks[DROPS], RULES_D, r);
	if (rules.n_files == 0)
		look_at_file(doctor, RULES, &rules);
	if (rules.n_files == 0) {
		if (r == 0 || r == -ENOENT)
			doctor_unknown(doctor, &checks[DROPS], RULES,
				       "there are no audit rules: is auditd installed?");
	} else if (rules.limit < BACKLOG_MIN) {
		doctor_found(doctor, &checks[BACKLOG], RULES_D, "%lu records%s",
			     rules.limit, rules.has_limit ? "" : ", as nothing sets it");
	}
}

const struct doctor_area doctor_rules = { DOCTOR_CHECKS(checks), false, look };
