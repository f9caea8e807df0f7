/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: the shares that are looked at. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fuse/ctl-guards.h"
#include "fuse/ctl.h"
#include "fuse/doctor-files.h"
#include "fuse/util.h"

#define GUARD_TYPE "fuse.modelguard"

/* In mounts of its own, the guard is taken off the source. */
struct uncovering {
	const struct share *share;
	int fd;
};

static void *uncover(void *data)
{
	struct uncovering *uncovering = data;
	const char *source = uncovering->share->source;
	struct stat st;

	uncovering->fd = -EPERM;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    umount2(source, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return NULL;
	uncovering->fd =
		RET_ERRNO(open(source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (uncovering->fd >= 0 && fstat(uncovering->fd, &st) < 0)
		closep(&uncovering->fd);
	return NULL;
}

/* A thread may have mounts of its own; a descriptor from there serves all. */
static int open_under_guard(const struct share *share)
{
	struct uncovering uncovering = { .share = share, .fd = -EAGAIN };
	pthread_t thread;

	if (pthread_create(&thread, NULL, uncover, &uncovering) != 0)
		return -EAGAIN;
	(void)pthread_join(thread, NULL);
	return uncovering.fd;
}

static bool is_guard(const struct mount_entry *entry)
{
	return strcmp(entry->type, GUARD_TYPE) == 0;
}

/* The mount that the source is on, whatever lies over it. */
static const struct mount_entry *mount_of_source(const struct mounts *mounts,
						 const char *source)
{
	const struct mount_entry *found = NULL;

	for (size_t i = 0; i < mounts->n_items; i++) {
		const struct mount_entry *entry = &mounts->items[i];

		if (!is_guard(entry) && path_covers(entry->point, source) &&
		    (!found || strlen(entry->point) >= strlen(found->point)))
			found = entry;
	}
	return found;
}

/* ROOT and what of the path is below the mount point, joined. */
static char *path_inside(const struct mount_entry *entry, const char *path)
{
	const char *rest =
		strcmp(entry->point, "/") == 0 ? path : path + strlen(entry->point);
	char *inner;

	if (strcmp(rest, "/") == 0)
		rest = "";
	if (asprintf(&inner, "%s%s", strcmp(entry->root, "/") == 0 ? "" : entry->root,
		     rest) < 0)
		return NULL;
	if (*inner == '\0') {
		free(inner);
		inner = strdup("/");
	}
	return inner;
}

static int add_share(const struct doctor *doctor, struct shares *shares,
		     const char *source, const char *mountpoint)
{
	struct share *more =
		reallocarray(shares->items, shares->n_items + 1, sizeof(*more));
	struct share *share;

	if (!more)
		return -ENOMEM;
	shares->items = more;
	share = &more[shares->n_items++];
	*share = (struct share){ .fd = -ENOENT, .source = strdup(source) };
	if (mountpoint)
		share->mountpoint = strdup(mountpoint);
	if (!share->source || (mountpoint && !share->mountpoint))
		return -ENOMEM;
	share->over_source = mountpoint && strcmp(source, mountpoint) == 0;
	share->on = mount_of_source(&shares->mounts, source);
	if (share->on && !(share->inner = path_inside(share->on, source)))
		return -ENOMEM;
	if (share->over_source && *doctor->root == '\0')
		share->fd = open_under_guard(share);
	else
		share->fd = doctor_open(doctor, source, O_RDONLY | O_DIRECTORY);
	return 0;
}

static bool is_wanted(const struct mount_entry *entry, const char *path)
{
	return !path || strcmp(entry->point, path) == 0 ||
	       strcmp(entry->source, path) == 0;
}

static bool is_known(const struct shares *shares, const struct mount_entry *entry)
{
	for (size_t i = 0; i < shares->n_items; i++) {
		if (strcmp(shares->items[i].mountpoint, entry->point) == 0)
			return true;
	}
	return false;
}

static int find_mounted(const struct doctor *doctor, const char *path,
			struct shares *shares)
{
	int r = 0;

	for (size_t i = 0; i < shares->mounts.n_items && r == 0; i++) {
		const struct mount_entry *entry = &shares->mounts.items[i];

		if (is_guard(entry) && is_wanted(entry, path) && !is_known(shares, entry))
			r = add_share(doctor, shares, entry->source, entry->point);
	}
	return r;
}

/* What they tell of themselves; nothing of other machines. */
static void ask_guards(struct shares *shares)
{
	struct ctl_guards guards __attribute__((cleanup(ctl_guards_fini))) = { 0 };

	if (ctl_look_for_guards(&guards) != CTL_OK)
		return;
	for (size_t i = 0; i < guards.n_items; i++) {
		const struct ctl_guard *guard = &guards.items[i];
		struct ctl_fault fault;

		for (size_t j = 0; guard->mountpoint && j < shares->n_items; j++) {
			struct share *share = &shares->items[j];

			if (!share->mountpoint ||
			    strcmp(share->mountpoint, guard->mountpoint) != 0)
				continue;
			share->status = ctl_ask_guard(guard, CONTROL_STATUS, &fault);
			share->fault = share->status ? NULL : strdup(fault.text);
		}
	}
}

int shares_find(const struct doctor *doctor, const char *path, struct shares *ret)
{
	char *text = NULL;
	int r;

	*ret = (struct shares){ 0 };
	ret->mounts_error = doctor_read(doctor, "/proc/self/mountinfo", &text);
	r = ret->mounts_error == 0 ? mounts_parse(text, &ret->mounts) : 0;
	if (r == 0)
		r = find_mounted(doctor, path, ret);
	if (r == 0 && path && ret->n_items == 0)
		r = add_share(doctor, ret, path, NULL);
	if (r == 0 && *doctor->root == '\0' && geteuid() == 0)
		ask_guards(ret);
	return r;
}

void shares_fini(struct shares *shares)
{
	for (size_t i = 0; i < shares->n_items; i++) {
		struct share *share = &shares->items[i];

		closep(&share->fd);
		free(share->source);
		free(share->mountpoint);
		free(share->inner);
		free(share->fault);
		json_decref(share->status);
	}
	free(shares->items);
	mounts_fini(&shares->mounts);
}
