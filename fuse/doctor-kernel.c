/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: what the kernel's audit does now. */
#include <errno.h>
#include <libaudit.h>
#include <poll.h>
#include <string.h>

#include "fuse/audit-rules.h"
#include "fuse/doctor.h"
#include "fuse/util.h"

#define BACKLOG_MIN 8192
#define PATIENCE_MS 5000

enum { OFF, DROPS, BACKLOG, LIMITED, LOST };

static const struct doctor_check checks[] = {
	[OFF] = { "audit-off", DOCTOR_CRITICAL, "nothing is recorded now",
		  "systemctl start auditd; auditctl -e 1" },
	[DROPS] = { "audit-rule-loaded", DOCTOR_CRITICAL,
		    "a loaded audit rule drops records of the guard, which takes them "
		    "for recorded",
		    "'auditctl -l' shows it, 'auditctl -d' with the same words removes "
		    "it; then /etc/audit/rules.d" },
	[BACKLOG] = { "audit-backlog", DOCTOR_WARNING,
		      "the kernel keeps too few records for auditd: a burst makes every "
		      "user wait, and then loses records",
		      "auditctl -b 8192" },
	[LIMITED] = { "audit-rate", DOCTOR_CRITICAL,
		      "the kernel drops records beyond a number per second",
		      "auditctl -r 0, and no -r in /etc/audit/rules.d" },
	[LOST] = { "audit-lost", DOCTOR_WARNING,
		   "the kernel has lost records since it was started",
		   "see 'modelguardctl log --op gap' for those of the guard; raise the "
		   "backlog, then 'auditctl --reset-lost'" },
};

static bool wait_for_reply(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, PATIENCE_MS) > 0;
}

/* The next reply of a type. 1; 0 at the end of a list; or -errno. */
static int next_reply(int fd, uint16_t type, struct audit_reply *reply)
{
	while (wait_for_reply(fd)) {
		int r = audit_get_reply(fd, reply, GET_REPLY_NONBLOCKING, 0);

		if (r < 0)
			return r;
		if (r > 0 && reply->type == NLMSG_ERROR && reply->error->error != 0)
			return reply->error->error;
		if (r > 0 && reply->type == NLMSG_DONE)
			return 0;
		if (r > 0 && reply->type == type)
			return 1;
	}
	return -ETIMEDOUT;
}

static void look_at_status(struct doctor *doctor, const struct audit_status *status)
{
	if (!status->enabled)
		doctor_found(doctor, &checks[OFF], "the kernel", "audit is disabled");
	if (status->pid == 0)
		doctor_found(doctor, &checks[OFF], "auditd", "it does not run");
	if (status->backlog_limit != 0 && status->backlog_limit < BACKLOG_MIN)
		doctor_found(doctor, &checks[BACKLOG], "the kernel", "%u records",
			     status->backlog_limit);
	if (status->rate_limit != 0)
		doctor_found(doctor, &checks[LIMITED], "the kernel", "%u a second",
			     status->rate_limit);
	if (status->lost != 0)
		doctor_found(doctor, &checks[LOST], "the kernel", "%u records",
			     status->lost);
}

static int ask_status(struct doctor *doctor, int fd)
{
	struct audit_reply reply;
	int r = audit_request_status(fd);

	if (r > 0)
		r = next_reply(fd, AUDIT_GET, &reply);
	if (r > 0)
		look_at_status(doctor, reply.status);
	return r > 0 ? 0 : r;
}

static int ask_rules(struct doctor *doctor, int fd)
{
	struct audit_reply reply;
	int r = audit_request_rules_list_data(fd);

	while (r > 0 && (r = next_reply(fd, AUDIT_LIST_RULES, &reply)) > 0) {
		const struct audit_rule_data *rule = reply.ruledata;

		if (audit_rule_drops(rule))
			doctor_found(
				doctor, &checks[DROPS], "the kernel",
				"a rule of the list %s, with %u field%s",
				rule->flags == AUDIT_FILTER_USER ? "user" : "exclude",
				rule->field_count, rule->field_count == 1 ? "" : "s");
	}
	return r;
}

static void look(struct doctor *doctor)
{
	_cleanup_(closep) int fd = RET_ERRNO(audit_open());
	int r = fd < 0 ? fd : ask_status(doctor, fd);

	if (r < 0)
		doctor_unreadable(doctor, &checks[OFF], "the kernel's audit", r);
	if (r == 0)
		r = ask_rules(doctor, fd);
	else
		return;
	if (r < 0)
		doctor_unreadable(doctor, &checks[DROPS], "the kernel's audit", r);
}

const struct doctor_area doctor_kernel = { DOCTOR_CHECKS(checks), true, look };
