/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: a name service that hangs is waited for only so long. */
#pragma once

#define CTL_PATIENCE_SECONDS 15

/* The name service is about to be asked: unless this is called again or stopped within
 * CTL_PATIENCE_SECONDS, the program says so and ends with CTL_FAILED. A call into NSS
 * cannot be broken off in another way. */
void ctl_patience_start(void);
void ctl_patience_stop(void);

/* What is said as well when it ends so, or by SIGINT, SIGTERM or SIGHUP; those are caught
 * from the first call on. Borrowed; NULL: nothing. */
void ctl_last_words(const char *text);
