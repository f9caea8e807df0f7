/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories. */
#include <fcntl.h>
#include <stdlib.h>

#include "fuse/handle.h"
#include "fuse/log.h"
#include "fuse/util.h"

struct handle_table {
	pthread_mutex_t lock; /* nothing is taken below it */
	struct hash_table by_id;
	uint64_t last_id;
	struct node_table *nodes;
	struct io_table *ios;
};

#define HANDLE_OF(hash_link) \
	((struct handle *)((char *)(hash_link)-offsetof(struct handle, link)))

static uint64_t key_by_id(const struct hash_link *link)
{
	return HANDLE_OF(link)->id;
}

int handle_table_new(struct node_table *nodes, struct io_table *ios,
		     struct handle_table **ret)
{
	struct handle_table *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	pthread_mutex_init(&table->lock, NULL);
	table->nodes = nodes;
	table->ios = ios;
	r = hash_init(&table->by_id, key_by_id);
	if (r < 0) {
		handle_table_free(table);
		return r;
	}
	*ret = table;
	return 0;
}

static void handle_free(struct handle_table *table, struct handle *handle)
{
	if (handle->io.node)
		io_close(table->ios, &handle->io);
	if (handle->dir)
		closedir(handle->dir);
	node_fd_put(table->nodes, handle->node, handle->node_fd);
	caller_unref(handle->authority.opener);
	node_put(table->nodes, handle->node);
	pthread_mutex_destroy(&handle->dir_lock);
	free(handle);
}

struct handle_table *handle_table_free(struct handle_table *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->by_id.n_buckets; i++) {
		struct hash_link *link = table->by_id.buckets[i];

		while (link) {
			struct handle *handle = HANDLE_OF(link);

			link = link->next;
			if (handle->io.node && handle->io.access != O_RDONLY &&
			    fsync(io_fd(table->ios, &handle->io)) < 0)
				log_error("cannot flush an open file: %m");
			handle_free(table, handle);
		}
	}
	hash_fini(&table->by_id);
	pthread_mutex_destroy(&table->lock);
	free(table);
	return NULL;
}

struct handle *handle_new(struct handle_table *table, struct node *node)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return NULL;
	pthread_mutex_init(&handle->dir_lock, NULL);
	handle->n_refs = 1;
	handle->node = node_ref(table->nodes, node);
	handle->node_fd = node_fd_get(table->nodes, node);
	return handle;
}

void handle_add(struct handle_table *table, struct handle *handle)
{
	pthread_mutex_lock(&table->lock);
	handle->id = ++table->last_id;
	hash_add(&table->by_id, &handle->link);
	pthread_mutex_unlock(&table->lock);
}

static struct handle *find_by_id(struct handle_table *table, uint64_t id)
{
	struct hash_link *link = hash_chain(&table->by_id, id);

	for (; link; link = link->next)
		if (HANDLE_OF(link)->id == id)
			return HANDLE_OF(link);
	return NULL;
}

struct handle *handle_get(struct handle_table *table, uint64_t id)
{
	struct handle *handle;

	pthread_mutex_lock(&table->lock);
	handle = find_by_id(table, id);
	if (handle)
		handle->n_refs++;
	pthread_mutex_unlock(&table->lock);
	return handle;
}

void handle_put(struct handle_table *table, struct handle *handle)
{
	bool last;

	if (!handle)
		return;
	pthread_mutex_lock(&table->lock);
	last = --handle->n_refs == 0;
	pthread_mutex_unlock(&table->lock);
	if (last)
		handle_free(table, handle);
}

void handle_close(struct handle_table *table, struct handle *handle)
{
	pthread_mutex_lock(&table->lock);
	hash_remove(&table->by_id, &handle->link);
	pthread_mutex_unlock(&table->lock);
	handle_put(table, handle);
}

void handle_drop(struct handle_table *table, struct handle *handle)
{
	if (handle)
		handle_free(table, handle);
}
