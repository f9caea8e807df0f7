/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories: numbers that are never reused. */
#pragma once

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fuse/guard.h"
#include "fuse/hash.h"
#include "fuse/io.h"

struct handle {
	uint64_t id;
	struct hash_link link; /* under table->lock */
	uint32_t n_refs;       /* under table->lock: 1 while it is open, and each use */
	struct node *node;     /* a reference */
	/* files: pinned, so that an unlinked one can still be looked at; or -errno */
	int node_fd;
	struct io_request io;	    /* files: how it is served; constant after the open */
	struct authority authority; /* files; of directories the opener only */
	pthread_mutex_t dir_lock;
	DIR *dir;	  /* directories, under dir_lock: NULL while nobody is reading */
	off_t dir_offset; /* under dir_lock: where the reader stands */
	bool dir_at_end;  /* under dir_lock: and there was nothing more */
};

struct handle_table;

/* What lies under the handles; all outlive the table. */
int handle_table_new(struct node_table *nodes, struct io_table *ios,
		     struct handle_table **ret);

/* fsync(2)s what is still open for writing, closes everything and frees. NULL is fine. */
struct handle_table *handle_table_free(struct handle_table *table);

/* A new handle on a node (which it references), not yet in the table. NULL: no memory. */
struct handle *handle_new(struct handle_table *table, struct node *node);

/* Puts it into the table under a new number: from now on it can be found. The caller's
 * reference becomes the table's. */
void handle_add(struct handle_table *table, struct handle *handle);

/* A reference to the open handle of a file, or of a directory; NULL if there is none of
 * that kind. Ended by handle_put(). */
struct handle *handle_get(struct handle_table *table, uint64_t id);
struct handle *handle_get_dir(struct handle_table *table, uint64_t id);
void handle_put(struct handle_table *table, struct handle *handle);

/* Sets by whose right the handle is used; a file is counted as theirs. 0, -ENFILE when
 * this user holds too many (one user's opens must not take the descriptors of all:
 * CVE-2020-10717), or -ENOMEM. */
int handle_set_opener(struct handle_table *table, struct handle *handle,
		      struct guard *guard, const struct asker *asker);

/* A directory takes a descriptor, and is counted, only while it is being read: under
 * dir_lock, makes handle->dir, or ends it. 0, -ENFILE as above, or another -errno. */
int handle_open_stream(struct handle_table *table, struct handle *handle);
void handle_close_stream(struct handle_table *table, struct handle *handle);

/* Takes it out of the table; it is freed with its last reference. */
void handle_close(struct handle_table *table, struct handle *handle);

/* A handle that never came into the table. */
void handle_drop(struct handle_table *table, struct handle *handle);

/* What status shows of an open handle. */
struct handle_info {
	uint64_t node_id;
	bool is_directory;
	int access;	   /* files: as struct io_request */
	enum io_mode mode; /* files */
	/* A reference to the opener; parent and name are not told. */
	struct authority authority;
};

/* All open handles, about now; handle_list_free() what is returned. No lock is held for
 * longer than it takes to look at some hundred. 0 or -ENOMEM. */
int handle_list(struct handle_table *table, struct handle_info **ret, size_t *ret_n);
void handle_list_free(struct handle_info *list, size_t n);

/* An open handle that can write. */
struct handle_writer {
	dev_t dev;
	ino_t ino;
	char acct[64]; /* who opened it */
};

/* All of them, about now, in no order; the caller frees *ret. 0 or -ENOMEM. */
int handle_writers(struct handle_table *table, struct handle_writer **ret, size_t *ret_n);

/* Calls `function` with the node of each file that is open for writing in the kernel's
 * cache, no lock held. Handles may come and go meanwhile. */
void handle_each_cached_writer(struct handle_table *table,
			       void (*function)(uint64_t node_id, void *data),
			       void *data);

/* The same with the node of each open directory. */
void handle_each_directory(struct handle_table *table,
			   void (*function)(uint64_t node_id, void *data), void *data);
