/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what the verbs that answer questions are asked about. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/identity.h"
#include "config/policy-load.h"
#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl.h"

/* Drops repeated and trailing slashes and "." components. Returns a new string, or NULL
 * with *ret_fault, which is NULL if there is no memory. */
static char *normalise(const char *path, const char **ret_fault)
{
	char *copy = malloc(strlen(path) + 2), *out = copy;

	*ret_fault = NULL;
	if (!copy)
		return NULL;
	while (*path) {
		size_t length;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (length == 2 && memcmp(path, "..", 2) == 0) {
			*ret_fault = "'..' in the path: write it without";
			free(copy);
			return NULL;
		}
		if (length > 0 && !(length == 1 && *path == '.')) {
			*out++ = '/';
			memcpy(out, path, length);
			out += length;
		}
		path += length;
	}
	if (out == copy)
		*out++ = '/';
	*out = '\0';
	return copy;
}

char *ctl_share_path(const char *typed, const char *mountpoint, const char **ret_fault)
{
	char *path, *mount;
	size_t length;

	*ret_fault = "the path must begin with '/', the root of the share";
	if (typed[0] != '/')
		return NULL;
	path = normalise(typed, ret_fault);
	if (!path || !mountpoint)
		return path;
	if (mountpoint[0] != '/') {
		*ret_fault = "the mount point must begin with '/'";
		free(path);
		return NULL;
	}
	mount = normalise(mountpoint, ret_fault);
	if (!mount) {
		free(path);
		return NULL;
	}
	length = strcmp(mount, "/") == 0 ? 0 : strlen(mount);
	if (strncmp(path, mount, length) != 0 ||
	    (path[length] != '/' && path[length] != '\0')) {
		*ret_fault = "the path is not below the mount point";
		free(path);
		path = NULL;
	} else if (path[length] == '\0') {
		strcpy(path, "/");
	} else {
		memmove(path, path + length, strlen(path + length) + 1);
	}
	free(mount);
	return path;
}

int ctl_find_user(const char *name, struct subject *ret, gid_t **ret_groups)
{
	int r;

	*ret_groups = NULL;
	ret->any_program = true;
	ctl_patience_start();
	r = identity_user(name, &ret->uid, &ret->gid, ret_groups, &ret->n_groups);
	ctl_patience_stop();
	ret->groups = *ret_groups;
	if (r == 0)
		return CTL_OK;
	if (r == -ENOENT) {
		ctl_fail("no such user: %s", QUOTED(name));
		return CTL_NO_USER;
	}
	return ctl_fail("cannot look up the user %s: %s", QUOTED(name),
			strerrordesc_np(-r));
}

int ctl_load_policy(const char *file, struct policy **ret)
{
	struct complaints complaints __attribute__((cleanup(complaints_fini))) = { 0 };
	int r;

	ctl_patience_start(); /* for the names of groups and users in it */
	r = policy_load(file, &identity_names, &complaints, ret);
	ctl_patience_stop();

	if (r == -ENOMEM)
		return ctl_fail("no memory");
	ctl_print_complaints(file, &complaints);
	if (r < 0)
		return r == -EINVAL ? CTL_POLICY : CTL_FAILED;
	if (policy_unenforceable(*ret, &complaints) > 0)
		ctl_fail("note: the guard would not mount this policy yet; see "
			 "'modelguardctl "
			 "check'");
	return CTL_OK;
}
