/* SPDX-License-Identifier: Apache-2.0 */
/* Who can search a directory, by its modes and ACLs (acl(5), read with libacl). */
#pragma once

#include <stdbool.h>

/* In words: "everyone, group staff"; names are cut where there is no room. */
struct searchers {
	char text[512];
	bool any; /* somebody but root */
};

/* Of this directory alone. 0 or -errno. */
int searchers_of(const char *path, struct searchers *ret);

/* Whether users can get to a directory: one on the way that nobody but root can search
 * closes all that is below it. The way begins below `top` ("": at the root), which must
 * be the beginning of the path. 1: it is closed; 0: it is not, and *ret is who can search
 * the directory itself; or -errno. */
int searchers_reach(const char *path, const char *top, struct searchers *ret);
