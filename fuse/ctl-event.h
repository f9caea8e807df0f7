/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: one event of the trail, as a line for a person and as a line of JSON. */
#pragma once

#include "fuse/trail.h"

/* "ok", "DENIED", "failed", "refused". */
const char *ctl_outcome_name(enum trail_outcome outcome);

/* Columns: time, who, operation, outcome, path, and the rule or the reason. They grow
 * with what they hold. Returns CTL_OK, or CTL_FAILED without memory. */
int ctl_event_print(const struct trail_event *event);

/* The fields as audit=file:PATH writes them, with `outcome` in front, and `node` if
 * auditd names the machine. Returns as above. */
int ctl_event_print_json(const struct trail_event *event);

/* "2026-11-23 10:00:01" in the local time zone. Returns buffer. */
#define CTL_TIME_SIZE 32
const char *ctl_time(time_t seconds, char buffer[static CTL_TIME_SIZE]);
