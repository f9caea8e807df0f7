/* SPDX-License-Identifier: Apache-2.0 */
/* Whose files are made. */
#include <sys/fsuid.h>

#include "fuse/creds.h"

void creds_become(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
}

void creds_restore(void)
{
	setfsuid(0);
	setfsgid(0);
}
