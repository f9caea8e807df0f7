/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fuse/handle.h"
#include "fuse/log.h"
#include "fuse/util.h"

/* How many handles a user holds open. */
struct user {
	struct hash_link link;
	uid_t uid;
	unsigned n_handles;
};

struct handle_table {
	pthread_mutex_t lock; /* nothing is taken below it */
	struct hash_table by_id;
	struct hash_table users; /* those who hold a handle, by uid */
	unsigned n_per_user;	 /* constant */
	uint64_t last_id;
	struct node_table *nodes;
	struct io_table *ios;
};

#define HANDLE_OF(hash_link) \
	((struct handle *)((char *)(hash_link)-offsetof(struct handle, link)))

#define USER_OF(hash_link) \
	((struct user *)((char *)(hash_link)-offsetof(struct user, link)))

/* An open file takes two descriptors; a user may have a quarter of all. */
#define DESCRIPTORS_PER_HANDLE 2
#define USERS_SHARE	       4

static unsigned handles_per_user(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT_MAX;
	return (unsigned)(limit.rlim_cur / DESCRIPTORS_PER_HANDLE / USERS_SHARE);
}

static uint64_t key_by_id(const struct hash_link *link)
{
	return HANDLE_OF(link)->id;
}

static uint64_t key_by_uid(const struct hash_link *link)
{
	return USER_OF(link)->uid;
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
	table->n_per_user = handles_per_user();
	r = hash_init(&table->by_id, key_by_id);
	if (r == 0)
		r = hash_init(&table->users, key_by_uid);
	if (r < 0) {
		handle_table_free(table);
		return r;
	}
	*ret = table;
	return 0;
}

static bool is_directory(const struct handle *handle)
{
	return S_ISDIR(handle->node->type);
}

/* Under no lock. Adds one to a user's handles, or takes one away. 0, -ENFILE or -ENOMEM.
 */
static int count_user(struct handle_table *table, uid_t uid, int change)
{
	struct user *user = NULL;
	struct hash_link *link;
	int r = 0;

	pthread_mutex_lock(&table->lock);
	for (link = hash_chain(&table->users, uid); link && !user; link = link->next)
		if (USER_OF(link)->uid == uid)
			user = USER_OF(link);
	if (!user && change > 0 && (user = calloc(1, sizeof(*user)))) {
		user->uid = uid;
		hash_add(&table->users, &user->link);
	}
	if (!user)
		r = -ENOMEM;
	else if (change > 0 && user->n_handles >= table->n_per_user)
		r = -ENFILE;
	else
		user->n_handles += (unsigned)change;
	if (user && user->n_handles == 0) {
		hash_remove(&table->users, &user->link);
		free(user);
	}
	pthread_mutex_unlock(&table->lock);
	return r;
}

int handle_set_opener(struct handle_table *table, struct handle *handle,
		      struct guard *guard, const struct asker *asker)
{
	struct caller *opener;
	int r = guard_caller(guard, asker, &opener);

	if (r < 0)
		return r;
	if (!is_directory(handle))
		r = count_user(table, opener->subject.uid, 1);
	if (r < 0)
		caller_unref(opener);
	else
		handle->authority.opener = opener;
	return r;
}

