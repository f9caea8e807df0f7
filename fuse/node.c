/* SPDX-License-Identifier: Apache-2.0 */
/* The inodes that the kernel knows. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "fuse/node-fd.h"
#include "fuse/node.h"
#include "fuse/util.h"

struct node_table {
	pthread_mutex_t lock; /* taken before fds.lock; never held across a system call */
	struct hash_table by_id;
	struct hash_table by_source;
	uint64_t last_id;
	const struct source *source;
	struct node *root;
	struct node_fds fds;
};

#define NODE_OF(link, member) \
	((struct node *)((char *)(link)-offsetof(struct node, member)))

static uint64_t key_by_id(const struct hash_link *link)
{
	return NODE_OF(link, by_id)->id;
}

static uint64_t source_key(dev_t dev, ino_t ino, const void *handle, size_t size)
{
	return hash_bytes(hash_bytes((uint64_t)dev, &ino, sizeof(ino)), handle, size);
}

static uint64_t key_by_source(const struct hash_link *link)
{
	const struct node *node = NODE_OF(link, by_source);

	return source_key(node->dev, node->ino, node->handle, node->handle_bytes);
}

static bool node_is(const struct node *node, const struct source_id *id)
{
	return node->ino == id->ino && node->dev == id->dev &&
	       node->handle_bytes == id->handle_bytes &&
	       node->handle_type == id->handle_type &&
	       memcmp(node->handle, id->handle, node->handle_bytes) == 0;
}

static struct node *node_new(const struct node_at *at)
{
	_cleanup_(freep) char *name = strdup(at->name);
	struct node *node = calloc(1, sizeof(*node) + at->id->handle_bytes);

	if (!node || !name) {
		free(node);
		return NULL;
	}
	node->dev = at->id->dev;
	node->ino = at->id->ino;
	node->type = at->mode & S_IFMT;
	node->handle_type = (int16_t)at->id->handle_type;
	node->handle_bytes = (uint16_t)at->id->handle_bytes;
	memcpy(node->handle, at->id->handle, at->id->handle_bytes);
	node->place = at->place;
	node->fd = -1;
	node->parent = at->parent;
	node->name = take_ptr(name);
	return node;
}

static int node_table_add_root(struct node_table *table)
{
	int fd = RET_ERRNO(dup(table->source->root_fd));
	struct source_id id;
	struct stat st;
	struct node_at at = { .name = "", .id = &id };
	int r;

	if (fd < 0)
		return fd;
	r = source_identify(table->source, fd, &id, &st);
	if (r == 0) {
		at.mode = st.st_mode;
		table->root = node_new(&at);
		r = table->root ? 0 : -ENOMEM;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	table->root->id = table->last_id = NODE_ROOT;
	table->root->n_lookups = 1; /* the kernel never forgets the root */
	node_fds_hold(&table->fds, table->root, fd);
	hash_add(&table->by_id, &table->root->by_id);
	hash_add(&table->by_source, &table->root->by_source);
	return 0;
}

int node_table_new(const struct source *source, struct node_table **ret)
{
	struct node_table *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	table->source = source;
	pthread_mutex_init(&table->lock, NULL);
	node_fds_init(&table->fds);
	r = hash_init(&table->by_id, key_by_id);
	if (r == 0)
		r = hash_init(&table->by_source, key_by_source);
	if (r == 0)
		r = node_table_add_root(table);
	if (r < 0) {
		node_table_free(table);
		return r;
	}
	*ret = table;
	return 0;
}

struct node_table *node_table_free(struct node_table *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->by_id.n_buckets; i++) {
		struct hash_link *link = table->by_id.buckets[i];

		while (link) {
			struct node *node = NODE_OF(link, by_id);

			link = link->next;
			closep(&node->fd);
			free(node->name);
			free(node);
		}
	}
	hash_fini(&table->by_id);
	hash_fini(&table->by_source);
	pthread_mutex_destroy(&table->lock);
	free(table);
	return NULL;
}

static struct node *find_by_id(struct node_table *table, uint64_t id)
{
	struct hash_link *link = hash_chain(&table->by_id, id);

	for (; link; link = link->next)
		if (NODE_OF(link, by_id)->id == id)
			return NODE_OF(link, by_id);
	return NULL;
}

struct node *node_get(struct node_table *table, uint64_t id)
{
	struct node *node;

	pthread_mutex_lock(&table->lock);
	node = find_by_id(table, id);
	if (node)
		node->n_refs++;
	pthread_mutex_unlock(&table->lock);
	return node;
}

struct node *node_ref(struct node_table *table, struct node *node)
{
	pthread_mutex_lock(&table->lock);
	node->n_refs++;
	pthread_mutex_unlock(&table->lock);
	return node;
}

/* Frees what neither the kernel nor a request holds, and then perhaps its parents. */
static void collect(struct node_table *table, struct node *node)
{
	while (node && node->n_refs == 0 && node->n_lookups == 0) {
		struct node *parent = node->parent;

		hash_remove(&table->by_id, &node->by_id);
		hash_remove(&table->by_source, &node->by_source);
		node_fds_drop(&table->fds, node);
		free(node->name);
		free(node);
		if (parent)
			parent->n_refs--;
		node = parent;
	}
}

void node_put(struct node_table *table, struct node *node)
{
	if (!node)
		return;
	pthread_mutex_lock(&table->lock);
	node->n_refs--;
	collect(table, node);
	pthread_mutex_unlock(&table->lock);
}

