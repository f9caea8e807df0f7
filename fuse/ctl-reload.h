/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: guards that run have to read the policy again. */
#pragma once

/* Has the guards that run by this policy file read it again, and says on stdout what each
 * now runs; what one refuses, on stderr. Returns CTL_OK, CTL_NO if one refused it, or
 * CTL_FAILED, having said why, if one did not answer. */
int ctl_reload_guards(const char *file);
