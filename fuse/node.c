/* SPDX-License-Identifier: Apache-2.0 */
/* The inodes that the kernel knows. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fuse/node-internal.h"
#include "fuse/place.h"
#include "fuse/util.h"

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

void node_table_set_placer(struct node_table *table,
			   uint64_t (*place_of)(void *data, const char *path), void *data)
{
	table->place_of = place_of;
	table->placer_data = data;
}

void node_table_set_forgetter(struct node_table *table,
			      void (*forget)(void *data, struct node *node), void *data)
{
	table->forget = forget;
	table->forgetter_data = data;
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

/* Takes out of the table what neither the kernel nor a request holds, and then perhaps
 * its parents. Returns them chained by by_id, for dispose(). Under table->lock. */
static struct hash_link *collect(struct node_table *table, struct node *node)
{
	struct hash_link *dead = NULL;

	while (node && node->n_refs == 0 && node->n_lookups == 0) {
		struct node *parent = node->parent;

		hash_remove(&table->by_id, &node->by_id);
		hash_remove(&table->by_source, &node->by_source);
		node->by_id.next = dead;
		dead = &node->by_id;
		if (parent)
			parent->n_refs--;
		node = parent;
	}
	return dead;
}

/* The allocator keeps what it was given back; after a walk over a large tree that is
 * much. */
#define TRIM_AFTER 65536

/* Without table->lock: the last close(2) of a removed file may take the source seconds.
 */
static void dispose(struct node_table *table, struct hash_link *dead)
{
	while (dead) {
		struct node *node = NODE_OF(dead, by_id);

		dead = dead->next;
		if (table->forget)
			table->forget(table->forgetter_data, node);
		node_fds_drop(&table->fds, node);
		free(node->name);
		free(node);
		if (atomic_fetch_add(&table->n_freed, 1) % TRIM_AFTER == TRIM_AFTER - 1)
			malloc_trim(0);
	}
}

void node_put(struct node_table *table, struct node *node)
{
	struct hash_link *dead;

	if (!node)
		return;
	pthread_mutex_lock(&table->lock);
	node->n_refs--;
	dead = collect(table, node);
	pthread_mutex_unlock(&table->lock);
	dispose(table, dead);
}

void node_forget(struct node_table *table, uint64_t id, uint64_t n_lookups)
{
	struct hash_link *dead = NULL;
	struct node *node;

	pthread_mutex_lock(&table->lock);
	node = find_by_id(table, id);
	if (node && node != table->root) {
		node->n_lookups -=
			n_lookups < node->n_lookups ? n_lookups : node->n_lookups;
		dead = collect(table, node);
	}
	pthread_mutex_unlock(&table->lock);
	dispose(table, dead);
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

/* Under table->lock. A place from before the last reload or rename is found out anew. */
static bool is_in_zone(struct node_table *table, struct node *node, uint64_t place)
{
	uint64_t known = atomic_load(&node->place);
	char buffer[NODE_PATH_MAX];
	char *path;

	if (known == 0 || !place_same_generation(known, place)) {
		path = table->place_of ? node_path_locked(node, NULL, buffer) : NULL;
		known = path ? table->place_of(table->placer_data, path) : 0;
		atomic_store(&node->place, known);
	}
	return known != 0 && place_same_generation(known, place) &&
	       place_same_zone(known, place);
}

static bool is_at(const struct node *node, const struct node_at *at)
{
	return node->parent == at->parent && strcmp(node->name, at->name) == 0;
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
		if (is_at(node, at))
			return node;
		if (is_in_zone(table, node, at->place) && !lies_in(at->parent, node))
			same_zone = node;
	}
	return same_zone;
}

/* Under table->lock. The old parent's reference is given up: what that frees is returned.
 */
static struct hash_link *move(struct node_table *table, struct node *node,
			      struct node *parent, char **name)
{
	struct node *old_parent = node->parent;
	char *old_name = node->name;

	parent->n_refs++;
	node->parent = parent;
	node->name = take_ptr(*name);
	free(old_name);
	if (!old_parent)
		return NULL;
	old_parent->n_refs--;
	return collect(table, old_parent);
}

/* Under table->lock. A new place is found out when it is asked for. */
static void forget_places_in(struct node_table *table, const struct node *dir)
{
	for (size_t i = 0; i < table->by_id.n_buckets; i++) {
		struct hash_link *link = table->by_id.buckets[i];

		for (; link; link = link->next)
			if (lies_in(NODE_OF(link, by_id), dir))
				atomic_store(&NODE_OF(link, by_id)->place, 0);
	}
}

static void moved(struct node_table *table, struct node *node, struct node *parent,
		  char **name, bool with_all)
{
	struct hash_link *dead = NULL;

	pthread_mutex_lock(&table->lock);
	if (!lies_in(parent, node))
		dead = move(table, node, parent, name);
	/* Before the places are forgotten: guard_node_place() looks at it last. */
	atomic_fetch_add(&table->n_moves, 1);
	atomic_fetch_add(&node->n_moves, 1);
	atomic_store(&node->place, 0);
	if (with_all)
		forget_places_in(table, node);
	pthread_mutex_unlock(&table->lock);
	dispose(table, dead);
	free(*name);
	*name = NULL;
}

void node_moved(struct node_table *table, struct node *node, struct node *parent,
		char **name)
{
	moved(table, node, parent, name, false);
}

void node_moved_across(struct node_table *table, struct node *node, struct node *parent,
		       char **name)
{
	moved(table, node, parent, name, true);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

bool node_found_lately(struct node *node)
{
	return now_ns() - atomic_load(&node->found_at) < 1000000000U;
}

static uint32_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec + 1; /* 0 is never */
}

