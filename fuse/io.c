/* SPDX-License-Identifier: Apache-2.0 */
/* How the kernel serves an open file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fuse/io.h"
#include "fuse/log.h"
#include "fuse/util.h"

/* What an inode's open handles commit the kernel to. */
enum inode_state { STATE_NONE, STATE_PASSTHROUGH, STATE_CACHED, N_STATES };

/* DESIGN, "I/O mode of an open"; O_RDONLY, O_WRONLY and O_RDWR are 0, 1 and 2. */
static const enum io_mode modes[3][N_STATES] = {
	[O_RDONLY] = { IO_PASSTHROUGH, IO_PASSTHROUGH, IO_CACHED },
	[O_WRONLY] = { IO_DIRECT, IO_PASSTHROUGH_DIRECT, IO_DIRECT },
	[O_RDWR] = { IO_CACHED, IO_PASSTHROUGH_DIRECT, IO_CACHED },
};

const char *io_mode_name(enum io_mode mode)
{
	static const char *const names[] = {
		[IO_DIRECT] = "direct",
		[IO_CACHED] = "cached",
		[IO_PASSTHROUGH] = "passthrough",
		[IO_PASSTHROUGH_DIRECT] = "passthrough-direct",
	};

	return names[mode];
}

static bool is_passthrough(enum io_mode mode)
{
	return mode == IO_PASSTHROUGH || mode == IO_PASSTHROUGH_DIRECT;
}

static struct node_io *node_io_new(struct node *node)
{
	struct node_io *io = calloc(1, sizeof(*io));

	if (!io)
		return NULL;
	pthread_mutex_init(&io->lock, NULL);
	io->node = node;
	io->read_fd = io->kept_fd = -1;
	return io;
}

static void node_io_free(struct io_table *table, struct node_io *io)
{
	if (!io)
		return;
	channel_backing_close(table->channel, io->backing_id);
	closep(&io->kept_fd);
	closep(&io->read_fd);
	pthread_mutex_destroy(&io->lock);
	free(io);
}

/* Under table->lock. Takes one that nobody uses from its node. */
static struct node_io *detach_idle(struct io_table *table, struct node_io *io)
{
	TAILQ_REMOVE(&table->idle, io, idle);
	table->n_idle--;
	io->node->io = NULL;
	io->kept_fd = node_fd_unkeep(table->nodes, io->node);
	return io;
}

/* A node is about to be freed: nobody uses it. */
static void forget_node(void *data, struct node *node)
{
	struct io_table *table = data;
	struct node_io *unused = NULL;

	pthread_mutex_lock(&table->lock);
	if (node->io)
		unused = detach_idle(table, node->io);
	pthread_mutex_unlock(&table->lock);
	node_io_free(table, unused);
}

static unsigned idle_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur / IO_IDLE_SHARE > IO_IDLE_MAX)
		return IO_IDLE_MAX;
	return (unsigned)(limit.rlim_cur / IO_IDLE_SHARE);
}

void io_table_init(struct io_table *table, struct channel *channel,
		   struct node_table *nodes)
{
	*table = (struct io_table){ .lock = PTHREAD_MUTEX_INITIALIZER,
				    .channel = channel,
				    .nodes = nodes };
	TAILQ_INIT(&table->idle);
	table->n_idle_max = idle_max();
	node_table_set_forgetter(nodes, forget_node, table);
}

void io_table_fini(struct io_table *table)
{
	while (table->channel && !TAILQ_EMPTY(&table->idle))
		node_io_free(table, detach_idle(table, TAILQ_FIRST(&table->idle)));
}

/* Under table->lock. */
static void count_use(struct io_table *table, struct node_io *io)
{
	if (io->is_idle) {
		TAILQ_REMOVE(&table->idle, io, idle);
		table->n_idle--;
		io->is_idle = false;
	}
	io->n_users++;
}

/* The inode's I/O, made if there is none; counted as used. NULL: no memory. */
static struct node_io *io_get(struct io_table *table, struct node *node)
{
	struct node_io *fresh = NULL, *io;

	pthread_mutex_lock(&table->lock);
	if (!node->io) {
		pthread_mutex_unlock(&table->lock);
		fresh = node_io_new(node);
		pthread_mutex_lock(&table->lock);
	}
	if (!node->io)
		node->io = take_ptr(fresh);
	io = node->io;
	if (io)
		count_use(table, io);
	pthread_mutex_unlock(&table->lock);
	node_io_free(table, fresh);
	return io;
}

