/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what lies behind a path of a guarded share. */
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/text.h"

#include "fuse/ctl-guards.h"
#include "fuse/ctl-source.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

void ctl_place_fini(struct ctl_place *place)
{
	closep(&place->fd);
	free(place->mountpoint);
	free(place->below);
	*place = (struct ctl_place){ .fd = -1 };
}

char *ctl_place_path(const struct ctl_place *place, const char *path)
{
	const char *top = place->mountpoint ? place->mountpoint : "";
	char *joined;

	if (strcmp(top, "/") == 0)
		top = "";
	if (strcmp(path, ".") == 0)
		return strdup(*top ? top : "/");
	return asprintf(&joined, "%s/%s", top, path) < 0 ? NULL : joined;
}

/* Absolute, without "." and doubled or trailing slashes. NULL: there is a ".." in it,
 * which only the file system could follow, or it is too long. */
static char *plain_path(const char *path)
{
	char joined[2 * PATH_MAX] = "", plain[2 * PATH_MAX] = "";
	char *save = NULL;
	size_t n = 0;

	if (path[0] != '/' && !getcwd(joined, PATH_MAX))
		return NULL;
	if (strlen(path) >= PATH_MAX)
		return NULL;
	strcat(strcat(joined, "/"), path);
	for (char *name = strtok_r(joined, "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		if (strcmp(name, "..") == 0)
			return NULL;
		if (strcmp(name, ".") != 0)
			n += (size_t)snprintf(plain + n, sizeof(plain) - n, "/%s", name);
	}
	return strdup(n ? plain : "/");
}

/* What is left of a path below a mount point, or NULL. */
static const char *below_of(const char *mountpoint, const char *path)
{
	size_t length = strcmp(mountpoint, "/") == 0 ? 0 : strlen(mountpoint);

	if (strncmp(path, mountpoint, length) != 0)
		return NULL;
	if (path[length] == '\0' || strcmp(path + length, "/") == 0)
		return ".";
	return path[length] == '/' ? path + length + 1 : NULL;
}

static int fill_place(const struct ctl_guard *guard, const char *below,
		      struct ctl_place *ret)
{
	struct ctl_fault fault;

	*ret = (struct ctl_place){ .fd = ctl_guard_source(guard, &fault) };
	if (ret->fd < 0)
		return ctl_no_answer(guard, &fault);
	ret->below = strdup(below);
	if (guard->mountpoint)
		ret->mountpoint = strdup(guard->mountpoint);
	if (ret->below && (ret->mountpoint || !guard->mountpoint))
		return CTL_OK;
	return ctl_fail("no memory");
}

/* The guard whose mount point is closest above. */
static int find_place(const struct ctl_guards *guards, const char *path,
		      struct ctl_place *ret)
{
	const struct ctl_guard *found = NULL;

	for (size_t i = 0; i < guards->n_items; i++) {
		const struct ctl_guard *guard = &guards->items[i];

		if (guard->mountpoint && below_of(guard->mountpoint, path) &&
		    (!found || strlen(guard->mountpoint) > strlen(found->mountpoint)))
			found = guard;
	}
	if (found)
		return fill_place(found, below_of(found->mountpoint, path), ret);
	ctl_fail("%s is in no guarded share: 'modelguardctl status' shows those that are "
		 "mounted",
		 QUOTED(path));
	return CTL_NO;
}

int ctl_place_find(const char *path, struct ctl_place *ret)
{
	_cleanup_(ctl_guards_fini) struct ctl_guards guards = { 0 };
	_cleanup_(freep) char *plain = plain_path(path);
	int status;

	*ret = (struct ctl_place){ .fd = -1 };
	if (!plain) {
		ctl_fail("%s: give the path as it is from '/' on, without '..'",
			 QUOTED(path));
		return CTL_USAGE;
	}
	status = ctl_find_guards(NULL, &guards);
	return status == CTL_OK ? find_place(&guards, plain, ret) : status;
}

int ctl_place_all(struct ctl_place **ret, size_t *ret_n)
{
	_cleanup_(ctl_guards_fini) struct ctl_guards guards = { 0 };
	int status = ctl_find_guards(NULL, &guards);

	if (status != CTL_OK)
		return status;
	*ret = calloc(guards.n_items, sizeof(**ret));
	if (!*ret)
		return ctl_fail("no memory");
	for (*ret_n = 0; *ret_n < guards.n_items; (*ret_n)++)
		if (fill_place(&guards.items[*ret_n], ".", &(*ret)[*ret_n]) != CTL_OK)
			status = CTL_FAILED;
	return status;
}
