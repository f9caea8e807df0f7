/* SPDX-License-Identifier: Apache-2.0 */
/* How roles look to stat(1) and getfacl(1). */
#include <endian.h>
#include <errno.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <string.h>

#include "config/decide.h"

#include "fuse/util.h"
#include "fuse/view.h"

#define RIGHT_READ  4
#define RIGHT_WRITE 2
#define RIGHT_EXEC  1

/* include/uapi/linux/posix_acl.h */
#define TAG_USER_OBJ  0x01
#define TAG_USER      0x02
#define TAG_GROUP_OBJ 0x04
#define TAG_GROUP     0x08
#define TAG_MASK      0x10
#define TAG_OTHER     0x20
#define ID_UNDEFINED  0xffffffffU

#define VERBS_CHANGE_FILE (VERB_SET(VERB_WRITE) | VERB_SET(VERB_WRITE_OWN))
#define VERBS_CHANGE_DIR \
	(VERB_SET(VERB_CREATE) | VERB_SET(VERB_DELETE) | VERB_SET(VERB_DELETE_OWN))

/* One line of what is shown, before the two ids are merged that may occur twice. */
struct entry {
	uint16_t tag;
	uint32_t id;
	unsigned rights;
};

struct entries {
	struct entry *items;
	size_t n_items;
};

static unsigned rights_of(verb_set verbs, mode_t mode)
{
	unsigned rights = 0;

	if (S_ISDIR(mode)) {
		if (verbs & VERB_SET(VERB_LIST))
			rights |= RIGHT_READ | RIGHT_EXEC;
		if (verbs & VERBS_CHANGE_DIR)
			rights |= RIGHT_WRITE;
		return rights;
	}
	if (verbs & VERB_SET(VERB_READ))
		rights |= RIGHT_READ;
	if (verbs & VERBS_CHANGE_FILE)
		rights |= RIGHT_WRITE;
	if ((rights & RIGHT_READ) && (mode & 0111))
		rights |= RIGHT_EXEC;
	return rights;
}

mode_t view_mode(const struct policy *policy, const struct zone *zone, mode_t mode)
{
	unsigned most, everyone;

	(void)policy;
	if (S_ISLNK(mode) || (zone && zone->modes == ZONE_MODES_OWNER))
		return mode;
	most = zone ? rights_of(zone->verbs_of_any, mode) : 0;
	everyone = zone ? rights_of(zone->verbs_of_everyone, mode) : 0;
	return (mode & (S_IFMT | S_ISUID | S_ISGID | S_ISVTX)) | most << 6 | most << 3 |
	       everyone;
}

/* An id that several roles name has the rights of all of them. */
static void entries_add(struct entries *entries, uint16_t tag, uint32_t id,
			unsigned rights)
{
	for (size_t i = 0; i < entries->n_items; i++) {
		if (entries->items[i].tag == tag && entries->items[i].id == id) {
			entries->items[i].rights |= rights;
			return;
		}
	}
	entries->items[entries->n_items++] = (struct entry){ tag, id, rights };
}

/* acl_valid(3): users before groups, each sorted by id. */
static int entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void entries_of_roles(struct entries *entries, const struct policy *policy,
			     const struct zone *zone, mode_t mode)
{
	for (size_t i = 1; i < policy->n_roles; i++) { /* [0] is everyone: OTHER */
		const struct role *role = &policy->roles[i];
		unsigned rights = rights_of(policy_verbs(policy, &role->holds, zone) |
						    zone->verbs_of_everyone,
					    mode);

		if (rights == 0)
			continue;
		for (size_t j = 0; j < role->n_uids; j++)
			entries_add(entries, TAG_USER, role->uids[j], rights);
		for (size_t j = 0; j < role->n_gids; j++)
			entries_add(entries, TAG_GROUP, role->gids[j], rights);
	}
	qsort(entries->items, entries->n_items, sizeof(*entries->items), entry_order);
}

