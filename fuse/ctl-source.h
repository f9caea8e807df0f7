/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what lies behind a path of a guarded share. */
#pragma once

#include <stddef.h>

/* A place of a share, in its source; zeroed with fd -1 is none. */
struct ctl_place {
	int fd;		  /* the source's top directory */
	char *mountpoint; /* NULL: mounted where we cannot see it */
	char *below;	  /* below the top: "production/m"; "." is the top itself */
};

/* For root: of a path as users see it, absolute or from the working directory, without
 * asking the file system about it, since root has no role there. Returns CTL_OK, or
 * CTL_USAGE, CTL_NO (in no share) or CTL_FAILED, having said why. */
int ctl_place_find(const char *path, struct ctl_place *ret);

/* Of each guard that runs, its top. The list and its items are the caller's. As above;
 * one that does not answer has fd -1, and the others are found all the same. */
int ctl_place_all(struct ctl_place **ret, size_t *ret_n);

void ctl_place_fini(struct ctl_place *place);

/* "/models/production/m": as users see `path`, a path below the source's top. The
 * caller's to free; NULL: no memory. */
char *ctl_place_path(const struct ctl_place *place, const char *path);
