/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: one admin at a time changes a policy. */
#pragma once

#include <sys/types.h>

struct policy_lock {
	int fd;	    /* -1: not locked */
	char *path; /* of the lock file, beside the policy */
};

/* Locks a policy by a file beside it that only its owner can open, so that no reader of
 * the policy can hold it. Does not wait. Returns CTL_OK, or CTL_FAILED, having said who
 * holds it or what is wrong. */
int policy_lock(const char *file, struct policy_lock *ret);

/* Removes the lock; a lock that is not held is fine. */
void policy_unlock(struct policy_lock *lock);

/* Who logged in, also behind su(1) and sudo(8); else who this is. */
uid_t ctl_login_uid(void);

/* DIR/.NAMEsuffix for DIR/NAME: a new string, or NULL without memory. */
char *beside_policy(const char *file, const char *suffix);
