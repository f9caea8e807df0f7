/* SPDX-License-Identifier: Apache-2.0 */
/* The mount itself. */
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fuse/log.h"
#include "fuse/mount.h"
#include "fuse/util.h"

#define MOUNT_TYPE "fuse.modelguard"

int mount_is_guard(const char *mountpoint)
{
	char buffer[8192];
	struct mntent entry;
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	int found = 0;

	if (!mounts)
		return -errno;
	/* The last mount on a path is the one that is seen. */
	while (getmntent_r(mounts, &entry, buffer, sizeof(buffer)))
		if (strcmp(entry.mnt_dir, mountpoint) == 0)
			found = strcmp(entry.mnt_type, MOUNT_TYPE) == 0;
	endmntent(mounts);
	return found;
}

static int open_device(void)
{
	int fd = RET_ERRNO(open("/dev/fuse", O_RDWR | O_CLOEXEC));

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		log_error("there is no /dev/fuse: load the kernel's fuse module "
			  "('modprobe fuse')");
	else if (fd < 0)
		log_error("cannot open /dev/fuse: %s", strerror(-fd));
	return fd;
}

int mount_guard(const struct mount_request *request)
{
	_cleanup_(closep) int target =
		RET_ERRNO(open(request->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC));
	_cleanup_(closep) int device = -1;
	char path[64], options[128];

	if (target < 0) {
		log_error("mount point '%s': %s", request->mountpoint, strerror(-target));
		return target;
	}
	device = open_device();
	if (device < 0)
		return device;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	/* Documentation/filesystems/fuse/fuse.rst: rootmode is octal; allow_other lets
	 * every user reach the daemon, which decides itself (no default_permissions). */
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
	if (mount(request->source, path, MOUNT_TYPE,
		  request->flags | MS_NOSUID | MS_NODEV, options) < 0) {
		int r = -errno;

		log_error("cannot mount on '%s': %s%s", request->mountpoint, strerror(-r),
			  r == -EPERM ? " (mounting takes CAP_SYS_ADMIN: run it as root)"
				      : "");
		return r;
	}
	return take_fd(&device);
}

void mount_detach(const char *mountpoint)
{
	if (umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
	    errno != ENOENT)
		log_warning("cannot unmount '%s': %m", mountpoint);
}
