/* SPDX-License-Identifier: Apache-2.0 */
/* The inodes that the kernel knows: numbers that are never reused, each with its place in
 * the tree. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fuse/hash.h"
#include "fuse/source.h"

/* Longest path of a node within the share, NUL included: enough for a name of PATH_MAX
 * bytes relative to any working directory; a deeper one is ENAMETOOLONG. */
#define NODE_PATH_MAX 16384

#define NODE_ROOT 1 /* FUSE_ROOT_ID */

struct node_io;
struct node_table;

struct node {
	uint64_t id; /* constant from here ... */
	dev_t dev;
	ino_t ino;
	mode_t type; /* S_IFMT bits */
	int16_t handle_type;
	uint16_t handle_bytes; /* ... to here */
	uint32_t n_refs; /* under table->lock: uses by requests, handles and children */
	uint64_t n_lookups;	    /* under table->lock: what the kernel holds */
	struct hash_link by_id;	    /* under table->lock */
	struct hash_link by_source; /* under table->lock */
	struct node *parent;	  /* under table->lock; a reference; NULL for the root */
	char *name;		  /* under table->lock; as last looked up */
	_Atomic uint32_t n_moves; /* renames of this name: see struct authority */
	/* CLOCK_MONOTONIC, ns: the last look-up of the name that succeeded */
	_Atomic uint64_t found_at;
	/* the kernel dropped the name: a look-up of it was denied since */
	_Atomic uint32_t dropped;
	/* CLOCK_MONOTONIC, s: the directory was listed; and the kernel was told of the
	 * files in it, too; 0: never */
	_Atomic uint32_t listed_at;
	_Atomic uint32_t told_at;
	_Atomic uint64_t place; /* place.h; kept by the guard */
	struct node_io *io;	/* under io_table.lock; set while the node is open */
	int fd;			/* under fds.lock: an O_PATH descriptor, or -1 */
	uint32_t n_pins;	/* under fds.lock: uses of that descriptor */
	uint32_t slot;		/* under fds.lock: where the descriptor is in the cache */
	unsigned char handle[]; /* constant */
};

/* 0 or -errno. The source outlives the table. */
int node_table_new(const struct source *source, struct node_table **ret);

/* How the place of a path is found under the policy in force: asked with the table's lock
 * held, so it must not come back to the table. Set once, before anything is looked up. */
void node_table_set_placer(struct node_table *table,
			   uint64_t (*place_of)(void *data, const char *path),
			   void *data);
/* What is to be done before a node is freed, with no lock held. Set once. */
void node_table_set_forgetter(struct node_table *table,
			      void (*forget)(void *data, struct node *node), void *data);

struct node_table *node_table_free(struct node_table *table);

/* A reference to a node by its number, or NULL: the kernel named one that is gone. */
struct node *node_get(struct node_table *table, uint64_t id);
struct node *node_ref(struct node_table *table, struct node *node);
void node_put(struct node_table *table, struct node *node);

/* The kernel was told to forget all names: what was found before is not held any more. */
void node_names_forgotten(struct node_table *table);

/* A look-up of the node's name is being denied: whether the kernel holds the name, by all
 * that we know, and nobody else is looking it up just now. The denial makes it drop the
 * name, so this is true once until a look-up succeeds again. */
bool node_is_dropped_now(struct node_table *table, struct node *node);

/* Whether its name was looked up with success within the last second. */
bool node_found_lately(struct node *node);

/* A directory is being listed, perhaps with what is in it; whether it was within so many
 * seconds. */
void node_listed(struct node *node, bool with_files);
bool node_listed_lately(struct node *node, unsigned seconds, bool with_files);

/* Finds or makes the node of an inode at a name, in one critical section, and moves it to
 * that name. The same inode in another zone (`place`) is another node. If `lookup`, the
 * kernel's count grows by one. `fd` (O_PATH) is kept if the inode has no handle;
 * otherwise it stays the caller's: *fd is then unchanged. Returns 0 with a reference in
 * *ret, or -ENOMEM. */
struct node_at {
	struct node *parent;
	const char *name;
	uint64_t place;
	const struct source_id *id;
	mode_t mode;
	uint64_t n_moves; /* node_moves(), as read before the name was opened */
	int *fd;
};
int node_add(struct node_table *table, const struct node_at *at, bool lookup,
	     struct node **ret);

/* How many renames there have been. A look-up that found an inode before one and would
 * put it back where it was then is told so by node_add(): -EAGAIN, look again. */
uint64_t node_moves(struct node_table *table);

/* A rename is about to happen in the source. */
void node_moves_begin(struct node_table *table);

/* The node that is known at a name, if it is; a reference, or NULL. */
struct node *node_find(struct node_table *table, const struct node_at *at);

/* A rename succeeded: the node is now at another name, in a place that is to be found
 * out. The name is from malloc and becomes the node's; *name is NULL afterwards. */
void node_moved(struct node_table *table, struct node *node, struct node *parent,
		char **name);

/* The same for a directory that came into another zone: so did all that is in it. */
void node_moved_across(struct node_table *table, struct node *node, struct node *parent,
		       char **name);

/* The kernel dropped some of its lookups. */
void node_forget(struct node_table *table, uint64_t id, uint64_t n_lookups);

/* Writes "/", "/a/b", or with a name "/a/b/name" into buffer (NODE_PATH_MAX bytes) and
 * returns where it begins there, or NULL if it is longer: ENAMETOOLONG. */
char *node_path(struct node_table *table, struct node *node, const char *name,
		char buffer[static NODE_PATH_MAX]);

/* Where a node is now: a reference to its parent (NULL for the root) and its name, from
 * malloc. 0 or -ENOMEM. */
int node_name(struct node_table *table, struct node *node, struct node **ret_parent,
	      char **ret_name);

/* Calls `function` with each name that the kernel may hold, no lock held. Nodes may come
 * and go meanwhile. 0 or -ENOMEM. */
int node_each_name(struct node_table *table,
		   void (*function)(uint64_t parent, const char *name, void *data),
		   void *data);

size_t node_count(struct node_table *table);

/* An O_PATH descriptor of a node, borrowed from a bounded cache for as long as it is
 * pinned. Returns it, or -errno (ESTALE: the inode is gone). Every success needs a
 * node_fd_put(). */
int node_fd_get(struct node_table *table, struct node *node);
void node_fd_put(struct node_table *table, struct node *node, int fd);

/* A pinned descriptor stays with its node, beyond its last use, until node_fd_unkeep() or
 * the node is freed. Unkeeping returns a descriptor that the caller has to close, or -1;
 * it may be called with any lock held. */
void node_fd_keep(struct node_table *table, struct node *node, int fd);
int node_fd_unkeep(struct node_table *table, struct node *node);

/* The same for a directory that was just removed: who has it open, or works in it, goes
 * on seeing it. Until the node is freed, and for a bounded number of directories. */
void node_fd_keep_removed(struct node_table *table, struct node *node, int fd);

/* Opens what a pinned descriptor refers to, even if it has no name left. As node_open().
 */
int node_reopen(int node_fd, int flags);

/* Opens the node's inode anew with flags of open(2), for regular files and directories.
 * The caller owns the descriptor; -errno. */
int node_open(struct node_table *table, struct node *node, int flags);
