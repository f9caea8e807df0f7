/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: where a mount shows a share's source. */
#pragma once

#include <stdbool.h>

#include "fuse/mountinfo.h"
#include "fuse/share.h"

/* Whether a mount of a namespace shows the source or a part of it: *ret is the path
 * there, the caller's. False as well if it lies under another mount, and with errno
 * ENOMEM. */
bool mounts_shows(const struct mounts *mounts, const struct mount_entry *entry,
		  const struct share *share, char **ret);
