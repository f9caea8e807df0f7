/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: a record of its own, through libaudit. */
#include <errno.h>
#include <libaudit.h>
#include <limits.h>
#include <unistd.h>

#include "config/identity.h"

#include "fuse/ctl-record.h"
#include "fuse/util.h"

static const int types[] = {
	[RECORD_DECISION] = AUDIT_DAC_CHECK,
	[RECORD_CONFIG] = AUDIT_USYS_CONFIG,
	[RECORD_LIFECYCLE] = AUDIT_TRUSTED_APP,
	[RECORD_INTEGRITY] = AUDIT_ANOM_RBAC_INTEGRITY_FAIL,
};

static int send_parts(int fd, const struct record *record)
{
	char text[RECORD_TEXT_MAX];

	for (unsigned part = 0;; part++) {
		int n = record_format_audit(record, part, text, sizeof(text));

		if (n <= 0)
			return n;
		/* 0 and less are failures, and not always in errno. */
		n = audit_log_user_message(fd, types[record->kind], text, NULL, NULL, "",
					   record->success);
		if (n <= 0)
			return n < 0 && errno > 0 ? -errno : -ECONNREFUSED;
	}
}

int ctl_record(struct record *record)
{
	_cleanup_(closep) int fd = audit_open();
	char acct[64], exe[PATH_MAX];
	struct actor actor = { .acct = acct,
			       .uid = geteuid(),
			       .gid = getegid(),
			       .pid = getpid(),
			       .login_uid = audit_getloginuid(),
			       .comm = "modelguardctl" };
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (fd < 0)
		return errno > 0 ? -errno : -ECONNREFUSED;
	if (n > 0) {
		exe[n] = '\0';
		actor.exe = exe;
	}
	identity_user_name(actor.uid, acct, sizeof(acct));
	record->actor = &actor;
	return send_parts(fd, record);
}
