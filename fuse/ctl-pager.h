/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: long answers go through a pager, on a terminal only. */
#pragma once

/* Sends what is printed on stdout from here on through $PAGER, or "less -R" (which ends
 * at once if it fits on the screen) where there is one, if stdout is a terminal; else
 * does nothing. PAGER set and empty, or "cat", is none. */
void ctl_pager_start(void);

/* Waits until the pager is left. Returns CTL_OK, also without one, or CTL_FAILED, having
 * said why, if it could not be run. */
int ctl_pager_end(void);
