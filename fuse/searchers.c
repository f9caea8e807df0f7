/* SPDX-License-Identifier: Apache-2.0 */
/* Who can search a directory, by its modes and ACLs. */
#include <acl/libacl.h>
#include <limits.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>

#include "config/identity.h"

#include "fuse/searchers.h"
#include "fuse/util.h"

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
int searchers_of(const char *path, struct searchers *ret)
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

int searchers_reach(const char *path, const char *top, struct searchers *ret)
{
	size_t shortest = strlen(top);
	char way[PATH_MAX];
	struct searchers searchers;
	int r = searchers_of(path, ret);

	if (r < 0 || !ret->any)
		return r < 0 ? r : 1;
	if (snprintf(way, sizeof(way), "%s", path) >= (int)sizeof(way))
		return -ENAMETOOLONG;
	for (char *slash = strrchr(way, '/'); slash && slash >= way + shortest;
	     slash = strrchr(way, '/')) {
		*slash = '\0';
		r = searchers_of(*way ? way : "/", &searchers);
		if (r < 0)
			return r;
		if (!searchers.any)
			return 1;
	}
	return 0;
}
