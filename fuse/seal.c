/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the source can be reached around the guard. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/log.h"
#include "fuse/seal.h"
#include "fuse/searchers.h"
#include "fuse/util.h"

static bool lies_in(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return strcmp(path, "/") != 0;
	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

int seal_check(const char *source, const char *mountpoint, bool allowed)
{
	struct searchers searchers;
	int r;

	if (strcmp(source, mountpoint) == 0)
		return 0;
	if (lies_in(source, mountpoint) || lies_in(mountpoint, source)) {
		log_error("source '%s' and mount point '%s' lie in each other: use "
			  "separate "
			  "directories, or the same one for both",
			  source, mountpoint);
		return -EINVAL;
	}
	r = searchers_reach(source, "", &searchers);
	if (r > 0)
		return 0;
	if (r < 0) {
		log_error("cannot tell who can reach '%s': %s", source, strerror(-r));
		return r;
	}
	if (allowed) {
		log_warning("'%s' can be reached around the guard by %s (-o unsealed)",
			    source, searchers.text);
		return -EPERM;
	}
	log_error("'%s' can be reached around the guard by %s: close it with 'chown root "
		  "%s "
		  "&& chmod 700 %s && setfacl -b %s', or mount over it ('modelguard %s "
		  "%s'), "
		  "or accept it with -o unsealed",
		  source, searchers.text, source, source, source, source, source);
	return -EPERM;
}

/* A file that is not there yet is looked for by its directory. */
static char *resolve(const char *path)
{
	_cleanup_(freep) char *copy = NULL;
	char *resolved = realpath(path, NULL);

	if (resolved || errno != ENOENT)
		return resolved;
	copy = strdup(path);
	return copy ? realpath(dirname(copy), NULL) : NULL;
}

int seal_check_outside(const char *what, const char *path, const char *source,
		       const char *mountpoint)
{
	_cleanup_(freep) char *resolved = resolve(path);
	const char *inside = NULL;
	int r;

	if (!resolved) {
		r = -errno;
		log_error("the %s '%s' cannot be found: %s", what, path, strerror(-r));
		return r;
	}
	if (strcmp(resolved, source) == 0 || lies_in(resolved, source))
		inside = source;
	else if (strcmp(resolved, mountpoint) == 0 || lies_in(resolved, mountpoint))
		inside = mountpoint;
	if (!inside)
		return 0;
	log_error(
		"the %s '%s' lies in '%s', where those whom it is about could change it: "
		"keep it elsewhere",
		what, path, inside);
	return -EPERM;
}