void node_listed(struct node *node, bool with_files)
{
	uint32_t now = now_s();

	atomic_store(&node->listed_at, now);
	if (with_files)
		atomic_store(&node->told_at, now);
}

bool node_listed_lately(struct node *node, unsigned seconds, bool with_files)
{
	uint32_t at = atomic_load(with_files ? &node->told_at : &node->listed_at);

	return at != 0 && now_s() - at < seconds;
}

/* A look-up that succeeds while another is denied may end up at a name that was dropped
 * meanwhile: then nothing is known. */
#define LOOKUP_SETTLED_NS 3000000U

/* A look-up that was on its way when the kernel was told to forget may have been answered
 * after. */
#define FORGETTING_SETTLED_NS 1000000000U

void node_names_forgotten(struct node_table *table)
{
	atomic_store(&table->forgotten_at, now_ns());
}

bool node_is_dropped_now(struct node_table *table, struct node *node)
{
	bool dropped = atomic_exchange(&node->dropped, 1);
	uint64_t forgotten_at = atomic_load(&table->forgotten_at);
	uint64_t found_at = atomic_load(&node->found_at);

	if (forgotten_at != 0 && found_at < forgotten_at + FORGETTING_SETTLED_NS)
		return false;
	return !dropped && now_ns() - found_at > LOOKUP_SETTLED_NS;
}

/* Under table->lock. 1: it was found; 0: it is not known; -EAGAIN as node_add(). What the
 * move frees is added to *dead. */
static int find_and_move(struct node_table *table, const struct node_at *at, char **name,
			 struct node **ret, struct hash_link **dead)
{
	struct node *node = find_at(table, at);

	if (!node)
		return 0;
	if (!is_at(node, at)) {
		if (atomic_load(&table->n_moves) != at->n_moves)
			return -EAGAIN;
		if (!*name)
			return 0; /* nothing to move it with yet */
		*dead = move(table, node, at->parent, name);
	}
	atomic_store(&node->place, at->place);
	*ret = node;
	return 1;
}

/* Under table->lock. */
static struct node *insert(struct node_table *table, const struct node_at *at,
			   struct node *node)
{
	node->id = ++table->last_id;
	at->parent->n_refs++;
	hash_add(&table->by_id, &node->by_id);
	hash_add(&table->by_source, &node->by_source);
	if (node->handle_bytes == 0)
		node_fds_hold(&table->fds, node, take_fd(at->fd));
	return node;
}

/* Under table->lock. */
static void count_use(struct node *node, bool lookup)
{
	node->n_refs++;
	node->n_lookups += lookup;
	if (lookup) {
		atomic_store(&node->found_at, now_ns());
		atomic_store(&node->dropped, 0);
	}
}

/* Whatever is allocated is allocated without the lock, so a node that is not at its name
 * already is looked for once more with a fresh one in hand. */
int node_add(struct node_table *table, const struct node_at *at, bool lookup,
	     struct node **ret)
{
	struct hash_link *dead = NULL;
	struct node *fresh;
	char *no_name = NULL;
	int r;

	pthread_mutex_lock(&table->lock);
	r = find_and_move(table, at, &no_name, ret, &dead);
	if (r > 0)
		count_use(*ret, lookup);
	pthread_mutex_unlock(&table->lock);
	if (r != 0)
		return r < 0 ? r : 0;

	fresh = node_new(at);
	if (!fresh)
		return -ENOMEM;
	pthread_mutex_lock(&table->lock);
	r = find_and_move(table, at, &fresh->name, ret, &dead);
	if (r == 0)
		*ret = insert(table, at, take_ptr(fresh));
	if (r >= 0)
		count_use(*ret, lookup);
	pthread_mutex_unlock(&table->lock);

	dispose(table, dead);
	if (fresh)
		free(fresh->name);
	free(fresh);
	return r < 0 ? r : 0;
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

uint64_t node_moves(struct node_table *table)
{
	return atomic_load(&table->n_moves);
}

void node_moves_begin(struct node_table *table)
{
	atomic_fetch_add(&table->n_moves, 1);
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

void node_fd_keep(struct node_table *table, struct node *node, int fd)
{
	node_fds_keep(&table->fds, node, fd);
}

void node_fd_keep_removed(struct node_table *table, struct node *node, int fd)
{
	node_fds_keep_removed(&table->fds, node, fd);
}

int node_fd_unkeep(struct node_table *table, struct node *node)
{
	return node_fds_unkeep(&table->fds, node);
}

int node_reopen(int node_fd, int flags)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

	if (node_fd < 0)
		return node_fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node_fd);
	/* The magic link itself is what is followed, and it leads to the inode. */
	return RET_ERRNO(open(path, (flags & ~O_NOFOLLOW) | O_CLOEXEC));
}

int node_open(struct node_table *table, struct node *node, int flags)
{
	struct source_id id;
	int fd, opened;

	if (!S_ISREG(node->type) && !S_ISDIR(node->type))
		return -EINVAL;
	if (node->handle_bytes > 0) {
		id.handle_type = node->handle_type;
		id.handle_bytes = node->handle_bytes;
		memcpy(id.handle, node->handle, node->handle_bytes);
		opened = source_open_id(table->source, &id, flags);
		if (opened != -ESTALE)
			return opened;
		/* Without a name: only a descriptor that was kept leads there. */
	}
	fd = node_fd_get(table, node);
	if (fd < 0)
		return fd;
	opened = node_reopen(fd, flags);
	node_fd_put(table, node, fd);
	return opened;
}
