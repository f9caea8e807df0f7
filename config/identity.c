/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups from NSS. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/identity.h"

#define BUFFER_FIRST 1024u
#define BUFFER_MAX   (16u << 20) /* a group with a million members fits */
#define GROUPS_FIRST 64
#define GROUPS_MAX   65536 /* NGROUPS_MAX */

/* An entry of one of the databases, and the memory that its strings live in. */
struct entry {
	char *buffer;
	size_t size;
	union {
		struct passwd user;
		struct group group;
	};
};

static void entry_fini(struct entry *entry)
{
	free(entry->buffer);
}

#define ENTRY __attribute__((cleanup(entry_fini)))

/* A decimal id; (uid_t)-1 is none (chown(2)). Returns 0, -ENOENT if it is out of range,
 * or -EINVAL if it is not a number. */
static int parse_id(const char *text, uint32_t *ret)
{
	uint64_t id = 0;

	if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	for (; *text; text++) {
		id = id * 10 + (uint64_t)(*text - '0');
		if (id >= UINT32_MAX)
			return -ENOENT;
	}
	*ret = (uint32_t)id;
	return 0;
}

/* What a call of getpwnam_r(3) and its kin came to: 0, -ENOENT, -EIO, -ENOMEM, or -EAGAIN
 * if it must be repeated, the buffer having grown. Errors as getpwnam_r(3) lists them. */
static int judge(struct entry *entry, int error, bool found)
{
	char *larger;

	switch (error) {
	case 0:
		return found ? 0 : -ENOENT;
	case ENOENT:
	case ESRCH:
		return -ENOENT;
	case EINTR:
		return -EAGAIN;
	case ENOMEM:
		return -ENOMEM;
	case ERANGE:
		break;
	default:
		return -EIO;
	}
	if (entry->size >= BUFFER_MAX)
		return -EIO;
	larger = realloc(entry->buffer, entry->size * 2);
	if (!larger)
		return -ENOMEM;
	entry->buffer = larger;
	entry->size *= 2;
	return -EAGAIN;
}

static int entry_init(struct entry *entry)
{
	entry->size = BUFFER_FIRST;
	entry->buffer = malloc(entry->size);
	return entry->buffer ? 0 : -ENOMEM;
}

/* By name, or by uid if name is NULL. */
static int find_user(struct entry *entry, const char *name, uid_t uid)
{
	struct passwd *found;
	int error, r;

	r = entry_init(entry);
	if (r < 0)
		return r;
	do {
		found = NULL;
		if (name)
			error = getpwnam_r(name, &entry->user, entry->buffer, entry->size,
					   &found);
		else
			error = getpwuid_r(uid, &entry->user, entry->buffer, entry->size,
					   &found);
		r = judge(entry, error, found != NULL);
	} while (r == -EAGAIN);
	return r;
}

static int find_group(struct entry *entry, const char *name, gid_t gid)
{
	struct group *found;
	int error, r;

	r = entry_init(entry);
	if (r < 0)
		return r;
	do {
		found = NULL;
		if (name)
			error = getgrnam_r(name, &entry->group, entry->buffer,
					   entry->size, &found);
		else
			error = getgrgid_r(gid, &entry->group, entry->buffer, entry->size,
					   &found);
		r = judge(entry, error, found != NULL);
	} while (r == -EAGAIN);
	return r;
}

/* A number is an id, known or not; no name service is asked. */
static int lookup_group(const char *name, gid_t *ret)
{
	struct entry entry ENTRY = { 0 };
	int r = parse_id(name, ret);

	if (r != -EINVAL)
		return r;
	r = find_group(&entry, name, 0);
	if (r == 0)
		*ret = entry.group.gr_gid;
	return r;
}

static int lookup_user(const char *name, uid_t *ret)
{
	struct entry entry ENTRY = { 0 };
	int r = parse_id(name, ret);

	if (r != -EINVAL)
		return r;
	r = find_user(&entry, name, 0);
	if (r == 0)
		*ret = entry.user.pw_uid;
	return r;
}

const struct name_lookup identity_names = { .group = lookup_group, .user = lookup_user };

int identity_user_name(uid_t uid, char *buffer, size_t size)
{
	struct entry entry ENTRY = { 0 };

	if (find_user(&entry, NULL, uid) == 0) {
		snprintf(buffer, size, "%s", entry.user.pw_name);
		return 0;
	}
	snprintf(buffer, size, "%u", uid);
	return -ENOENT;
}

int identity_group_name(gid_t gid, char *buffer, size_t size)
{
	struct entry entry ENTRY = { 0 };

	if (find_group(&entry, NULL, gid) == 0) {
		snprintf(buffer, size, "%s", entry.group.gr_name);
		return 0;
	}
	snprintf(buffer, size, "%u", gid);
	return -ENOENT;
}

/* All groups of a user, the primary one included, as getgrouplist(3) has them. */
static int list_groups(const char *name, gid_t gid, gid_t **ret, size_t *ret_n)
{
	gid_t *groups = NULL;
	int n = GROUPS_FIRST;

	for (;;) {
		int room = n;
		gid_t *more = reallocarray(groups, (size_t)room, sizeof(*groups));

		if (!more) {
			free(groups);
			return -ENOMEM;
		}
		groups = more;
		if (getgrouplist(name, gid, groups, &n) >= 0)
			break;
		/* It says how many there are; if not, take twice the room. */
		if (n <= room)
			n = 2 * room;
		if (n > 2 * GROUPS_MAX) {
			free(groups);
			return -EIO;
		}
	}
	*ret = groups;
	*ret_n = (size_t)n;
	return 0;
}

int identity_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, gid_t **ret_groups,
		  size_t *ret_n_groups)
{
	struct entry entry ENTRY = { 0 };
	uid_t uid = 0;
	int r = parse_id(name, &uid);

	if (r == -ENOENT)
		return r;
	r = find_user(&entry, r == 0 ? NULL : name, uid);
	if (r < 0)
		return r;
	r = list_groups(entry.user.pw_name, entry.user.pw_gid, ret_groups, ret_n_groups);
	if (r < 0)
		return r;
	*ret_uid = entry.user.pw_uid;
	*ret_gid = entry.user.pw_gid;
	return 0;
}

int identity_groups(uid_t uid, gid_t *ret_gid, gid_t **ret_groups, size_t *ret_n_groups)
{
	char name[sizeof("4294967295")];

	snprintf(name, sizeof(name), "%u", uid);
	return identity_user(name, &uid, ret_gid, ret_groups, ret_n_groups);
}

void identity_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

int identity_group_members(gid_t gid, char ***ret_names, size_t *ret_n)
{
	struct entry entry ENTRY = { 0 };
	char **names;
	size_t n = 0;
	int r = find_group(&entry, NULL, gid);

	if (r < 0)
		return r;
	while (entry.group.gr_mem[n])
		n++;
	names = calloc(n + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		names[i] = strdup(entry.group.gr_mem[i]);
		if (!names[i]) {
			identity_names_free(names, i);
			return -ENOMEM;
		}
	}
	*ret_names = names;
	*ret_n = n;
	return 0;
}

int identity_each_user(int (*each)(void *data, const char *name, gid_t gid), void *data)
{
	struct passwd *user;
	int r = 0;

	setpwent();
	for (;;) {
		errno = 0;
		user = getpwent();
		if (!user) {
			/* glibc leaves ENOENT at the end of some services' lists. */
			if (errno != 0 && errno != ENOENT)
				r = -EIO;
			break;
		}
		r = each(data, user->pw_name, user->pw_gid);
		if (r < 0)
			break;
	}
	endpwent();
	return r;
}
