/* SPDX-License-Identifier: Apache-2.0 */
/* The names and paths of the inodes that the kernel knows. */
#include <pthread.h>
#include <string.h>

#include "fuse/node-internal.h"
#include "fuse/util.h"

/* Puts "/name" in front of what is there. */
static char *prepend(char *begin, const char *buffer, const char *name)
{
	size_t length = strlen(name);

	if (!begin || (size_t)(begin - buffer) < length + 1)
		return NULL;
	begin -= length;
	memcpy(begin, name, length);
	*--begin = '/';
	return begin;
}

char *node_path_locked(const struct node *node, const char *name,
		       char buffer[static NODE_PATH_MAX])
{
	char *end = buffer + NODE_PATH_MAX - 1;
	char *begin = end;

	*end = '\0';
	if (name)
		begin = prepend(begin, buffer, name);
	for (; begin && node->parent; node = node->parent)
		begin = prepend(begin, buffer, node->name);
	if (begin == end)
		*--begin = '/';
	return begin;
}

char *node_path(struct node_table *table, struct node *node, const char *name,
		char buffer[static NODE_PATH_MAX])
{
	char *begin;

	pthread_mutex_lock(&table->lock);
	begin = node_path_locked(node, name, buffer);
	pthread_mutex_unlock(&table->lock);
	return begin;
}

int node_name(struct node_table *table, struct node *node, struct node **ret_parent,
	      char **ret_name)
{
	struct node *parent;
	char *name;

	pthread_mutex_lock(&table->lock);
	name = strdup(node->name);
	parent = node->parent;
	if (name && parent)
		parent->n_refs++;
	pthread_mutex_unlock(&table->lock);
	if (!name)
		return -ENOMEM;
	*ret_parent = parent;
	*ret_name = name;
	return 0;
}

struct held_name {
	uint64_t parent;
	char *name;
};

/* Under table->lock. Copies what one bucket holds; grows *names. 0 or -ENOMEM. */
static int copy_names(struct node_table *table, size_t bucket, struct held_name **names,
		      size_t *ret_n)
{
	struct hash_link *link = table->by_id.buckets[bucket];
	size_t n = 0;

	for (; link; link = link->next)
		n++;
	*names = calloc(n + 1, sizeof(**names));
	*ret_n = 0;
	if (!*names)
		return -ENOMEM;
	for (link = table->by_id.buckets[bucket]; link; link = link->next) {
		const struct node *node = NODE_OF(link, by_id);

		if (!node->parent || !((*names)[*ret_n].name = strdup(node->name)))
			continue;
		(*names)[(*ret_n)++].parent = node->parent->id;
	}
	return 0;
}

int node_each_name(struct node_table *table,
		   void (*function)(uint64_t parent, const char *name, void *data),
		   void *data)
{
	size_t n_buckets = 0, n;

	for (size_t bucket = 0;; bucket++) {
		_cleanup_(freep) struct held_name *names = NULL;
		int r;

		pthread_mutex_lock(&table->lock);
		if (n_buckets != table->by_id.n_buckets) {
			n_buckets = table->by_id.n_buckets; /* it has grown: once more */
			bucket = 0;
		}
		r = bucket < n_buckets ? copy_names(table, bucket, &names, &n) : 1;
		pthread_mutex_unlock(&table->lock);
		if (r != 0)
			return r < 0 ? r : 0;
		for (size_t i = 0; i < n; i++) {
			function(names[i].parent, names[i].name, data);
			free(names[i].name);
		}
	}
}
