/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the guards that run. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "config/text.h"

#include "fuse/control-protocol.h"
#include "fuse/ctl-guards.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

#define MOUNTS	   "/proc/self/mounts"
#define MOUNT_TYPE "fuse.modelguard"

void ctl_guards_fini(struct ctl_guards *guards)
{
	for (size_t i = 0; i < guards->n_items; i++) {
		free(guards->items[i].mountpoint);
		free(guards->items[i].source);
	}
	free(guards->items);
	*guards = (struct ctl_guards){ 0 };
}

const char *ctl_guard_name(const struct ctl_guard *guard)
{
	return guard->mountpoint ? guard->mountpoint : "(mounted elsewhere)";
}

/* The kernel knows the device number without asking the guard, which may be dead. */
static int find_device(const char *path, dev_t *ret)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &stx) < 0)
		return -errno;
	*ret = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	return 0;
}

static bool is_known(const struct ctl_guards *guards, dev_t device)
{
	for (size_t i = 0; i < guards->n_items; i++)
		if (guards->items[i].device == device)
			return true;
	return false;
}

/* 0 or -ENOMEM. A guard that is mounted at two places is listed once. */
static int add_guard(struct ctl_guards *guards, dev_t device, const char *mountpoint,
		     const char *source)
{
	struct ctl_guard *items, *guard;

	if (is_known(guards, device))
		return 0;
	items = reallocarray(guards->items, guards->n_items + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	guards->items = items;
	guard = &items[guards->n_items++];
	*guard = (struct ctl_guard){ .device = device };
	if (mountpoint && (!(guard->mountpoint = strdup(mountpoint)) ||
			   !(guard->source = strdup(source))))
		return -ENOMEM;
	return 0;
}

static int find_mounts(struct ctl_guards *guards)
{
	FILE *mounts = setmntent(MOUNTS, "re");
	struct mntent entry;
	char buffer[3 * 4096];
	int r = 0;

	if (!mounts)
		return -errno;
	while (r == 0 && getmntent_r(mounts, &entry, buffer, sizeof(buffer))) {
		dev_t device;

		if (strcmp(entry.mnt_type, MOUNT_TYPE) == 0 &&
		    find_device(entry.mnt_dir, &device) == 0)
			r = add_guard(guards, device, entry.mnt_dir, entry.mnt_fsname);
	}
	endmntent(mounts);
	return r;
}

/* A guard whose mount is in another mount namespace. */
static int find_sockets(struct ctl_guards *guards)
{
	DIR *names = opendir(CONTROL_DIRECTORY);
	struct dirent *entry;
	int r = 0;

	if (!names)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (entry = readdir(names))) {
		unsigned major, minor;
		struct ctl_guard guard;
		struct ctl_fault fault;
		json_t *answer;
		int end = 0;

		if (sscanf(entry->d_name, CONTROL_NAME_FORMAT "%n", &major, &minor,
			   &end) != 2 ||
		    entry->d_name[end] != '\0')
			continue;
		guard = (struct ctl_guard){ .device = makedev(major, minor) };
		if (is_known(guards, guard.device))
			continue;
		answer = ctl_ask_guard(&guard, CONTROL_POLICY, &fault);
		if (answer) /* else it was killed */
			r = add_guard(guards, guard.device, NULL, NULL);
		json_decref(answer);
	}
	closedir(names);
	return r;
}

static int keep_one(struct ctl_guards *guards, const char *path)
{
	dev_t device;
	int r = find_device(path, &device);

	if (r < 0)
		return ctl_fail("%s: %s", QUOTED(path), strerrordesc_np(-r));
	for (size_t i = 0; i < guards->n_items; i++) {
		struct ctl_guard other = guards->items[i];

		if (other.device != device)
			continue;
		guards->items[i] = guards->items[0];
		guards->items[0] = other;
		for (size_t j = 1; j < guards->n_items; j++) {
			free(guards->items[j].mountpoint);
			free(guards->items[j].source);
		}
		guards->n_items = 1;
		return CTL_OK;
	}
	ctl_fail("%s is in no guarded share: 'modelguardctl status' shows those that are "
		 "mounted",
		 QUOTED(path));
	return CTL_NO;
}

int ctl_look_for_guards(struct ctl_guards *ret)
{
	int r = find_mounts(ret);

	if (r == 0)
		r = find_sockets(ret);
	if (r < 0)
		return ctl_fail("cannot look for guards: %s", strerrordesc_np(-r));
	return CTL_OK;
}

int ctl_check_in_share(const char *path)
{
	struct ctl_guards guards = { 0 };
	dev_t device;
	bool known;
	int r;

	if (find_device(path, &device) < 0)
		return ctl_fail("%s: %m", QUOTED(path));
	r = find_mounts(&guards);
	known = is_known(&guards, device);
	ctl_guards_fini(&guards);
	if (r < 0)
		return ctl_fail("cannot look for guards: %s", strerrordesc_np(-r));
	if (known)
		return CTL_OK;
	ctl_fail("%s is in no guarded share", QUOTED(path));
	return CTL_NO;
}

int ctl_find_guards(const char *path, struct ctl_guards *ret)
{
	int status;

	if (geteuid() != 0)
		return ctl_fail("guards answer to root only: run it as root");
	status = ctl_look_for_guards(ret);
	if (status != CTL_OK)
		return status;
	if (path)
		return keep_one(ret, path);
	if (ret->n_items > 0)
		return CTL_OK;
	ctl_fail("no guard is running: 'modelguard SOURCE MOUNTPOINT' starts one");
	return CTL_NO;
}
