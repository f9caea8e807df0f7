/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard tells root of its open handles: whose they are, by role and person, and
 * which of them a revocation does not reach. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/control-protocol.h"
#include "fuse/status-internal.h"
#include "fuse/util.h"

#define SHOWN_PATH_MAX 4096 /* bytes; of a longer one its end */

struct person {
	uid_t uid;
	const char *name; /* of one of the handles */
	struct role_set roles;
	uint64_t n_reading, n_writing, n_directories;
};

struct census {
	const struct status_parts *parts;
	const struct policy_snapshot *snapshot;
	struct person all;
	uint64_t n_passthrough, n_people, n_unreachable;
	uint64_t of_role[POLICY_ROLES_MAX];
	json_t *people, *unreachable;
	int failed;
};

static int compare_openers(const void *a, const void *b)
{
	const struct handle_info *one = a, *other = b;
	uid_t uid = one->authority.opener->subject.uid;
	uid_t other_uid = other->authority.opener->subject.uid;

	return (uid > other_uid) - (uid < other_uid);
}

static void count_handle(struct person *person, const struct handle_info *handle)
{
	if (handle->is_directory)
		person->n_directories++;
	else if (handle->access == O_RDONLY)
		person->n_reading++;
	else
		person->n_writing++;
}

static json_t *role_names(const struct policy *policy, const struct role_set *roles)
{
	json_t *names = json_array();

	for (unsigned i = 1; i < policy->n_roles; i++) /* without `everyone` */
		if (role_set_has(roles, i))
			json_array_append_new(names, json_string(policy->roles[i].name));
	return names;
}

static void add_person(struct census *census, const struct person *person)
{
	if (++census->n_people > CONTROL_PEOPLE)
		return;
	census->failed |= json_array_append_new(
		census->people,
		json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "uid",
			  (json_int_t)person->uid, "name", json_of(person->name), "roles",
			  role_names(census->snapshot->policy, &person->roles), "reading",
			  json_count(person->n_reading), "writing",
			  json_count(person->n_writing), "directories",
			  json_count(person->n_directories)));
}

static json_t *path_of(const struct census *census, struct node *node)
{
	_cleanup_(freep) char *buffer = malloc(NODE_PATH_MAX);
	_cleanup_(freep) char *full = NULL;
	const char *path =
		buffer ? node_path(census->parts->fs->nodes, node, NULL, buffer) : NULL;
	size_t length;

	if (!path || asprintf(&full, "%s%s", census->parts->mountpoint, path) < 0)
		return json_null();
	length = strlen(full);
	return json_of(full + (length > SHOWN_PATH_MAX ? length - SHOWN_PATH_MAX : 0));
}

/* Reads of a passthrough handle, and mappings of a file that others read so, go past the
 * guard: nothing decides them again. */
static bool is_past_the_guard(const struct handle_info *handle)
{
	if (handle->is_directory || handle->access == O_WRONLY)
		return false;
	return handle->mode == IO_PASSTHROUGH || handle->mode == IO_PASSTHROUGH_DIRECT;
}

static void look_for_unreachable(struct census *census, const struct handle_info *handle)
{
	struct node_table *nodes = census->parts->fs->nodes;
	const struct caller *opener = handle->authority.opener;
	struct node *node;

	if (!is_past_the_guard(handle))
		return;
	census->n_passthrough++;
	node = node_get(nodes, handle->node_id);
	if (!node) /* closed meanwhile */
		return;
	if (!guard_may_still_read(census->parts->fs->guard, &handle->authority, node) &&
	    ++census->n_unreachable <= CONTROL_UNREACHABLE)
		census->failed |= json_array_append_new(
			census->unreachable,
			json_pack("{s:I, s:o, s:i, s:o}", "uid",
				  (json_int_t)opener->subject.uid, "name",
				  json_of(opener->acct), "pid", (int)opener->actor.pid,
				  "path", path_of(census, node)));
	node_put(nodes, node);
}

static void count_roles(struct census *census, const struct role_set *roles)
{
	for (unsigned i = 1; i < census->snapshot->policy->n_roles; i++)
		census->of_role[i] += role_set_has(roles, i);
}

/* The list is in the order of uids. */
static void take_census(struct census *census, const struct handle_info *list, size_t n)
{
	struct person person = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct caller *opener = list[i].authority.opener;
		struct role_set roles;

		if (i == 0 || opener->subject.uid != person.uid) {
			if (i > 0)
				add_person(census, &person);
			person = (struct person){ .uid = opener->subject.uid,
						  .name = opener->acct };
		}
		caller_roles(opener, census->snapshot, &roles);
		for (size_t j = 0; j < POLICY_ROLES_MAX / 64; j++)
			person.roles.bits[j] |= roles.bits[j];
		count_roles(census, &roles);
		count_handle(&person, &list[i]);
		count_handle(&census->all, &list[i]);
		look_for_unreachable(census, &list[i]);
	}
	if (n > 0)
		add_person(census, &person);
}

static json_t *roles_part(const struct census *census)
{
	const struct policy *policy = census->snapshot->policy;
	json_t *list = json_array();

	for (unsigned i = 1; i < policy->n_roles; i++)
		if (census->of_role[i] > 0)
			json_array_append_new(list,
					      json_pack("{s:s, s:o}", "name",
							policy->roles[i].name, "handles",
							json_count(census->of_role[i])));
	return list;
}

static int set_census(struct census *census, json_t *document)
{
	const struct person *all = &census->all;
	int failed = census->failed;

	failed |= json_object_set_new(
		document, "handles",
		json_pack("{s:o, s:o, s:o, s:o}", "reading", json_count(all->n_reading),
			  "writing", json_count(all->n_writing), "directories",
			  json_count(all->n_directories), "passthrough",
			  json_count(census->n_passthrough)));
	failed |= json_object_set_new(document, "n_people", json_count(census->n_people));
	failed |= json_object_set_new(document, "n_unreachable",
				      json_count(census->n_unreachable));
	failed |= json_object_set_new(document, "roles", roles_part(census));
	failed |= json_object_set_new(document, "people", census->people);
	failed |= json_object_set_new(document, "unreachable", census->unreachable);
	return failed ? -ENOMEM : 0;
}

int status_set_handles(const struct status_parts *parts,
		       const struct policy_snapshot *snapshot, json_t *document)
{
	struct census census = { .parts = parts,
				 .snapshot = snapshot,
				 .people = json_array(),
				 .unreachable = json_array() };
	struct handle_info *list = NULL;
	size_t n = 0;

	if (handle_list(parts->fs->handles, &list, &n) < 0)
		census.failed = -1;
	if (n > 0)
		qsort(list, n, sizeof(*list), compare_openers);
	take_census(&census, list, n);
	handle_list_free(list, n);
	return set_census(&census, document);
}
