/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: who somebody is now. The name service is waited for a few seconds only.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "fuse/record.h"

/* The uid that has this name now. 0, -ENOENT, or -ETIMEDOUT, which is said on stderr the
 * first time; from then on it is not asked again. */
int ctl_actor_uid(const char *name, uid_t *ret);

/* Who an actor was: the name that is on record, with the uid if the name service does
 * not know it by that name any more. Returns buffer. Not made safe for a terminal. */
const char *ctl_actor_name(const struct actor *actor, char *buffer, size_t size);
