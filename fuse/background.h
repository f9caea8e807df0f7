/* SPDX-License-Identifier: Apache-2.0 */
/* Going to the background: the caller's shell gets its status once the mount can be used.
 */
#pragma once

/* Forks. In the parent it does not return: it waits for the child's word and exits with
 * that status. In the child it returns a descriptor for background_ready(), or -errno,
 * logged. */
int background_start(void);

/* Turns stdin, stdout and stderr away; messages go to syslog only. */
void background_turn_away(void);

/* The mount can be used: background_turn_away(), and lets the parent go. */
void background_ready(int fd);
