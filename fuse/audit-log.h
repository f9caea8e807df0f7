/* SPDX-License-Identifier: Apache-2.0 */
/* Reads auditd's log as it is written: what stands there is recorded, whatever kernel,
 * rules, auditd and its disk did on the way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum audit_log_state {
	AUDIT_LOG_UNREADABLE, /* auditd writes none (write_logs = no), or we may not read
			       */
	AUDIT_LOG_OPEN,
	AUDIT_LOG_CLOSED, /* auditd had one and does not write any more */
};

/* One thread. All zeroes, and fd -1, at first. */
struct audit_log {
	int fd;	    /* ours */
	pid_t pid;  /* of the auditd whose log it is */
	int number; /* of auditd's descriptor of it */
	dev_t dev;  /* of the file, as ino; 0: there was none yet */
	ino_t ino;
	off_t at; /* up to here whole lines were read */
};

/* A record of this process in the log. */
struct audit_log_line {
	uint64_t seqno; /* 0: it has no number, and `part` is its count= */
	unsigned part;	/* from 0 */
	bool refused;
};

/* Finds the log of the auditd with this pid; the same file goes on where it was left. Any
 * other is read from its end if auditd is new, and else from its begin: a rotation.
 * Takes CAP_SYS_PTRACE. Some 5 us while nothing has changed. */
enum audit_log_state audit_log_find(struct audit_log *log, pid_t pid);

/* Reads on to the end. Calls for each record of ours that was written whole. True if the
 * log grew. */
bool audit_log_read(struct audit_log *log,
		    void (*call)(void *data, const struct audit_log_line *line),
		    void *data);

/* Whether the file system of the log is full. */
bool audit_log_is_full(const struct audit_log *log);

/* Closes the file, so that its file system can be unmounted; audit_log_find() goes on. */
void audit_log_leave(struct audit_log *log);

/* Whether a line is a record of the process `pid`. A line that a full disk has torn, and
 * to which the next was appended, is none. */
bool audit_log_parse(const char *line, size_t length, pid_t pid,
		     struct audit_log_line *ret);
