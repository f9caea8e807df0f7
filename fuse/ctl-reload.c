/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: guards that run have to read the policy again. */
#include <mntent.h>
#include <stdio.h>
#include <string.h>

#include "fuse/ctl-reload.h"
#include "fuse/ctl.h"

#define MOUNTS	   "/proc/self/mounts"
#define MOUNT_TYPE "fuse.modelguard"

static void print_mount(const struct mntent *mount)
{
	fputs("  ", stdout);
	ctl_puts_safe(stdout, mount->mnt_dir);
	fputs(" (", stdout);
	ctl_puts_safe(stdout, mount->mnt_fsname);
	puts("): not reloaded yet");
}

int ctl_reload_guards(void)
{
	FILE *mounts = setmntent(MOUNTS, "re");
	struct mntent entry;
	char buffer[8192];
	size_t n = 0;

	if (!mounts)
		return ctl_fail("cannot read " MOUNTS ": %m; guards that run have to be "
				"told: pkill -HUP -x modelguard");
	while (getmntent_r(mounts, &entry, buffer, sizeof(buffer))) {
		if (strcmp(entry.mnt_type, MOUNT_TYPE) != 0)
			continue;
		if (n++ == 0)
			puts("Guards go on with the policy that they have read:");
		print_mount(&entry);
	}
	endmntent(mounts);
	puts(n > 0 ? "reload: pkill -HUP -x modelguard"
		   : "No guard is mounted here: the next one to be mounted reads it.");
	return CTL_OK;
}
