/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for the state of audit, and /proc for what auditd has not read yet. */
#include <errno.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse/audit-watch.h"

/* The kernel puts records aside, into a queue that no interface shows and that holds as
 * many as the backlog does, when it finds no room in auditd's socket buffer five times
 * for 100 ms each (kernel/audit.c: kauditd_send_queue, UNICAST_RETRIES,
 * kauditd_retry_skb). So that must be expected when there is more than this in the buffer
 * (default size 212,992: net.core.rmem_default) and auditd has not run for as long as it
 * takes to read a few records, at one look. */
#define STALL_BYTES 100000
#define READ_NS	    200000

/* When auditd's socket cannot be found: more than fits into its buffer. */
#define UNREAD_BYTES_MAX (4 << 20)

/* No record takes less room than this in a socket buffer (struct sk_buff, its tail, the
 * text). */
#define RECORD_BYTES_MIN 512

/* What the kernel and auditd may have in their hands, in no queue. */
#define IN_HANDS 16

int watch_open(struct watch *watch)
{
	*watch = (struct watch){ .pidfd = -1, .stalled = true };
	return audit_netlink_open(&watch->netlink);
}

void watch_close(struct watch *watch)
{
	audit_netlink_close(&watch->netlink);
	if (watch->pidfd >= 0)
		close(watch->pidfd);
	watch->pidfd = -1;
}

bool watch_pidfd_alive(int pidfd)
{
	struct pollfd poller = { .fd = pidfd, .events = POLLIN };

	/* pidfd_open(2): readable once the process has ended. */
	return pidfd >= 0 && poll(&poller, 1, 0) == 0;
}

/* Bytes in the receive buffer of auditd's socket, whose port is its pid; -1: cannot be
 * told. The file is of auditd's network namespace: the guard may run in another.
 * proc_pid_net(5): sk Eth Pid Groups Rmem ... */
static long unread_bytes(pid_t pid)
{
	char path[48], line[256];
	long result = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/netlink", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (result < 0 && fgets(line, sizeof(line), file)) {
		unsigned protocol, port;
		long bytes;

		if (sscanf(line, "%*s %u %u %*x %ld", &protocol, &port, &bytes) == 3 &&
		    protocol == NETLINK_AUDIT && port == (unsigned)pid)
			result = bytes;
	}
	(void)fclose(file);
	return result;
}

/* True if auditd has run since the last look. proc_pid_schedstat: time on a processor in
 * ns. */
static bool has_run(struct watch *watch)
{
	char path[48];
	uint64_t ran = 0;
	bool result;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)watch->pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%" SCNu64, &ran) != 1)
		ran = 0;
	(void)fclose(file);
	result = ran >= watch->ran + READ_NS;
	watch->ran = ran;
	return result;
}

/* The backlog was read first: what moves on in between is then counted twice, never
 * missed. */
static uint32_t count_in_flight(struct watch *watch, const struct audit_status *status)
{
	long bytes = unread_bytes(watch->pid);
	bool reads = has_run(watch);
	uint32_t queued = status->backlog;

	if (bytes < 0 || (bytes > STALL_BYTES && !reads))
		watch->stalled = true;
	else if (bytes == 0 && status->backlog == 0)
		watch->stalled = false;
	if (bytes < 0)
		bytes = UNREAD_BYTES_MAX;
	if (watch->stalled && queued < 2 * status->backlog_limit)
		queued = 2 * status->backlog_limit;
	return queued + (uint32_t)(bytes / RECORD_BYTES_MIN) + IN_HANDS;
}

static void forget_auditd(struct watch *watch)
{
	if (watch->pidfd >= 0)
		close(watch->pidfd);
	watch->pidfd = -1;
	watch->pid = 0;
	watch->ran = 0;
	watch->stalled = false; /* kernel/audit.c: auditd_reset() empties that queue */
}

/* The kernel notices that auditd is gone only when it has something for it: its word that
 * a pid is registered is not enough, the process must be there. */
static enum audit_state find_auditd(struct watch *watch, pid_t pid)
{
	bool was_another = watch->pid != 0;

	if (watch->pid != 0 && watch->pid == pid && watch_pidfd_alive(watch->pidfd))
		return AUDIT_STATE_RECORDING;

	forget_auditd(watch);
	if (pid <= 0)
		return AUDIT_STATE_NO_DAEMON;
	watch->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (watch->pidfd < 0)
		return AUDIT_STATE_NO_DAEMON;
	if (!watch_pidfd_alive(watch->pidfd)) {
		forget_auditd(watch);
		return AUDIT_STATE_NO_DAEMON;
	}
	watch->pid = pid;
	/* One auditd ended and another began since the last look: that is an outage, too.
	 */
	return was_another ? AUDIT_STATE_NO_DAEMON : AUDIT_STATE_RECORDING;
}

void watch_look(struct watch *watch, struct watch_report *ret)
{
	struct audit_status status;
	bool grew;
	int r;

	*ret = (struct watch_report){ .in_flight = UINT32_MAX };
	r = audit_netlink_status(&watch->netlink, &status);
	if (r < 0) {
		if (!watch_pidfd_alive(watch->pidfd))
			forget_auditd(watch); /* or whoever polls it never sleeps again */
		ret->state = AUDIT_STATE_FAILING;
		ret->error = r;
		return;
	}

	grew = watch->has_lost &&
	       status.lost > watch->lost; /* auditctl --reset-lost: < */
	watch->lost = status.lost;
	watch->has_lost = true;

	ret->state = find_auditd(watch, (pid_t)status.pid);
	if (status.enabled == 0) /* 2 is enabled and locked */
		ret->state = AUDIT_STATE_DISABLED;
	else if (ret->state == AUDIT_STATE_RECORDING && grew)
		ret->state = AUDIT_STATE_LOSING;
	if (ret->state == AUDIT_STATE_RECORDING)
		ret->in_flight = count_in_flight(watch, &status);
	ret->backlog = status.backlog;
}
