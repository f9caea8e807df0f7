/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's audit over netlink(7): one request, one answer. Own code and not
 * libaudit's, which numbers its requests from a static variable without a lock and makes
 * five system calls of one record; see audit-senders.h for what that is worth. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One thread at a time. */
struct audit_netlink {
	int fd; /* -1: closed */
	uint32_t sequence;
};

/* Needs no privilege by itself. 0 or -errno (EPROTONOSUPPORT: no audit in this kernel).
 */
int audit_netlink_open(struct audit_netlink *netlink);
void audit_netlink_close(struct audit_netlink *netlink);

/* Writes a user record (linux/audit.h: AUDIT_FIRST_USER_MSG and on) of two pieces of
 * text, in one datagram, and waits for the acknowledgement. May sleep as long as the
 * kernel's backlog is full (auditctl(8), --backlog_wait_time). 0 once it is acknowledged;
 * -EPERM without CAP_AUDIT_WRITE; -ECONNREFUSED in a container; -ETIMEDOUT if no answer
 * came: the kernel may have it. After any failure the socket is to be opened anew: a late
 * answer would be taken for another's. */
int audit_netlink_record(struct audit_netlink *netlink, int type, const char *text,
			 size_t length, const char *more);

/* AUDIT_GET. 0 or -errno, as above; needs CAP_AUDIT_CONTROL. */
struct audit_status;
int audit_netlink_status(struct audit_netlink *netlink, struct audit_status *ret);
