/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: whether the name service lists everybody when it is asked to. */
#pragma once

/* The first service for users or groups in nsswitch.conf(5) that is not known to list all
 * that it has, such as sss: *ret is a new string, or NULL if there is none. Returns 0 or
 * -ENOMEM. */
int nsswitch_unlisting(char **ret);
