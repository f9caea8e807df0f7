/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: guards that run have to read the policy again. */
#pragma once

/* Finds the guards that are mounted and says on stdout how each is told to read its
 * policy again. Returns CTL_OK, or CTL_FAILED, having said why, if the mounts cannot be
 * read. */
int ctl_reload_guards(void);