static struct node_io *io_get_if_open(struct io_table *table, struct node *node)
{
	struct node_io *io;

	pthread_mutex_lock(&table->lock);
	io = node->io;
	if (io && io->n_users > 0)
		io->n_users++;
	else
		io = NULL;
	pthread_mutex_unlock(&table->lock);
	return io;
}

/* The last user's: a registration is kept, in place of the one that is idle the longest.
 */
static void io_put(struct io_table *table, struct node *node, struct node_io *io)
{
	_cleanup_(closep) int read_fd = -1;
	struct node_io *unused = NULL;

	pthread_mutex_lock(&table->lock);
	if (--io->n_users > 0) {
		pthread_mutex_unlock(&table->lock);
		return;
	}
	if (io->backing_id == 0) {
		unused = io;
		node->io = NULL;
	} else {
		io->is_idle = true;
		read_fd = take_fd(&io->read_fd); /* nobody else has the I/O */
		TAILQ_INSERT_TAIL(&table->idle, io, idle);
		if (++table->n_idle > table->n_idle_max)
			unused = detach_idle(table, TAILQ_FIRST(&table->idle));
	}
	pthread_mutex_unlock(&table->lock);
	node_io_free(table, unused);
}

/* Under io->lock. Registers the source's file with the kernel, once for all handles of
 * the inode: whoever opens the same inode meanwhile has to wait for it. The kernel keeps
 * the file itself. False: it cannot be passed through (no support, or a source stacked
 * too deep). */
static bool io_register(struct io_table *table, struct node_io *io,
			const struct io_request *request)
{
	_cleanup_(closep) int fd = -1;
	int id;

	if (io->backing_id > 0)
		return true;
	if (!table->channel->passthrough)
		return false;
	fd = node_open(table->nodes, io->node, O_RDONLY | O_NOFOLLOW);
	if (fd < 0)
		return false;
	id = channel_backing_open(table->channel, fd);
	if (id <= 0) {
		table->passthrough_error = id;
		if (table->n_passthrough_refused++ == 0)
			log_warning(
				"the kernel refuses to pass reads through to the source "
				"(error %d): reads go through the guard",
				-id);
		return false;
	}
	io->backing_id = id;
	node_fd_keep(table->nodes, io->node, request->node_fd);
	return true;
}

static enum inode_state io_state(const struct node_io *io)
{
	return io->n_passthrough ? STATE_PASSTHROUGH
	       : io->n_cached	 ? STATE_CACHED
				 : STATE_NONE;
}

/* Under io->lock. */
static void explain(struct node_io *io, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0) {
		io->explained_mtime = st.st_mtim;
		io->explained_size = st.st_size;
	}
}

static int io_choose(struct io_table *table, struct node_io *io,
		     struct io_request *request)
{
	enum io_mode mode = modes[request->access][io_state(io)];

	if (mode == IO_PASSTHROUGH &&
	    ((io->n_passthrough == 0 && io->n_fresh_direct > 0) ||
	     !io_register(table, io, request)))
		mode = IO_CACHED;
	if (mode == IO_PASSTHROUGH_DIRECT && request->access == O_RDWR &&
	    !request->mapped_writes)
		return -ETXTBSY;
	/* Passthrough handles read through the inode's descriptor, if they read at all.
	 */
	if (request->fd < 0 && mode != IO_PASSTHROUGH) {
		request->fd = node_open(table->nodes, request->node,
					request->access | request->flags | O_NOFOLLOW);
		if (request->fd < 0)
			return request->fd;
	}
	request->mode = mode;
	request->backing_id = is_passthrough(mode) ? io->backing_id : 0;
	return 0;
}

/* Whether what is stored through a mapping of this handle never comes to us. */
static bool is_mappable(const struct io_request *request)
{
	return request->mode == IO_PASSTHROUGH_DIRECT && request->access == O_RDWR;
}

static void io_count(struct node_io *io, const struct io_request *request)
{
	if (is_passthrough(request->mode))
		io->n_passthrough++;
	else if (request->mode == IO_CACHED)
		io->n_cached++;
	if (request->mode == IO_DIRECT)
		io->n_fresh_direct++;
	if (is_mappable(request) && io->n_mappable++ == 0) {
		io->changed_unseen = false;
		explain(io, request->fd);
	}
	if (request->created) {
		io->n_created++;
		io->creator = request->creator;
		snprintf(io->made_in, sizeof(io->made_in), "%s", request->made_in);
	}
}

