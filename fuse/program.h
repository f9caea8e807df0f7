/* SPDX-License-Identifier: Apache-2.0 */
/* By which program, and in which systemd unit, a process runs: what `exe` and `unit` of a
 * role ask for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether a process runs the very file that has this name here: in a mount namespace that
 * somebody made for themselves a name leads to any program. */
bool program_is_here(pid_t pid, const char *exe);

/* The unit, from the text of /proc/PID/cgroup (cgroups(7)): the first component of the
 * control group's path that is no slice; below it, whoever runs the unit may make groups
 * of any name (a user's own services are in user@UID.service). False: none. */
bool program_unit(const char *cgroup, char *ret, size_t size);
