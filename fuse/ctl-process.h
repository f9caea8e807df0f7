/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: who a running process is, as the guard sees it. */
#pragma once

#include <sys/types.h>

#include "config/decide.h"

struct process {
	pid_t pid;
	struct subject subject; /* file-system uid and gid, supplementary groups */
	gid_t *groups;		/* of the subject */
	uid_t login_uid;	/* (uid_t)-1: unset, or not known */
	char comm[32];
	char *exe; /* NULL: we may not know */
	char unit[256];
};

/* Reads /proc/PID. 0, -ESRCH if there is no such process, -EINVAL if it is not
 * understood, or another -errno. process_fini() in any case. */
int process_read(pid_t pid, struct process *ret);
void process_fini(struct process *process);
