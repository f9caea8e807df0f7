/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the source can be reached around the guard. */
#include <acl/libacl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>

#include "config/identity.h"

#include "fuse/log.h"
#include "fuse/seal.h"
#include "fuse/util.h"

/* Those who may search a directory, in words: "everyone, group staff". */
struct searchers {
	char text[512];
	bool any;
};

static void searchers_add(struct searchers *searchers, const char *kind, const char *name)
{
	size_t used = strlen(searchers->text);

	snprintf(searchers->text + used, sizeof(searchers->text) - used, "%s%s%s%s",
		 searchers->any ? ", " : "", kind, *name ? " " : "", name);
	searchers->any = true;
}

static void add_user(struct searchers *searchers, uid_t uid)
{
	char name[64];

	if (uid == 0)
		return;
	identity_user_name(uid, name, sizeof(name));
	searchers_add(searchers, "user", name);
}

static void add_group(struct searchers *searchers, gid_t gid)
{
	char name[64];

	identity_group_name(gid, name, sizeof(name));
	searchers_add(searchers, "group", name);
}

static int entry_may_search(acl_entry_t entry, acl_entry_t mask)
{
	acl_permset_t permissions;
	int may;

	if (acl_get_permset(entry, &permissions) < 0)
		return -errno;
	may = acl_get_perm(permissions, ACL_EXECUTE);
	if (may <= 0 || !mask)
		return may < 0 ? -errno : may;
	if (acl_get_permset(mask, &permissions) < 0)
		return -errno;
	may = acl_get_perm(permissions, ACL_EXECUTE);
	return may < 0 ? -errno : may;
}

static int find_mask(acl_t acl, acl_entry_t *ret)
{
	acl_entry_t entry;
	acl_tag_t tag;
	int more = acl_get_entry(acl, ACL_FIRST_ENTRY, &entry);

	*ret = NULL;
	for (; more == 1; more = acl_get_entry(acl, ACL_NEXT_ENTRY, &entry)) {
		if (acl_get_tag_type(entry, &tag) < 0)
			return -errno;
		if (tag == ACL_MASK)
			*ret = entry;
	}
	return more < 0 ? -errno : 0;
}

static void add_entry(struct searchers *searchers, acl_entry_t entry, acl_tag_t tag,
		      const struct stat *st)
{
	id_t *id = tag == ACL_USER || tag == ACL_GROUP ? acl_get_qualifier(entry) : NULL;

	if (tag == ACL_USER_OBJ)
		add_user(searchers, st->st_uid);
	else if (tag == ACL_GROUP_OBJ)
		add_group(searchers, st->st_gid);
	else if (tag == ACL_OTHER)
		searchers_add(searchers, "everyone", "");
	else if (tag == ACL_USER && id)
		add_user(searchers, *id);
	else if (tag == ACL_GROUP && id)
		add_group(searchers, *id);
	if (id)
		acl_free(id);
}

/* acl(5), access check algorithm: the mask limits named entries and the owning group. */
static int who_may_search(const char *path, struct searchers *ret)
{
	acl_entry_t entry, mask;
	struct stat st;
	acl_tag_t tag;
	acl_t acl;
	int r, more;

	*ret = (struct searchers){ 0 };
	if (stat(path, &st) < 0)
		return -errno;
	acl = acl_get_file(path, ACL_TYPE_ACCESS);
	if (!acl && (errno == EOPNOTSUPP || errno == ENOSYS))
		acl = acl_from_mode(st.st_mode);
	if (!acl)
		return -errno;
	r = find_mask(acl, &mask);
	more = r < 0 ? 0 : acl_get_entry(acl, ACL_FIRST_ENTRY, &entry);
	for (; more == 1; more = acl_get_entry(acl, ACL_NEXT_ENTRY, &entry)) {
		bool masked;

		if (acl_get_tag_type(entry, &tag) < 0) {
			r = -errno;
			break;
		}
		masked = tag == ACL_USER || tag == ACL_GROUP || tag == ACL_GROUP_OBJ;
		if (tag == ACL_MASK)
			continue;
		r = entry_may_search(entry, masked ? mask : NULL);
		if (r < 0)
			break;
		if (r > 0)
			add_entry(ret, entry, tag, &st);
		r = 0;
	}
	acl_free(acl);
	return r;
}

static bool lies_in(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return strcmp(path, "/") != 0;
	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/* One directory on the way that nobody can search closes all that is below it. `closest`
 * is who can search the source itself. */
static int is_closed(const char *source, struct searchers *closest)
{
	char path[PATH_MAX];
	struct searchers searchers;
	int r = who_may_search(source, closest);

	if (r < 0 || !closest->any)
		return r < 0 ? r : 1;
	snprintf(path, sizeof(path), "%s", source);
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		*slash = '\0';
		r = who_may_search(*path ? path : "/", &searchers);
		if (r < 0)
			return r;
		if (!searchers.any)
			return 1;
	}
	return 0;
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
	r = is_closed(source, &searchers);
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
