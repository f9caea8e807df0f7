/* SPDX-License-Identifier: Apache-2.0 */
/* Who approved what is to be promoted: kept with it in the source, in the extended
 * attribute trusted.modelguard.approvals, which the mount lets nobody set. An approval is
 * of a digest: it is void as soon as a byte or a name is another. */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "fuse/digest.h"
#include "fuse/place.h"

#define APPROVALS_MAX	  16 /* ext4 has 4 KiB for all of an inode's attributes */
#define APPROVAL_NAME_MAX 40
#define APPROVAL_NOTE_MAX 101

struct approval {
	uid_t uid;
	char name[APPROVAL_NAME_MAX]; /* as the user was called then; else the uid */
	time_t when;
	char zone[PLACE_NAME_MAX]; /* that it is for */
	char hex[DIGEST_HEX_SIZE]; /* of exactly this */
	char note[APPROVAL_NOTE_MAX];
};

struct approvals {
	struct approval items[APPROVALS_MAX];
	size_t n_items;
};

/* All of them, void ones as well; `fd` may be O_PATH. 0, -EBADMSG, or another -errno. */
int approvals_read(int fd, struct approvals *ret);

/* Adds one in place of the same person's for the zone; those of other digests for it go.
 * 0, -ENOSPC, or another -errno. */
int approvals_add(int fd, const struct approval *approval);

/* Takes one back. 0, -ENODATA: there is none; or another -errno. */
int approvals_remove(int fd, uid_t uid, const char *zone);