void node_forget(struct node_table *table, uint64_t id, uint64_t n_lookups)
{
	struct node *node;

	pthread_mutex_lock(&table->lock);
	node = find_by_id(table, id);
	if (node && node != table->root) {
		node->n_lookups -=
			n_lookups < node->n_lookups ? n_lookups : node->n_lookups;
		collect(table, node);
	}
	pthread_mutex_unlock(&table->lock);
}

/* A directory that was moved in the source, behind the guard, may seem to lie in itself.
 */
static bool lies_in(const struct node *node, const struct node *ancestor)
{
	for (; node; node = node->parent)
		if (node == ancestor)
			return true;
	return false;
}

/* The node of the same inode that stands for this name: the one that already has it, else
 * one of the same zone (a hard link, or a change behind the guard). */
static struct node *find_at(struct node_table *table, const struct node_at *at)
{
	const struct source_id *id = at->id;
	struct node *same_zone = NULL;
	struct hash_link *link =
		hash_chain(&table->by_source,
			   source_key(id->dev, id->ino, id->handle, id->handle_bytes));

	for (; link; link = link->next) {
		struct node *node = NODE_OF(link, by_source);

		if (!node_is(node, id) || node == table->root)
			continue;
		if (node->parent == at->parent && strcmp(node->name, at->name) == 0)
			return node;
		if (atomic_load(&node->place) == at->place && !lies_in(at->parent, node))
			same_zone = node;
	}
	return same_zone;
}

/* Under table->lock. The old parent's reference is given up. */
static void move(struct node_table *table, struct node *node, struct node *parent,
		 char **name)
{
	struct node *old_parent = node->parent;
	char *old_name = node->name;

	parent->n_refs++;
	node->parent = parent;
	node->name = take_ptr(*name);
	free(old_name);
	if (old_parent) {
		old_parent->n_refs--;
		collect(table, old_parent);
	}
}

int node_moved(struct node_table *table, struct node *node, struct node *parent,
	       const char *name)
{
	_cleanup_(freep) char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&table->lock);
	if (!lies_in(parent, node))
		move(table, node, parent, &copy);
	atomic_store(&node->place, 0);
	pthread_mutex_unlock(&table->lock);
	return 0;
}

int node_add(struct node_table *table, const struct node_at *at, bool lookup,
	     struct node **ret)
{
	/* Allocated before the lock; not needed if the node is known. */
	struct node *fresh = node_new(at);
	struct node *node;

	if (!fresh)
		return -ENOMEM;
	pthread_mutex_lock(&table->lock);
	node = find_at(table, at);
	if (node) {
		if (node->parent != at->parent || strcmp(node->name, at->name) != 0)
			move(table, node, at->parent, &fresh->name);
		atomic_store(&node->place, at->place);
	} else {
		node = take_ptr(fresh);
		node->id = ++table->last_id;
		at->parent->n_refs++;
		hash_add(&table->by_id, &node->by_id);
		hash_add(&table->by_source, &node->by_source);
		if (node->handle_bytes == 0)
			node_fds_hold(&table->fds, node, take_fd(at->fd));
	}
	node->n_refs++;
	node->n_lookups += lookup;
	pthread_mutex_unlock(&table->lock);

	if (fresh)
		free(fresh->name);
	free(fresh);
	*ret = node;
	return 0;
}

struct node *node_find(struct node_table *table, const struct node_at *at)
{
	struct node *node;

	pthread_mutex_lock(&table->lock);
	node = find_at(table, at);
	if (node)
		node->n_refs++;
	pthread_mutex_unlock(&table->lock);
	return node;
}

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

char *node_path(struct node_table *table, struct node *node, const char *name,
		char buffer[static NODE_PATH_MAX])
{
	char *end = buffer + NODE_PATH_MAX - 1;
	char *begin = end;

	*end = '\0';
	if (name)
		begin = prepend(begin, buffer, name);
	pthread_mutex_lock(&table->lock);
	for (; begin && node->parent; node = node->parent)
		begin = prepend(begin, buffer, node->name);
	pthread_mutex_unlock(&table->lock);
	if (begin == end)
		*--begin = '/';
	return begin;
}

size_t node_count(struct node_table *table)
{
	size_t n;

	pthread_mutex_lock(&table->lock);
	n = table->by_id.n_items;
	pthread_mutex_unlock(&table->lock);
	return n;
}

int node_fd_get(struct node_table *table, struct node *node)
{
	return node_fds_get(&table->fds, table->source, node);
}

void node_fd_put(struct node_table *table, struct node *node, int fd)
{
	if (fd >= 0)
		node_fds_put(&table->fds, node, fd);
}

int node_open(struct node_table *table, struct node *node, int flags)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct source_id id;
	int fd, opened;

	if (!S_ISREG(node->type) && !S_ISDIR(node->type))
		return -EINVAL;
	if (node->handle_bytes > 0) {
		id.handle_type = node->handle_type;
		id.handle_bytes = node->handle_bytes;
		memcpy(id.handle, node->handle, node->handle_bytes);
		return source_open_id(table->source, &id, flags);
	}
	fd = node_fd_get(table, node);
	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = (int)RET_ERRNO(open(path, flags | O_CLOEXEC));
	node_fd_put(table, node, fd);
	return opened;
}
