/* SPDX-License-Identifier: Apache-2.0 */
/* How the kernel serves an open file: through us, through its cache, or past us. One
 * inode can only be in one kernel mode at a time, so the mode is chosen per inode. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "fuse/channel.h"
#include "fuse/node.h"

enum io_mode {
	IO_DIRECT, /* FOPEN_DIRECT_IO: reads and writes come to us; no shared mapping */
	IO_CACHED, /* the kernel's page cache in front of us */
	IO_PASSTHROUGH,	       /* reads and mappings go to the source's file */
	IO_PASSTHROUGH_DIRECT, /* mappings go to the source's file, reads and writes to us
				*/
};

/* The I/O of one inode while it is open; one for all of its handles. */
struct node_io {
	pthread_mutex_t lock;	/* taken before node_table and node_fds locks */
	uint32_t n_users;	/* under io_table.lock: handles, open or being opened */
	uint32_t n_passthrough; /* under lock: handles of either passthrough mode */
	uint32_t n_cached;	/* under lock */
	uint32_t n_mappable;	/* under lock: passthrough handles open for writing, whose
				   mappings can be stored to unseen */
	uint32_t
		n_created; /* under lock: handles that made the file and are still open */
	uid_t creator;	   /* under lock: whose they are */
	int read_fd; /* under lock: the source's file, for passthrough handles; or -1 */
	int backing_id; /* under lock: its registration with the kernel; 0: none */
	struct timespec explained_mtime; /* under lock: as of the last change we made */
	off_t explained_size;		 /* under lock */
};

struct io_table {
	pthread_mutex_t lock; /* of node->io and n_users; nothing is taken below it */
	struct channel *channel;
	struct node_table *nodes;
	_Atomic uint64_t n_passthrough_refused; /* opens served without, for status */
};

void io_table_init(struct io_table *table, struct channel *channel,
		   struct node_table *nodes);

/* What an open wants, and what it got. */
struct io_request {
	struct node *node;
	int access;	    /* O_RDONLY, O_WRONLY or O_RDWR */
	int flags;	    /* further flags of open(2) for the source's file */
	bool mapped_writes; /* the zone allows mappings that are stored to unseen */
	bool created;	    /* the handle made the file ... */
	uid_t creator;	    /* ... for this user */
	int fd; /* in: an open descriptor to be used, or -1; taken over on success.
		   out: the handle's own descriptor, or -1 if it uses read_fd */
	enum io_mode mode; /* out */
	int backing_id;	   /* out */
};

/* Chooses the mode (DESIGN: I/O mode of an open), opens the source's file and registers
 * it. 0, -ETXTBSY (mapped-writes = refuse), or -errno. io_close() undoes it. */
int io_open(struct io_table *table, struct io_request *request);
void io_close(struct io_table *table, struct io_request *request);

/* Whether an open would get a handle whose mappings can be stored to unseen, as things
 * are now: for the record that must come before the open. */
bool io_will_be_unseen(struct io_table *table, struct node *node, int access);

/* The descriptor to serve a handle by: its own, or the inode's. Valid while it is open.
 */
int io_fd(struct io_table *table, const struct io_request *request);

/* A change went through us: what the file looks like now is explained. Called after each
 * write, truncate and change of times. Cheap unless a mapping may be stored to unseen. */
void io_explain(struct io_table *table, struct node *node, int fd);

/* Whether the file has changed since without us: stores through a mapping. Asks once: the
 * change counts as explained from then on. */
bool io_changed_unseen(struct io_table *table, const struct io_request *request);

/* Whether a user holds an open handle that made this file. */
bool io_is_creator(struct io_table *table, struct node *node, uid_t uid);

const char *io_mode_name(enum io_mode mode);
