/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the admin's editor. */
#pragma once

/* Opens a file in $VISUAL, $EDITOR, editor(1) or vi(1), and waits. Returns CTL_OK if it
 * ended with 0, else CTL_FAILED, having said how it ended. */
int ctl_run_editor(const char *path);
