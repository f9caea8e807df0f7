/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: where a mount shows a share's source. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor-mounts.h"
#include "fuse/util.h"

/* The whole file system, a directory above the source, the source, or one in it. */
static char *path_in(const struct mount_entry *entry, const char *inner)
{
	const char *rest = "";
	char *path;

	if (path_covers(entry->root, inner))
		rest = strcmp(entry->root, "/") == 0 ? inner
						     : inner + strlen(entry->root);
	if (strcmp(rest, "/") == 0)
		rest = "";
	if (asprintf(&path, "%s%s", strcmp(entry->point, "/") == 0 ? "" : entry->point,
		     rest) < 0)
		return NULL;
	return path;
}

bool mounts_shows(const struct mounts *mounts, const struct mount_entry *entry,
		  const struct share *share, char **ret)
{
	_cleanup_(freep) char *path = NULL;

	errno = 0;
	if (!share->on || entry->major != share->on->major ||
	    entry->minor != share->on->minor ||
	    (!path_covers(entry->root, share->inner) &&
	     !path_covers(share->inner, entry->root)))
		return false;
	path = path_in(entry, share->inner);
	if (!path) {
		errno = ENOMEM;
		return false;
	}
	if (mounts_find(mounts, path) != entry)
		return false;
	*ret = take_ptr(path);
	return true;
}
