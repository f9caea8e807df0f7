/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for the state of audit, and /proc for what auditd has not read yet. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse/audit-watch.h"

#define ANSWER_MS	5
#define FIRST_ANSWER_MS 1000

/* No record takes less room than this in a socket buffer (struct sk_buff, its tail, the
 * text). */
#define RECORD_BYTES_MIN 512

/* What the kernel and auditd may have in their hands, in no queue. */
#define IN_HANDS 16

void watch_open(struct watch *watch, struct courier *courier)
{
	*watch = (struct watch){ .courier = courier, .pidfd = -1 };
}

static void forget_auditd(struct watch *watch)
{
	if (watch->pidfd >= 0)
		close(watch->pidfd);
	watch->pidfd = -1;
	watch->pid = 0;
}

void watch_close(struct watch *watch)
{
	forget_auditd(watch);
}

bool watch_pidfd_alive(int pidfd)
{
	struct pollfd poller = { .fd = pidfd, .events = POLLIN };

	/* pidfd_open(2): readable once the process has ended. */
	return pidfd >= 0 && poll(&poller, 1, 0) == 0;
}

bool watch_ends(const struct watch *watch, int ms)
{
	struct pollfd poller = { .fd = watch->pidfd, .events = POLLIN };

	return watch->pidfd < 0 || poll(&poller, 1, ms) != 0;
}

struct unread {
	long bytes; /* in the receive buffer of auditd's socket; -1: cannot be told */
	uint32_t drops;
};

/* The socket's port is auditd's pid. The file is of auditd's network namespace: the guard
 * may run in another. proc_pid_net(5): sk Eth Pid Groups Rmem Wmem Dump Locks Drops ...
 */
static struct unread look_at_socket(pid_t pid)
{
	struct unread result = { .bytes = -1 };
	char path[48], line[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/netlink", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return result;
	while (result.bytes < 0 && fgets(line, sizeof(line), file)) {
		unsigned protocol, port, drops;
		long bytes;

		if (sscanf(line, "%*s %u %u %*x %ld %*d %*d %*d %u", &protocol, &port,
			   &bytes, &drops) == 4 &&
		    protocol == NETLINK_AUDIT && port == (unsigned)pid)
			result = (struct unread){ bytes, drops };
	}
	(void)fclose(file);
	return result;
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
	if (!watch_pidfd_alive(watch->pidfd)) {
		forget_auditd(watch);
		return AUDIT_STATE_NO_DAEMON;
	}
	watch->pid = pid;
	watch->drops = look_at_socket(pid).drops;
	/* One auditd ended and another began since the last look: that is an outage, too.
	 */
	return was_another ? AUDIT_STATE_NO_DAEMON : AUDIT_STATE_RECORDING;
}

/* The backlog was read first: what moves on in between is then counted twice, never
 * missed; and what the kernel could not hand over is seen to be, as a drop. */
static void look_at_queues(struct watch *watch, const struct audit_status *status,
			   struct watch_report *ret)
{
	struct unread unread = look_at_socket(watch->pid);

	ret->is_drained = unread.bytes == 0;
	if (!status)
		return;
	ret->is_idle = ret->is_drained && status->backlog == 0;
	ret->is_dropped = unread.bytes < 0 || unread.drops != watch->drops ||
			  (watch->has_looked && status->lost > watch->lost);
	ret->in_flight = status->backlog + IN_HANDS;
	if (unread.bytes > 0)
		ret->in_flight += (uint32_t)(unread.bytes / RECORD_BYTES_MIN);
	if (unread.bytes >= 0)
		watch->drops = unread.drops;
	watch->lost = status->lost; /* auditctl --reset-lost makes it smaller */
}

/* The kernel does not answer: what can be seen all the same. */
static enum audit_state look_without_answer(struct watch *watch, struct watch_report *ret)
{
	ret->is_late = true;
	if (!watch_pidfd_alive(watch->pidfd)) {
		forget_auditd(watch);
		ret->is_drained = true;
		return AUDIT_STATE_NO_DAEMON;
	}
	look_at_queues(watch, NULL, ret);
	return AUDIT_STATE_RECORDING;
}

void watch_look(struct watch *watch, uint64_t stamp, struct watch_report *ret)
{
	struct courier_answer answer;

	*ret = (struct watch_report){ .in_flight = UINT32_MAX };
	if (!courier_ask(watch->courier, watch->has_looked ? ANSWER_MS : FIRST_ANSWER_MS,
			 stamp, &answer)) {
		ret->state = look_without_answer(watch, ret);
		return;
	}
	ret->stamp = answer.stamp;
	if (answer.error < 0) {
		if (!watch_pidfd_alive(watch->pidfd))
			forget_auditd(watch); /* or whoever polls it never sleeps again */
		ret->state = AUDIT_STATE_FAILING;
		ret->error = answer.error;
		return;
	}

	ret->state = find_auditd(watch, (pid_t)answer.status.pid);
	if (answer.status.enabled == 0) /* 2 is enabled and locked */
		ret->state = AUDIT_STATE_DISABLED;
	ret->backlog_limit = answer.status.backlog_limit;
	if (watch->pid != 0)
		look_at_queues(watch, &answer.status, ret);
	else
		ret->is_drained = true;
	watch->has_looked = true;
}