static size_t entries_max(const struct policy *policy)
{
	size_t n = 4;

	for (size_t i = 0; i < policy->n_roles; i++)
		n += policy->roles[i].n_uids + policy->roles[i].n_gids;
	return n;
}

int view_acl(const struct policy *policy, const struct zone *zone, const struct stat *st,
	     void **ret, size_t *ret_size)
{
	unsigned most = zone ? rights_of(zone->verbs_of_any, st->st_mode) : 0;
	unsigned everyone = zone ? rights_of(zone->verbs_of_everyone, st->st_mode) : 0;
	_cleanup_(freep) struct entry *items =
		calloc(entries_max(policy), sizeof(*items));
	struct entries entries = { .items = items };
	struct posix_acl_xattr_header *header;
	struct posix_acl_xattr_entry *out;
	unsigned group = everyone;
	size_t size;

	if (!items)
		return -ENOMEM;
	if (zone)
		entries_of_roles(&entries, policy, zone, st->st_mode);
	for (size_t i = 0; i < entries.n_items; i++)
		if (items[i].tag == TAG_GROUP && items[i].id == st->st_gid)
			group = items[i].rights;

	size = sizeof(*header) + (entries.n_items + 4) * sizeof(*out);
	header = malloc(size);
	if (!header)
		return -ENOMEM;
	header->a_version = htole32(POSIX_ACL_XATTR_VERSION);
	out = (struct posix_acl_xattr_entry *)(header + 1);
#define PUT(tag, rights, id)                      \
	(*out++ = (struct posix_acl_xattr_entry){ \
		 htole16((uint16_t)(tag)), htole16((uint16_t)(rights)), htole32(id) })
	PUT(TAG_USER_OBJ, most, ID_UNDEFINED);
	for (size_t i = 0; i < entries.n_items; i++)
		if (items[i].tag == TAG_USER)
			PUT(TAG_USER, items[i].rights, items[i].id);
	PUT(TAG_GROUP_OBJ, group, ID_UNDEFINED);
	for (size_t i = 0; i < entries.n_items; i++)
		if (items[i].tag == TAG_GROUP)
			PUT(TAG_GROUP, items[i].rights, items[i].id);
	PUT(TAG_MASK, most, ID_UNDEFINED);
	PUT(TAG_OTHER, everyone, ID_UNDEFINED);
#undef PUT
	*ret = header;
	*ret_size = size;
	return 0;
}

/* What is compared of an entry: not what follows the object it is on. */
static unsigned compared_rights(const struct posix_acl_xattr_entry *entry, mode_t mode)
{
	unsigned rights = le16toh(entry->e_perm);

	if (le16toh(entry->e_tag) == TAG_USER_OBJ ||
	    le16toh(entry->e_tag) == TAG_GROUP_OBJ)
		return 0;
	return S_ISDIR(mode) ? rights : rights & ~(unsigned)RIGHT_EXEC;
}

/* `b` is of any alignment. */
static bool same_acl(const void *a, const void *b, size_t size, mode_t mode)
{
	const size_t header = sizeof(struct posix_acl_xattr_header);
	struct posix_acl_xattr_entry x, y;

	if (memcmp(a, b, header) != 0)
		return false;
	for (size_t at = header; at < size; at += sizeof(x)) {
		memcpy(&x, (const char *)a + at, sizeof(x));
		memcpy(&y, (const char *)b + at, sizeof(y));
		if (x.e_tag != y.e_tag || x.e_id != y.e_id ||
		    compared_rights(&x, mode) != compared_rights(&y, mode))
			return false;
	}
	return true;
}

bool view_made_acl(const struct policy *policy, const struct stat *st, const void *acl,
		   size_t size)
{
	for (size_t i = 0; i < policy->n_zones; i++) {
		_cleanup_(freep) void *made = NULL;
		size_t made_size;

		if (view_acl(policy, &policy->zones[i], st, &made, &made_size) == 0 &&
		    made_size == size && same_acl(made, acl, size, st->st_mode))
			return true;
	}
	return false;
}
