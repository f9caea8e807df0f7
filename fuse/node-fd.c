/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded cache of O_PATH descriptors. */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "fuse/node-fd.h"
#include "fuse/node.h"
#include "fuse/util.h"

#define SLOT_HELD	 UINT32_MAX /* not in the cache: kept while the node lives */
#define SLOT_REMOVED	 (UINT32_MAX - 1) /* the same, and counted */
#define SLOT_USED_AGAIN	 0x80000000	  /* the clock's second chance */
#define SLOT_INDEX(slot) ((slot) & ~SLOT_USED_AGAIN)

static uint32_t share_of_descriptors(uint32_t most)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur / NODE_FDS_SHARE >= most)
		return most;
	return limit.rlim_cur < NODE_FDS_SHARE
		       ? 1
		       : (uint32_t)(limit.rlim_cur / NODE_FDS_SHARE);
}

void node_fds_init(struct node_fds *fds)
{
	*fds = (struct node_fds){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.n_slots = share_of_descriptors(NODE_FDS_KEPT),
		.n_removed_max = share_of_descriptors(NODE_FDS_REMOVED),
	};
}

/* Under fds->lock. */
static bool is_in_cache(const struct node *node)
{
	return node->fd >= 0 && node->slot != SLOT_HELD && node->slot != SLOT_REMOVED;
}

/* Opened outside the lock: two threads may both open; the later one keeps its own copy.
 */
static int node_fds_open(const struct source *source, const struct node *node)
{
	struct source_id id = {
		.handle_type = node->handle_type,
		.handle_bytes = node->handle_bytes,
	};

	memcpy(id.handle, node->handle, node->handle_bytes);
	return source_open_id(source, &id, O_PATH | O_NOFOLLOW);
}

/* A slot that is free or whose descriptor nobody uses; *ret_evicted is then to be closed.
 * Gives up after two rounds: then everything is in use. */
static int node_fds_find_slot(struct node_fds *fds, uint32_t *ret_slot, int *ret_evicted)
{
	for (uint32_t i = 0; i < 2 * fds->n_slots; i++) {
		uint32_t slot = fds->hand;
		struct node *node = fds->slots[slot];

		fds->hand = (fds->hand + 1) % fds->n_slots;
		*ret_slot = slot;
		if (!node)
			return 0;
		if (node->n_pins > 0)
			continue;
		if (node->slot & SLOT_USED_AGAIN) {
			node->slot = slot;
			continue;
		}
		*ret_evicted = take_fd(&node->fd);
		return 0;
	}
	return -EBUSY;
}

int node_fds_get(struct node_fds *fds, const struct source *source, struct node *node)
{
	_cleanup_(closep) int evicted = -1;
	uint32_t slot;
	int fd;

	pthread_mutex_lock(&fds->lock);
	if (node->fd >= 0) {
		if (is_in_cache(node))
			node->slot |= SLOT_USED_AGAIN;
		node->n_pins++;
		fd = node->fd;
		pthread_mutex_unlock(&fds->lock);
		return fd;
	}
	pthread_mutex_unlock(&fds->lock);

	fd = node_fds_open(source, node);
	if (fd < 0)
		return fd;

	pthread_mutex_lock(&fds->lock);
	if (node->fd < 0 && node_fds_find_slot(fds, &slot, &evicted) == 0) {
		fds->slots[slot] = node;
		node->fd = fd;
		node->slot = slot;
		node->n_pins = 1;
	}
	pthread_mutex_unlock(&fds->lock);
	return fd;
}

void node_fds_put(struct node_fds *fds, struct node *node, int fd)
{
	bool own_copy;

	pthread_mutex_lock(&fds->lock);
	own_copy = node->fd != fd;
	if (!own_copy)
		node->n_pins--;
	pthread_mutex_unlock(&fds->lock);
	if (own_copy)
		close(fd);
}

void node_fds_hold(struct node_fds *fds, struct node *node, int fd)
{
	pthread_mutex_lock(&fds->lock);
	node->fd = fd;
	node->slot = SLOT_HELD;
	pthread_mutex_unlock(&fds->lock);
}

/* Under fds->lock. Takes a lent descriptor out of the cache, or a thread's own copy in
 * its place; false if the node is kept already. */
static bool keep(struct node_fds *fds, struct node *node, int fd, uint32_t as)
{
	if (node->fd == fd && is_in_cache(node)) {
		fds->slots[SLOT_INDEX(node->slot)] = NULL;
	} else if (node->fd < 0) { /* there was no room in the cache */
		node->fd = fd;
		node->n_pins = 1;
	} else {
		return false;
	}
	node->slot = as;
	return true;
}

void node_fds_keep(struct node_fds *fds, struct node *node, int fd)
{
	pthread_mutex_lock(&fds->lock);
	(void)keep(fds, node, fd, SLOT_HELD);
	pthread_mutex_unlock(&fds->lock);
}

void node_fds_keep_removed(struct node_fds *fds, struct node *node, int fd)
{
	pthread_mutex_lock(&fds->lock);
	if (fds->n_removed < fds->n_removed_max && keep(fds, node, fd, SLOT_REMOVED))
		fds->n_removed++;
	pthread_mutex_unlock(&fds->lock);
}

int node_fds_unkeep(struct node_fds *fds, struct node *node)
{
	int evicted = -1;
	uint32_t slot;

	pthread_mutex_lock(&fds->lock);
	if (node->fd >= 0 && node->slot == SLOT_HELD && node->handle_bytes > 0) {
		if (node->n_pins == 0) {
			evicted = take_fd(&node->fd);
		} else if (node_fds_find_slot(fds, &slot, &evicted) == 0) {
			fds->slots[slot] = node;
			node->slot = slot;
		}
	}
	pthread_mutex_unlock(&fds->lock);
	return evicted;
}

void node_fds_drop(struct node_fds *fds, struct node *node)
{
	_cleanup_(closep) int fd = -1;

	pthread_mutex_lock(&fds->lock);
	if (is_in_cache(node))
		fds->slots[SLOT_INDEX(node->slot)] = NULL;
	else if (node->fd >= 0 && node->slot == SLOT_REMOVED)
		fds->n_removed--;
	fd = take_fd(&node->fd);
	pthread_mutex_unlock(&fds->lock);
}
