/* SPDX-License-Identifier: Apache-2.0 */
/* The file system: what its callbacks share, and the idioms they are written in. */
#pragma once

#include <fuse_lowlevel.h>
#include <pthread.h>

#include "fuse/channel.h"
#include "fuse/digest-jobs.h"
#include "fuse/guard.h"
#include "fuse/habit.h"
#include "fuse/handle.h"
#include "fuse/io.h"
#include "fuse/node.h"
#include "fuse/refusals.h"
#include "fuse/source.h"

struct filesystem {
	struct channel channel;
	struct source source;
	struct node_table *nodes;
	struct io_table ios;
	struct handle_table *handles;
	struct guard *guard;
	struct habits habits;
	/* Shared by whoever changes a name or an attribute or opens for writing, from the
	 * decision to the effect; a promotion alone has it from its last look at a tree
	 * until the tree is where it belongs. Taken first of all locks: op-table.c. */
	pthread_rwlock_t tree_lock;
	struct digest_jobs *digests;
	struct refusals refusals;
	unsigned cache_seconds;			 /* constant: fs_cache_init() */
	void (*on_ready)(struct filesystem *fs); /* once, when requests can be served */
	int ready_fd; /* the main program's: on_ready() tells it there */
};

extern const struct fuse_lowlevel_ops filesystem_operations;

static inline struct filesystem *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct asker asker_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct asker){ .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid };
}

/* Makes tree_lock; once. 0 or -errno. */
int fs_tree_lock_init(struct filesystem *fs);

/* The gate, asked for a request. As guard_allow(), guard_settle() and guard_refuse(). */
int fs_allow(fuse_req_t req, struct action *action);
int fs_settle(fuse_req_t req, const struct action *action, int result);
/* For an effect on action->len bytes: `result` is how many it was, or -errno. 0 or
 * -errno. */
int fs_settle_length(fuse_req_t req, const struct action *action, ssize_t result);
int fs_refuse(fuse_req_t req, struct action *action, int error, const char *reason);

/* From here to creds_restore(), which is also needed after an error, the present thread
 * does an operation in the source by the right of the caller, if the zone of the node
 * (an object, or the directory of a name) says `modes = owner`; else by its own, and with
 * FS_MAKES what it makes belongs to the caller. Nothing else may be done meanwhile:
 * creds.h. 0 or -errno. */
enum fs_right { FS_CHANGES, FS_MAKES };
int fs_act(fuse_req_t req, struct node *node, enum fs_right right);

/* A node that a request named, with its O_PATH descriptor. */
struct use {
	struct node_table *nodes;
	struct node *node;
	int fd;
};

/* 0, or -ESTALE and other -errno. A used node is released by fs_unuse(), also as a
 * cleanup; a zeroed one is fine there. */
int fs_use(fuse_req_t req, fuse_ino_t ino, struct use *ret);
void fs_unuse(struct use *use);

/* A name that a client may send: not ".", "..", empty, or with a slash. 0 or -EINVAL. */
int fs_check_name(const char *name);

/* Finds the object at a name that was allowed and makes it known to the kernel: fills in
 * what fuse_reply_entry() takes, with one look-up counted. 0 or -errno. */
int fs_entry(fuse_req_t req, const struct use *dir, const char *name, uint64_t place,
	     struct fuse_entry_param *ret);

/* The same for a name that is about to be used: a file's descriptor is in the cache then,
 * so that whoever removes the file before it is opened does not make that fail. A kernel
 * that is told ESTALE looks again only once. */
int fs_entry_held(fuse_req_t req, const struct use *dir, const char *name, uint64_t place,
		  struct fuse_entry_param *ret);

/* A look-up of a name is being denied: whether the kernel holds the name, by all that we
 * know. The denial makes it drop it, so that this is true once until the next look-up
 * succeeds. */
bool fs_kernel_drops(fuse_req_t req, const struct use *dir, const struct target *target);

/* fs-cache.c: for how long the kernel may keep names that are no gates, and attributes.
 * What changes in the source behind the guard shows after that time. `is_sealed`: nobody
 * but root can get there. Once, when the source is known. */
void fs_cache_init(struct filesystem *fs, bool is_sealed);

/* Opens a regular file or directory with flags of open(2), by the right of the caller or
 * the guard's own: fs_act(). The caller of this function owns the descriptor; -errno. */
int fs_open(fuse_req_t req, const struct use *use, int flags);

/* What the source answers to access(2), by the same right. 0 or -errno. */
int fs_access(fuse_req_t req, const struct use *use, int mask);

/* The mode of something new: what the caller's umask(2) leaves of it. A default ACL of
 * the directory takes the umask's place (acl(5)); but where roles decide the umask always
 * counts, and there are permission bits only. */
mode_t fs_mode_of_new(fuse_req_t req, const struct use *dir, mode_t mode);

/* Says how long an entry may be kept: names that are no gates, but for those of files
 * that have others, so that a record names the one that was used. */
void fs_cache_entry(struct filesystem *fs, struct node *dir, uint64_t place,
		    struct fuse_entry_param *entry);

/* Whether the kernel may remember that there is nothing at a name: fills in the entry
 * that tells it so. */
bool fs_cache_absent(struct filesystem *fs, struct node *dir, uint64_t place,
		     struct fuse_entry_param *entry);

/* For how long attributes may be kept, in seconds. */
unsigned fs_cache_attributes(const struct filesystem *fs, const struct stat *st);

/* Under a new policy: has the kernel ask again for every name and listing. Never called
 * from a request, which would deadlock (KERNEL-NOTES, Traps). */
void fs_cache_forget(struct filesystem *fs, struct fuse_session *session);

/* Replies with an entry; if nobody waits for it any more, the look-up is not counted. */
void fs_reply_entry(fuse_req_t req, const struct fuse_entry_param *entry);

/* Changes attributes as SETATTR asks for it (FUSE_SET_ATTR_*): each kind decided,
 * recorded and done. `handle` is the open file it came through, or NULL. 0 or -errno. */
int fs_change_attributes(fuse_req_t req, const struct use *use, const struct stat *want,
			 int to_set, struct handle *handle);

/* Keeps with a file that the caller is about to change it, if that counts anywhere; the
 * owner is known anyway. 0 or -errno: then it must not be changed. */
int fs_note_writer(fuse_req_t req, int fd, uid_t owner);

/* A target that is a name in a directory; it may exist or not. 0 or -errno. */
int fs_target(const struct use *dir, const char *name, struct target *ret,
	      struct stat *ret_stat);

/* The attributes of a node as they are shown. 0 or -errno. */
int fs_stat(fuse_req_t req, const struct use *use, struct stat *ret);
