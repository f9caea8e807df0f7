/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the grants beside a policy, as they are read and changed. */
#pragma once

#include <jansson.h>

#include "config/grants.h"
#include "config/policy.h"

/* Those of a policy that was loaded, judged as of *now. Returns CTL_OK, or the exit
 * status, having said why: CTL_POLICY if they are refused. */
int ctl_load_grants(const struct policy *policy, const struct moment *now,
		    struct grants **ret);

/* Those of them that are in force now. Returns as ctl_load_grants(). */
int ctl_load_valid_grants(const struct policy *policy, struct grants **ret);

/* A policy and its grants, while nobody else changes these. */
struct grants_desk;

/* Locks the grants of a policy's file, and reads both. Returns as ctl_load_grants(); with
 * grants_desk_free() the lock goes. */
int grants_desk_open(const char *policy_file, struct grants_desk **ret);
void grants_desk_free(struct grants_desk **desk);

/* What was read; of the grants, those that have not ended. These may be changed. */
const struct policy *grants_desk_policy(const struct grants_desk *desk);
struct grants *grants_desk_grants(struct grants_desk *desk);
const struct moment *grants_desk_now(const struct grants_desk *desk);

/* Who changes them: who logged in, also behind su(1) and sudo(8). Borrowed. */
const struct grant_person *grants_desk_admin(const struct grants_desk *desk);

/* Writes them, and gives up the lock. Returns CTL_OK, or
 * CTL_FAILED, having said why; then nothing is changed. */
int grants_desk_install(struct grants_desk *desk);

/* "alice has model-admin until 2026-11-23 22:00:00, by root: mend the upload", or what
 * became of it, on stdout. */
void ctl_print_grant(const struct timed_grant *grant, const struct moment *now);
json_t *ctl_json_grant(const struct timed_grant *grant, const struct moment *now);
