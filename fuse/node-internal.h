/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the node table share; nobody else includes it. */
#pragma once

#include <pthread.h>

#include "fuse/node-fd.h"
#include "fuse/node.h"

struct node_table {
	pthread_mutex_t lock; /* taken before fds.lock; never held across a system call */
	struct hash_table by_id;
	struct hash_table by_source;
	uint64_t last_id;
	_Atomic uint64_t n_freed;
	_Atomic uint64_t n_moves;
	/* CLOCK_MONOTONIC, ns: the kernel was told to forget all names; 0: never */
	_Atomic uint64_t forgotten_at;
	const struct source *source;
	struct node *root;
	struct node_fds fds;
	uint64_t (*place_of)(void *data, const char *path);
	void *placer_data;
	void (*forget)(void *data, struct node *node);
	void *forgetter_data;
};

#define NODE_OF(link, member) \
	((struct node *)((char *)(link)-offsetof(struct node, member)))

/* As node_path(), under table->lock. */
char *node_path_locked(const struct node *node, const char *name,
		       char buffer[static NODE_PATH_MAX]);
