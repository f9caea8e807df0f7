/* SPDX-License-Identifier: Apache-2.0 */
/* How the kernel serves an open file: through us, through its cache, or past us. One
 * inode can only be in one kernel mode at a time, so the mode is chosen per inode. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "fuse/channel.h"
#include "fuse/node.h"
#include "fuse/place.h"

enum io_mode {
	IO_DIRECT, /* FOPEN_DIRECT_IO: reads and writes come to us; no shared mapping */
	IO_CACHED, /* the kernel's page cache in front of us */
	IO_PASSTHROUGH,	       /* reads and mappings go to the source's file */
	IO_PASSTHROUGH_DIRECT, /* mappings go to the source's file, reads and writes to us
				*/
};

/* The I/O of one inode while it is open; one for all of its handles. */
struct node_io {
	TAILQ_ENTRY(node_io) idle; /* under io_table.lock, while is_idle */
	int kept_fd;		   /* given up by the node, to be closed; or -1 */
	bool is_idle;		   /* under io_table.lock: kept although nobody uses it */
	struct node *node;	   /* constant: whose it is */
	pthread_mutex_t lock;	   /* taken before node_table and node_fds locks */
	uint32_t n_users; /* under io_table.lock: handles, open or being opened */

	/* Under lock, all that follows: */
	uint32_t n_passthrough; /* handles of either passthrough mode */
	uint32_t n_cached;
	uint32_t n_mappable;	      /* handles whose mappings can be stored to unseen */
	uint32_t n_fresh_direct;      /* see io_used() */
	uint32_t n_created;	      /* handles that made the file ... */
	uid_t creator;		      /* ... whose they are ... */
	char made_in[PLACE_NAME_MAX]; /* ... and the zone they made it in */
	int read_fd;	     /* the source's file, once a passthrough handle needs it */
	int backing_id;	     /* its registration with the kernel; 0: none */
	bool changed_unseen; /* something changed, and not through us */
	struct timespec explained_mtime; /* as of the last change we made */
	off_t explained_size;
};

struct io_table {
	pthread_mutex_t lock; /* of node->io, n_users and the idle; only node_fds.lock is
				 taken below it */
	TAILQ_HEAD(, node_io) idle; /* the longest idle first */
	unsigned n_idle;
	unsigned n_idle_max; /* constant */
	struct channel *channel;
	struct node_table *nodes;
	_Atomic uint64_t n_passthrough_refused; /* opens served without, for status */
	_Atomic int passthrough_error;		/* why, the last time: -errno */
};

/* Files that are opened again and again keep their registration for a while after the
 * last close, and a descriptor that refers to them: two ioctls, two opens and two closes
 * less each time. The inode stays held by it until the kernel forgets it, which it does
 * at once when it is removed. They may take this part of the descriptors that the process
 * may have. */
#define IO_IDLE_SHARE 3
#define IO_IDLE_MAX   65536

void io_table_init(struct io_table *table, struct channel *channel,
		   struct node_table *nodes);

/* Ends what is kept of closed files; every handle is closed by then. */
void io_table_fini(struct io_table *table);

/* What an open wants, and what it got. */
struct io_request {
	struct node *node;
	int node_fd;	     /* pinned while the handle is open */
	int access;	     /* O_RDONLY, O_WRONLY or O_RDWR */
	int flags;	     /* further flags of open(2) for the source's file */
	bool mapped_writes;  /* the zone allows mappings that are stored to unseen */
	bool created;	     /* the handle made the file ... */
	uid_t creator;	     /* ... for this user ... */
	const char *made_in; /* ... in the zone of this name */
	bool used;	     /* under the inode's lock: io_used() */
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

/* The descriptor to serve a handle by: its own, or the inode's, which is opened when it
 * is first needed: reads go past us. Valid while the handle is open. -errno. */
int io_fd(struct io_table *table, const struct io_request *request);

/* A request came for this handle: the kernel has completed its open. Until then a plain
 * O_WRONLY open may be overtaken by a passthrough open of the same inode, whose answer
 * was written later but is taken up earlier: the kernel then fails it with EIO. */
void io_used(struct io_table *table, struct io_request *request);

/* Around every change that goes through us (write, truncate, times): what the file looked
 * like before must be what we left, or somebody stored through a mapping; what it looks
 * like afterwards is explained. Both are cheap unless a mapping may be stored to unseen.
 * Two changes at once may be taken for an unseen one; a store within the same tick of the
 * clock may go unnoticed. */
void io_before_change(struct io_table *table, struct node *node, int fd);
void io_after_change(struct io_table *table, struct node *node, int fd);

/* Whether the file has changed without us while this handle's mappings could do it. Asks
 * once: the change counts as explained from then on. */
bool io_changed_unseen(struct io_table *table, const struct io_request *request);

/* Whether anybody has the file open. */
bool io_is_open(struct io_table *table, struct node *node);

/* If a user holds open the handle that made this file: the zone it was made in, as
 * struct authority has it, in `zone` (PLACE_NAME_MAX bytes), and true. */
bool io_made_by(struct io_table *table, struct node *node, uid_t uid, char *zone);

const char *io_mode_name(enum io_mode mode);
