/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what the verbs that answer questions are asked about. */
#pragma once

#include "config/decide.h"
#include "config/policy.h"

/* The path in the share that was typed: repeated slashes and "." are dropped, and the
 * mount point is taken off if there is one. Returns a new string, or NULL with
 * *ret_fault, one phrase, which is NULL if there is no memory. */
char *ctl_share_path(const char *path, const char *mount, const char **ret_fault);

/* Asks NSS for a user, by name or uid. Returns CTL_OK, or the exit status, having said
 * why. *ret_groups is the caller's to free(), also on failure. */
int ctl_find_user(const char *name, struct subject *ret, gid_t **ret_groups);

/* Loads a policy. Returns CTL_OK, or the exit status, having said why: CTL_POLICY if it
 * is refused. What the guard would not mount yet is noted and loaded. */
int ctl_load_policy(const char *file, struct policy **ret);
