/* SPDX-License-Identifier: Apache-2.0 */
/* What was promoted, and what is held. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "fuse/promoted.h"
#include "fuse/source.h"
#include "fuse/util.h"
#include "fuse/version.h"

#define SEALED "trusted.modelguard.sealed" /* seconds since 1970, decimal */
#define HOLD   "trusted.modelguard.hold"   /* why */

int version_begin(int fd)
{
	struct fd_path path;
	char text[24];
	int length = snprintf(text, sizeof(text), "%lld", (long long)time(NULL));

	return RET_ERRNO(setxattr(fd_path(fd, &path), SEALED, text, (size_t)length, 0));
}

void version_undo(int fd)
{
	struct fd_path path;

	removexattr(fd_path(fd, &path), SEALED);
	removexattr(fd_path(fd, &path), PROMOTED_XATTR);
	removexattr(fd_path(fd, &path), PROMOTED_MANIFEST_XATTR);
}

int version_hold(int fd, const char *reason)
{
	struct fd_path path;

	return reason ? RET_ERRNO(setxattr(fd_path(fd, &path), HOLD, reason,
					   strlen(reason), 0))
		      : RET_ERRNO(removexattr(fd_path(fd, &path), HOLD));
}

ssize_t version_held(int fd, char reason[static HOLD_REASON_MAX])
{
	struct fd_path path;
	ssize_t length = RET_ERRNO(
		getxattr(fd_path(fd, &path), HOLD, reason, HOLD_REASON_MAX - 1));

	reason[length > 0 ? length : 0] = '\0';
	return length;
}

static bool is_nothing(ssize_t r)
{
	return r == -ENODATA || r == -EOPNOTSUPP;
}

/* What one inode says of itself and all below it. 0 or -errno. */
static int look_at(int fd, struct sealed *sealed, bool *ret_promoted)
{
	struct fd_path path;
	char text[24] = "";
	ssize_t r;

	if (!sealed->hold[0]) {
		r = version_held(fd, sealed->hold);
		if (r < 0 && !is_nothing(r))
			return (int)r;
	}
	r = RET_ERRNO(getxattr(fd_path(fd, &path), SEALED, text, sizeof(text) - 1));
	*ret_promoted = r >= 0;
	if (r < 0)
		return is_nothing(r) ? 0 : (int)r;
	/* One that was promoted with a part that had been promoted before: the later. */
	if (atoll(text) > (long long)sealed->since)
		sealed->since = (time_t)atoll(text);
	return 0;
}

/* The directory and all above it. */
static int look_up(struct filesystem *fs, struct node *dir, struct sealed *sealed)
{
	struct node *node = node_ref(fs->nodes, dir), *parent;
	int r = 0;

	while (node && r == 0) {
		_cleanup_(freep) char *name = NULL;
		bool promoted = false;
		int fd = node_fd_get(fs->nodes, node);

		r = fd < 0 ? fd : look_at(fd, sealed, &promoted);
		node_fd_put(fs->nodes, node, fd);
		sealed->in_version |= promoted;
		parent = NULL;
		if (r == 0)
			r = node_name(fs->nodes, node, &parent, &name);
		node_put(fs->nodes, node);
		node = parent;
	}
	node_put(fs->nodes, node);
	return r;
}

/* The object itself. What was made in the zone and not promoted was complete when it was
 * last changed. */
static int look_at_object(int dir_fd, const char *name, struct sealed *sealed)
{
	_cleanup_(closep) int fd = source_open_name(dir_fd, name);
	bool promoted = false;
	struct stat st;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = look_at(fd, sealed, &promoted);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0 && !promoted && !sealed->in_version)
		sealed->since = st.st_ctim.tv_sec;
	return r;
}

void version_look(struct filesystem *fs, const struct use *dir, const char *name,
		  struct target *target)
{
	struct sealed *sealed = &target->sealed;
	int r;

	if (!guard_is_write_once(fs->guard, dir->node, name))
		return;
	r = look_up(fs, dir->node, sealed);
	if (r == 0 && name)
		r = look_at_object(dir->fd, name, sealed);
	sealed->known = r == 0;
}
