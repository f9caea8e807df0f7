/* SPDX-License-Identifier: Apache-2.0 */
/* Going to the background: the caller's shell gets its status once the mount can be used.
 */
#pragma once

/* Forks. In the parent it does not return: it waits for the child's word and exits with
 * that status. In the child it returns a descriptor for background_ready(), or -errno,
 * logged. */
int background_start(void);

/* The mount can be used: lets the parent go and turns stdin, stdout and stderr away. */
void background_ready(int fd);
