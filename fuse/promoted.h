/* SPDX-License-Identifier: Apache-2.0 */
/* What a file or a tree was when it was promoted: kept on its top, for verification. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "fuse/manifest.h"

/* Text: "1 TYPE HEX FILES BYTES TIME", TYPE as in a manifest, TIME in seconds. trusted.*
 * takes CAP_SYS_ADMIN (xattr(7)), and the guard shows none of it. */
#define PROMOTED_XATTR "trusted.modelguard.promoted"

/* The text of a tree's manifest, if it is short: ext4 has 4 KiB for all of an inode's
 * attributes. A longer one is a file of PROMOTED_DIRECTORY that is called by the digest.
 * Either is believed only if it has the digest of PROMOTED_XATTR. */
#define PROMOTED_MANIFEST_XATTR "trusted.modelguard.manifest"
#define PROMOTED_MANIFEST_MAX	2048
#define PROMOTED_DIRECTORY	"/var/lib/modelguard/manifests"

struct promoted {
	enum manifest_type type;
	struct digest digest;
	size_t n_files;
	uint64_t n_bytes;
	time_t when; /* CLOCK_REALTIME */
};

/* Keeps a sealed manifest on the top of what it is of; `fd` may be O_PATH, not of a
 * symbolic link. The manifest of a tree comes first, so that nothing is promoted without
 * it. 0 or -errno. */
int promoted_write(int fd, const struct manifest *manifest, time_t when);

/* 0; -ENODATA: it was not promoted; -EBADMSG: what is kept is not understood; or another
 * -errno. `fd` as above. */
int promoted_read(int fd, struct promoted *ret);

/* What it consisted of. 0; -ENOENT: its manifest is not kept any more; -EBADMSG: what is
 * kept is not what the digest is of; or another -errno. manifest_fini() in any case. */
int promoted_manifest(int fd, const struct promoted *promoted, struct manifest *ret);