int io_open(struct io_table *table, struct io_request *request)
{
	struct node_io *io = io_get(table, request->node);
	int r;

	if (!io)
		return -ENOMEM;
	pthread_mutex_lock(&io->lock);
	r = io_choose(table, io, request);
	if (r == 0)
		io_count(io, request);
	pthread_mutex_unlock(&io->lock);
	if (r < 0)
		io_put(table, request->node, io);
	return r;
}

bool io_will_be_unseen(struct io_table *table, struct node *node, int access)
{
	struct node_io *io;
	bool unseen;

	if (access != O_RDWR || !(io = io_get_if_open(table, node)))
		return false;
	pthread_mutex_lock(&io->lock);
	unseen = modes[access][io_state(io)] == IO_PASSTHROUGH_DIRECT;
	pthread_mutex_unlock(&io->lock);
	io_put(table, node, io);
	return unseen;
}

void io_close(struct io_table *table, struct io_request *request)
{
	struct node_io *io = request->node->io; /* stable: this handle counts as a user */

	pthread_mutex_lock(&io->lock);
	if (is_passthrough(request->mode))
		io->n_passthrough--;
	else if (request->mode == IO_CACHED)
		io->n_cached--;
	if (request->mode == IO_DIRECT && !request->used)
		io->n_fresh_direct--;
	if (is_mappable(request))
		io->n_mappable--;
	if (request->created)
		io->n_created--;
	pthread_mutex_unlock(&io->lock);
	closep(&request->fd);
	io_put(table, request->node, io);
}

int io_fd(struct io_table *table, const struct io_request *request)
{
	struct node_io *io = request->node->io; /* stable: this handle counts as a user */
	int fd;

	(void)table;
	if (request->fd >= 0)
		return request->fd;
	pthread_mutex_lock(&io->lock);
	if (io->read_fd < 0)
		io->read_fd = node_reopen(request->node_fd, O_RDONLY);
	fd = io->read_fd;
	pthread_mutex_unlock(&io->lock);
	return fd;
}

void io_used(struct io_table *table, struct io_request *request)
{
	struct node_io *io = request->node->io;

	(void)table;
	if (request->mode != IO_DIRECT)
		return;
	pthread_mutex_lock(&io->lock);
	if (!request->used) {
		request->used = true;
		io->n_fresh_direct--;
	}
	pthread_mutex_unlock(&io->lock);
}

/* Under io->lock. */
static bool is_explained(const struct node_io *io, int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || (st.st_mtim.tv_sec == io->explained_mtime.tv_sec &&
				      st.st_mtim.tv_nsec == io->explained_mtime.tv_nsec &&
				      st.st_size == io->explained_size);
}

void io_before_change(struct io_table *table, struct node *node, int fd)
{
	struct node_io *io = io_get_if_open(table, node);

	if (!io)
		return;
	pthread_mutex_lock(&io->lock);
	if (io->n_mappable > 0 && !is_explained(io, fd))
		io->changed_unseen = true;
	pthread_mutex_unlock(&io->lock);
	io_put(table, node, io);
}

void io_after_change(struct io_table *table, struct node *node, int fd)
{
	struct node_io *io = io_get_if_open(table, node);

	if (!io)
		return;
	pthread_mutex_lock(&io->lock);
	if (io->n_mappable > 0)
		explain(io, fd);
	pthread_mutex_unlock(&io->lock);
	io_put(table, node, io);
}

bool io_changed_unseen(struct io_table *table, const struct io_request *request)
{
	struct node_io *io = request->node->io;
	bool changed;

	(void)table;
	if (!is_mappable(request))
		return false;
	pthread_mutex_lock(&io->lock);
	changed = io->changed_unseen || !is_explained(io, request->fd);
	io->changed_unseen = false;
	explain(io, request->fd);
	pthread_mutex_unlock(&io->lock);
	return changed;
}

bool io_is_open(struct io_table *table, struct node *node)
{
	bool is_open;

	pthread_mutex_lock(&table->lock);
	is_open = node->io && node->io->n_users > 0;
	pthread_mutex_unlock(&table->lock);
	return is_open;
}

bool io_made_by(struct io_table *table, struct node *node, uid_t uid, char *zone)
{
	struct node_io *io = io_get_if_open(table, node);
	bool made;

	if (!io)
		return false;
	pthread_mutex_lock(&io->lock);
	made = io->n_created > 0 && io->creator == uid;
	if (made)
		snprintf(zone, PLACE_NAME_MAX, "%s", io->made_in);
	pthread_mutex_unlock(&io->lock);
	io_put(table, node, io);
	return made;
}
