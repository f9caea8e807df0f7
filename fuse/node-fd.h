/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded cache of O_PATH descriptors that nodes.h lends out. */
#pragma once

#include <pthread.h>
#include <stdint.h>

struct node;
struct source;

/* Descriptors kept open while nobody uses them. Far below the hard limit of 20,000 that a
 * client could otherwise exhaust (CVE-2020-10717 was that), and a small part of what the
 * process may have. */
#define NODE_FDS_KEPT  768
#define NODE_FDS_SHARE 8

struct node_fds {
	pthread_mutex_t lock; /* innermost: nothing is taken below it */
	struct node *slots[NODE_FDS_KEPT];
	uint32_t n_slots;	/* that are used; constant */
	uint32_t hand;		/* of the clock */
	uint32_t n_removed;	/* kept by node_fds_keep_removed() */
	uint32_t n_removed_max; /* constant */
};

void node_fds_init(struct node_fds *fds);

/* As node_fd_get() and node_fd_put(). */
int node_fds_get(struct node_fds *fds, const struct source *source, struct node *node);
void node_fds_put(struct node_fds *fds, struct node *node, int fd);

/* A node without a file handle keeps this descriptor for its whole life. */
void node_fds_hold(struct node_fds *fds, struct node *node, int fd);

/* A descriptor that node_fds_get() lent becomes the node's until node_fds_unkeep(),
 * beside the cache. That returns what the caller has to close, or -1. */
void node_fds_keep(struct node_fds *fds, struct node *node, int fd);
int node_fds_unkeep(struct node_fds *fds, struct node *node);

/* The same, until the node is freed, for a directory that has lost its last name. Does
 * nothing when NODE_FDS_REMOVED are kept, or their share: one client could have any
 * number. */
#define NODE_FDS_REMOVED 1024
void node_fds_keep_removed(struct node_fds *fds, struct node *node, int fd);

/* The node is being freed: its descriptor goes with it. */
void node_fds_drop(struct node_fds *fds, struct node *node);
