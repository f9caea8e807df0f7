/* SPDX-License-Identifier: Apache-2.0 */
/* Watches the kernel's audit and auditd: an acknowledgement alone says nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fuse/audit-netlink.h"
#include "fuse/audit.h"

/* Owned by one thread; no locks. */
struct watch {
	struct audit_netlink netlink;
	pid_t pid;     /* of auditd; 0: none */
	uint64_t ran;  /* ns that it ran on a processor, up to the last look */
	int pidfd;     /* of that pid, -1: none */
	uint32_t lost; /* the kernel's counter at the last look */
	bool has_lost; /* there was a last look */
	bool stalled;  /* see watch_look() */
};

struct watch_report {
	enum audit_state state;
	int error; /* AUDIT_STATE_FAILING: -errno */
	/* RECORDING: at most so many records that the kernel acknowledged are not read by
	 * auditd yet. They are the last ones: no queue lets one pass another. */
	uint32_t in_flight;
	uint32_t backlog; /* RECORDING: of those, in the queue that has a limit */
};

/* Needs no privilege by itself. 0 or -errno (EPROTONOSUPPORT: no audit in this kernel).
 */
int watch_open(struct watch *watch);
void watch_close(struct watch *watch);

/* Asks once; takes some 50 us, at most a second. Needs CAP_AUDIT_CONTROL in the initial
 * user namespace, and the initial pid namespace: else FAILING with -EPERM or
 * -ECONNREFUSED. */
void watch_look(struct watch *watch, struct watch_report *ret);

/* True if the process behind this pidfd lives. Any thread. */
bool watch_pidfd_alive(int pidfd);