int handle_open_stream(struct handle_table *table, struct handle *handle)
{
	uid_t uid = handle->authority.opener->subject.uid;
	_cleanup_(closep) int fd = -1;
	int r;

	if (handle->dir)
		return 0;
	r = count_user(table, uid, 1);
	if (r < 0)
		return r;
	fd = node_open(table->nodes, handle->node, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	r = fd < 0 ? fd : 0;
	if (r == 0 && !(handle->dir = fdopendir(fd)))
		r = -errno;
	if (r < 0) {
		count_user(table, uid, -1);
		return r;
	}
	take_fd(&fd);
	handle->dir_offset = 0;
	return 0;
}

void handle_close_stream(struct handle_table *table, struct handle *handle)
{
	if (!handle->dir)
		return;
	closedir(handle->dir);
	handle->dir = NULL;
	count_user(table, handle->authority.opener->subject.uid, -1);
}

static void handle_free(struct handle_table *table, struct handle *handle)
{
	guard_run_free(handle->authority.run);
	if (handle->io.node)
		io_close(table->ios, &handle->io);
	handle_close_stream(table, handle);
	node_fd_put(table->nodes, handle->node, handle->node_fd);
	if (handle->authority.opener && !is_directory(handle))
		count_user(table, handle->authority.opener->subject.uid, -1);
	caller_unref(handle->authority.opener);
	node_put(table->nodes, handle->authority.parent);
	free(handle->authority.name);
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
	hash_fini(&table->users);
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
	handle->node_fd =
		is_directory(handle) ? -EISDIR : node_fd_get(table->nodes, node);
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

static struct handle *get_kind(struct handle_table *table, uint64_t id, bool is_dir)
{
	struct handle *handle;

	pthread_mutex_lock(&table->lock);
	handle = find_by_id(table, id);
	if (handle && is_directory(handle) != is_dir)
		handle = NULL;
	if (handle)
		handle->n_refs++;
	pthread_mutex_unlock(&table->lock);
	return handle;
}

struct handle *handle_get(struct handle_table *table, uint64_t id)
{
	return get_kind(table, id, false);
}

struct handle *handle_get_dir(struct handle_table *table, uint64_t id)
{
	return get_kind(table, id, true);
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

static bool is_writer(const struct handle *handle)
{
	return handle->io.node && handle->io.access != O_RDONLY;
}

static bool is_cached_writer(const struct handle *handle)
{
	return is_writer(handle) && handle->io.mode == IO_CACHED;
}

/* Under table->lock. The nodes of the handles that are meant, from malloc. */
static uint64_t *list_nodes(struct handle_table *table,
			    bool (*is_meant)(const struct handle *handle), size_t *ret_n)
{
	uint64_t *ids = calloc(table->by_id.n_items + 1, sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; ids && i < table->by_id.n_buckets; i++) {
		struct hash_link *link = table->by_id.buckets[i];

		for (; link; link = link->next)
			if (is_meant(HANDLE_OF(link)))
				ids[n++] = HANDLE_OF(link)->node->id;
	}
	*ret_n = n;
	return ids;
}

int handle_writers(struct handle_table *table, struct handle_writer **ret, size_t *ret_n)
{
	struct handle_writer *writers;
	size_t n = 0;

	pthread_mutex_lock(&table->lock);
	writers = calloc(table->by_id.n_items + 1, sizeof(*writers));
	for (size_t i = 0; writers && i < table->by_id.n_buckets; i++) {
		struct hash_link *link = table->by_id.buckets[i];

		for (; link; link = link->next) {
			const struct handle *handle = HANDLE_OF(link);

			if (!is_writer(handle))
				continue;
			writers[n].dev = handle->node->dev;
			writers[n].ino = handle->node->ino;
			snprintf(writers[n++].acct, sizeof(writers[0].acct), "%s",
				 handle->authority.opener->actor.acct);
		}
	}
	pthread_mutex_unlock(&table->lock);
	if (!writers)
		return -ENOMEM;
	*ret = writers;
	*ret_n = n;
	return 0;
}

static void each_node(struct handle_table *table,
		      bool (*is_meant)(const struct handle *handle),
		      void (*function)(uint64_t node_id, void *data), void *data)
{
	_cleanup_(freep) uint64_t *ids = NULL;
	size_t n = 0;

	pthread_mutex_lock(&table->lock);
	ids = list_nodes(table, is_meant, &n);
	pthread_mutex_unlock(&table->lock);
	if (!ids)
		log_error("no memory to go through the open files");
	for (size_t i = 0; ids && i < n; i++)
		function(ids[i], data);
}

void handle_each_cached_writer(struct handle_table *table,
			       void (*function)(uint64_t node_id, void *data), void *data)
{
	each_node(table, is_cached_writer, function, data);
}

void handle_each_directory(struct handle_table *table,
			   void (*function)(uint64_t node_id, void *data), void *data)
{
	each_node(table, is_directory, function, data);
}

/* Under table->lock. */
static void copy_info(const struct handle *handle, struct handle_info *ret)
{
	*ret = (struct handle_info){
		.node_id = handle->node->id,
		.is_directory = is_directory(handle),
		.access = handle->io.access,
		.mode = handle->io.mode,
		.authority = { .opener = caller_ref(handle->authority.opener),
			       .owner = handle->authority.owner },
	};
	memcpy(ret->authority.made_in, handle->authority.made_in, PLACE_NAME_MAX);
}

struct handle_listing {
	struct handle_info *items;
	size_t n, n_max;
	size_t n_buckets; /* of the table, when it was begun */
};

/* Under table->lock. Returns whether there is room for one more. */
static bool make_room(struct handle_listing *listing)
{
	struct handle_info *grown;
	size_t n_max = listing->n_max ? listing->n_max * 2 : 256;

	if (listing->n < listing->n_max)
		return true;
	grown = reallocarray(listing->items, n_max, sizeof(*grown));
	if (!grown)
		return false;
	listing->items = grown;
	listing->n_max = n_max;
	return true;
}

#define BUCKETS_AT_A_TIME 256

/* Copies what is in some buckets. 1: on with the next; 0: that was all; -EAGAIN: the
 * table has been rebuilt meanwhile; -ENOMEM. */
static int list_some(struct handle_table *table, size_t begin,
		     struct handle_listing *listing)
{
	size_t end = begin + BUCKETS_AT_A_TIME;
	int r = 1;

	pthread_mutex_lock(&table->lock);
	if (begin == 0)
		listing->n_buckets = table->by_id.n_buckets;
	else if (listing->n_buckets != table->by_id.n_buckets)
		r = -EAGAIN;
	if (end >= listing->n_buckets) {
		end = listing->n_buckets;
		r = r == 1 ? 0 : r;
	}
	for (size_t i = begin; r >= 0 && i < end; i++) {
		struct hash_link *link = table->by_id.buckets[i];

		for (; link && r >= 0; link = link->next) {
			if (make_room(listing))
				copy_info(HANDLE_OF(link), &listing->items[listing->n++]);
			else
				r = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&table->lock);
	return r;
}

int handle_list(struct handle_table *table, struct handle_info **ret, size_t *ret_n)
{
	struct handle_listing listing = { 0 };
	size_t begin = 0;
	int r = 1;

	while (r > 0) {
		r = list_some(table, begin, &listing);
		begin += BUCKETS_AT_A_TIME;
		if (r != -EAGAIN)
			continue;
		handle_list_free(listing.items, listing.n);
		listing = (struct handle_listing){ 0 };
		begin = 0;
		r = 1;
	}
	if (r < 0) {
		handle_list_free(listing.items, listing.n);
		return r;
	}
	*ret = listing.items;
	*ret_n = listing.n;
	return 0;
}

void handle_list_free(struct handle_info *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		caller_unref(list[i].authority.opener);
	free(list);
}
