/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel may keep of names and attributes, and how it is told to forget (DESIGN,
 * Cache). */
#include <stdlib.h>
#include <string.h>

#include "fuse/fs.h"
#include "fuse/log.h"
#include "fuse/util.h"

/* What changes in a sealed source on a disk of this machine was changed through the
 * guard, and the kernel knows; or by root, who can wait. Elsewhere other machines, or
 * whoever gets there around the guard, may change it at any time. */
#define SECONDS_OWN   10
#define SECONDS_OTHER 1

void fs_cache_init(struct filesystem *fs, bool is_sealed)
{
	fs->cache_seconds =
		is_sealed && fs->source.is_local ? SECONDS_OWN : SECONDS_OTHER;
}

/* An inode with several names may have several nodes, one a zone, and what is done to one
 * shows at the others only when they are looked at again. */
static bool has_other_names(const struct stat *st)
{
	return !S_ISDIR(st->st_mode) && st->st_nlink > 1;
}

unsigned fs_cache_attributes(const struct filesystem *fs, const struct stat *st)
{
	return has_other_names(st) ? SECONDS_OTHER : fs->cache_seconds;
}

void fs_cache_entry(struct filesystem *fs, struct node *dir, uint64_t place,
		    struct fuse_entry_param *entry)
{
	entry->attr_timeout = fs_cache_attributes(fs, &entry->attr);
	if (!has_other_names(&entry->attr) && guard_may_cache(fs->guard, dir, place))
		entry->entry_timeout = fs->cache_seconds;
}

bool fs_cache_absent(struct filesystem *fs, struct node *dir, uint64_t place,
		     struct fuse_entry_param *entry)
{
	if (!guard_may_cache(fs->guard, dir, place))
		return false;
	/* fuse_lowlevel.h: no inode number means that there is nothing, for so long. */
	*entry = (struct fuse_entry_param){ .entry_timeout = fs->cache_seconds };
	return true;
}

static void forget_name(uint64_t parent, const char *name, void *data)
{
	fuse_lowlevel_notify_inval_entry(data, parent, name, strlen(name));
}

static void forget_listing(uint64_t node_id, void *data)
{
	fuse_lowlevel_notify_inval_inode(data, node_id, 0, 0);
}

void fs_cache_forget(struct filesystem *fs, struct fuse_session *session)
{
	int r;

	node_names_forgotten(fs->nodes);
	r = channel_forget_names(&fs->channel);
	if (r < 0) /* before Linux 6.16 */
		r = node_each_name(fs->nodes, forget_name, session);
	if (r < 0)
		log_error(
			"the kernel keeps names of before the reload for up to %u s: %s",
			fs->cache_seconds, strerror(-r));
	node_names_forgotten(fs->nodes); /* it may have taken a while */
	/* A directory that is opened anew is decided; one that is open is listed from
	 * what the kernel has. */
	handle_each_directory(fs->handles, forget_listing, session);
}
