/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, creating and closing files. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/util.h"

/* What the source's descriptor is opened with beside the access mode. O_APPEND is not
 * among them: it may change with fcntl(2), so each write says it. */
#define FLAGS_OF_SOURCE (O_SYNC | O_DSYNC)

/* O_TRUNC changes contents, whatever the access mode is. */
static int operation_of(int flags, enum operation *ret)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		*ret = flags & O_TRUNC ? OPERATION_OPEN_READ_WRITE : OPERATION_OPEN_READ;
		return 0;
	case O_WRONLY:
		*ret = OPERATION_OPEN_WRITE;
		return 0;
	case O_RDWR:
		*ret = OPERATION_OPEN_READ_WRITE;
		return 0;
	default:
		return -EINVAL;
	}
}

static int set_authority(fuse_req_t req, struct handle *handle,
			 const struct action *action)
{
	struct asker asker = asker_of(req);

	handle->authority.owner = action->on.owner;
	handle->authority.place = action->on.place;
	return guard_caller(fs_of(req)->guard, &asker, &handle->authority.opener);
}

/* Stores through a mapping of a file that others read past us come without a request: the
 * record of the open says so (DESIGN: I/O mode of an open). */
#define NOTE_UNSEEN "mapped-unseen"

static bool stores_unseen(const struct handle *handle)
{
	return handle->io.mode == IO_PASSTHROUGH_DIRECT && handle->io.access == O_RDWR;
}

/* Chooses how the handle is served. The record was written before; where it turns out
 * that it had to say more, it is written again before anybody gets the handle. */
static int open_io(fuse_req_t req, struct handle *handle, struct action *action)
{
	struct filesystem *fs = fs_of(req);
	int r;

	handle->io.mapped_writes = guard_mapped_writes(fs->guard, handle->node);
	handle->io.node = handle->node;
	r = io_open(&fs->ios, &handle->io);
	if (r < 0) {
		handle->io.node = NULL;
		return r;
	}
	if (stores_unseen(handle) && !action->note) {
		action->note = NOTE_UNSEEN;
		action->seqno = 0;
		r = fs_allow(req, action);
	}
	return r;
}

static int truncate_source(struct filesystem *fs, struct handle *handle)
{
	_cleanup_(closep) int fd =
		node_open(fs->nodes, handle->node, O_WRONLY | O_TRUNC | O_NOFOLLOW);

	if (fd < 0)
		return fd;
	io_explain(&fs->ios, handle->node, fd);
	return 0;
}

/* Decides, records and opens a node that exists. The handle is not in the table yet. */
static int open_node(fuse_req_t req, const struct use *file, int flags,
		     struct handle **ret)
{
	struct filesystem *fs = fs_of(req);
	struct action action = {
		.on = { .node = file->node },
		.has = ACTION_HAS_OFLAG,
		.oflag = (unsigned)flags,
	};
	struct handle *handle;
	struct stat st;
	int r;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	target_is(&action.on, &st);
	r = operation_of(flags, &action.operation);
	if (r == 0 && io_will_be_unseen(&fs->ios, file->node, flags & O_ACCMODE))
		action.note = NOTE_UNSEEN;
	if (r == 0)
		r = fs_allow(req, &action);
	if (r < 0)
		return r;

	handle = handle_new(fs->handles, file->node);
	if (!handle)
		return fs_settle(req, &action, -ENOMEM);
	handle->io.access = flags & O_ACCMODE;
	handle->io.fd = -1;
	handle->io.flags = flags & FLAGS_OF_SOURCE;
	r = set_authority(req, handle, &action);
	if (r == 0)
		r = open_io(req, handle, &action);
	if (r == 0 && flags & O_TRUNC)
		r = truncate_source(fs, handle);
	if (r < 0) {
		handle_drop(fs->handles, handle);
		return fs_settle(req, &action, r);
	}
	*ret = handle;
	return 0;
}

/* What the kernel is told of each mode: include/uapi/linux/fuse.h. A read-only handle has
 * nothing to be flushed; neither has one that the kernel reads past us. */
static uint32_t open_flags(const struct handle *handle)
{
	static const uint32_t flags[] = {
		[IO_DIRECT] = CHANNEL_OPEN_DIRECT_IO,
		[IO_CACHED] = 0,
		[IO_PASSTHROUGH] = CHANNEL_OPEN_PASSTHROUGH,
		[IO_PASSTHROUGH_DIRECT] =
			CHANNEL_OPEN_PASSTHROUGH | CHANNEL_OPEN_DIRECT_IO,
	};

	return flags[handle->io.mode] |
	       (handle->io.access == O_RDONLY ? CHANNEL_OPEN_NOFLUSH : 0);
}

/* Hands the handle to the kernel, with an entry if it was created. */
static void reply_handle(fuse_req_t req, struct handle *handle,
			 const struct fuse_entry_param *entry)
{
	struct filesystem *fs = fs_of(req);
	struct channel_open open = {
		.flags = open_flags(handle),
		.backing_id = handle->io.backing_id,
	};

	handle_add(fs->handles, handle);
	open.handle = handle->id;
	if (channel_reply_open(req, entry, &open) == -ENOENT) {
		/* Interrupted: nobody will release it. */
		if (entry)
			node_forget(fs->nodes, entry->ino, 1);
		handle_close(fs->handles, handle);
	}
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	_cleanup_(fs_unuse) struct use file = { 0 };
	struct handle *handle;
	int r;

	r = fs_use(req, ino, &file);
	if (r == 0)
		r = open_node(req, &file, fi->flags, &handle);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_handle(req, handle, NULL);
}

/* Makes the file in the source, as the caller. O_EXCL tells a creation from an open,
 * whatever the caller asked for: another client of the source may have been quicker.
 * Returns a descriptor or -errno. */
static int create_in_source(fuse_req_t req, const struct use *dir, const char *name,
			    int flags, mode_t mode)
{
	int source_flags =
		(flags & (O_ACCMODE | FLAGS_OF_SOURCE)) | O_CLOEXEC | O_NOFOLLOW;
	struct asker asker = asker_of(req);
	int fd;

	creds_become(asker.uid, asker.gid);
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		fd = RET_ERRNO(openat(dir->fd, ".",
				      source_flags | O_TMPFILE | (flags & O_EXCL),
				      mode & 0777));
	} else {
		fd = RET_ERRNO(openat(dir->fd, name, source_flags | O_CREAT | O_EXCL,
				      mode & 0777));
	}
	creds_restore();
	return fd;
}

/* The new file's node, entry and handle. `fd` becomes the handle's. */
static int adopt_created(fuse_req_t req, const struct node_at *at_name, int *fd,
			 int flags, struct action *action, struct fuse_entry_param *entry,
			 struct handle **ret)
{
	struct filesystem *fs = fs_of(req);
	_cleanup_(closep) int held = -1;
	struct node_at at = *at_name;
	struct source_id id;
	struct handle *handle;
	struct node *node;
	int r;

	r = source_identify(&fs->source, *fd, &id, &entry->attr);
	if (r < 0)
		return r;
	if (id.handle_bytes == 0 && (held = RET_ERRNO(dup(*fd))) < 0)
		return held;
	at.id = &id;
	at.mode = entry->attr.st_mode;
	at.fd = &held;
	r = node_add(fs->nodes, &at, true, &node);
	if (r < 0)
		return r;
	entry->ino = node->id;
	entry->generation = 1;

	handle = handle_new(fs->handles, node);
	node_put(fs->nodes, node);
	if (!handle) {
		node_forget(fs->nodes, entry->ino, 1);
		return -ENOMEM;
	}
	target_is(&action->on, &entry->attr);
	handle->authority.created = true;
	handle->io = (struct io_request){ .access = flags & O_ACCMODE,
					  .fd = -1,
					  .created = true,
					  .creator = asker_of(req).uid };
	r = set_authority(req, handle, action);
	if (r == 0) {
		handle->io.fd = *fd;
		r = open_io(req, handle, action);
		*fd = -1; /* the handle's, also if it is dropped now */
	}
	if (r < 0) {
		if (!handle->io.node)
			closep(&handle->io.fd);
		handle_drop(fs->handles, handle);
		node_forget(fs->nodes, entry->ino, 1);
		return r;
	}
	guard_show(fs->guard, at.place, &entry->attr);
	*ret = handle;
	return 0;
}

static int create(fuse_req_t req, const struct use *dir, const char *name, mode_t mode,
		  int flags, struct fuse_entry_param *entry, struct handle **ret)
{
	bool is_tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
	struct action action = {
		.operation = OPERATION_CREATE,
		.on = { .dir = dir->node, .name = is_tmpfile ? "" : name },
		.has = ACTION_HAS_OFLAG | ACTION_HAS_MODE,
		.oflag = (unsigned)flags,
		.mode = mode & 0777,
		.note = is_tmpfile ? "tmpfile" : NULL,
	};
	_cleanup_(closep) int fd = -1;
	int r;

	if (is_tmpfile) /* it has no name: the directory is what is written to */
		action.on = (struct target){ .node = dir->node };
	r = fs_allow(req, &action);
	if (r < 0)
		return r;
	fd = create_in_source(req, dir, name, flags, mode);
	if (fd < 0)
		return fs_settle(req, &action, fd);
	r = adopt_created(req,
			  &(struct node_at){ .parent = dir->node,
					     .name = is_tmpfile ? "(unnamed)" : name,
					     .place = action.on.place },
			  &fd, flags, &action, entry, ret);
	return r < 0 ? fs_settle(req, &action, r) : 0;
}

/* A name that was not there when the kernel looked, but is now: an open like any other.
 */
static int open_existing(fuse_req_t req, const struct use *dir, const char *name,
			 int flags, struct fuse_entry_param *entry, struct handle **ret)
{
	_cleanup_(fs_unuse) struct use file = { 0 };
	struct action look = { .operation = OPERATION_LOOKUP,
			       .on = { .dir = dir->node, .name = name } };
	int r;

	r = fs_allow(req, &look);
	if (r < 0)
		return r;
	if (flags & O_EXCL)
		return -EEXIST;
	r = fs_entry(req, dir, name, look.on.place, entry);
	if (r < 0)
		return r;
	r = fs_use(req, entry->ino, &file);
	/* Not a regular file: ESTALE has the kernel walk the path again. */
	if (r == 0 && !S_ISREG(file.node->type))
		r = -ESTALE;
	if (r == 0)
		r = open_node(req, &file, flags, ret);
	if (r < 0)
		node_forget(fs_of(req)->nodes, entry->ino, 1);
	return r;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	bool is_tmpfile = (fi->flags & O_TMPFILE) == O_TMPFILE;
	_cleanup_(fs_unuse) struct use dir = { 0 };
	struct fuse_entry_param entry = { 0 };
	struct handle *handle = NULL;
	struct stat st;
	int r;

	r = is_tmpfile ? 0 : fs_check_name(name);
	if (r == 0)
		r = fs_use(req, parent, &dir);
	if (r == 0) {
		if (!is_tmpfile && fstatat(dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			r = open_existing(req, &dir, name, fi->flags, &entry, &handle);
		else
			r = create(req, &dir, name, mode, fi->flags, &entry, &handle);
	}
	/* Lost a race for the name without O_EXCL: the kernel shall look again. */
	if (r == -EEXIST && !(fi->flags & O_EXCL))
		r = -ESTALE;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_handle(req, handle, &entry);
}

/* close(2) of a duplicate: what the source's filesystem has to say at a close (NFS,
 * quota) reaches the caller. */
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get(fs->handles, fi->fh);
	int r = -EBADF;

	(void)ino;
	if (handle) {
		r = RET_ERRNO(dup(io_fd(&fs->ios, &handle->io)));
		if (r >= 0)
			r = RET_ERRNO(close(r));
	}
	handle_put(fs->handles, handle);
	fuse_reply_err(req, -r);
}

/* Mappings end before the handle does: what changed without a request is recorded now. */
static void record_unseen_changes(fuse_req_t req, struct handle *handle)
{
	struct filesystem *fs = fs_of(req);
	struct action action = {
		.operation = OPERATION_WRITE,
		.on = { .node = handle->node,
			.exists = true,
			.owner = handle->authority.owner,
			.dev = handle->node->dev,
			.ino = handle->node->ino },
		.authority = &handle->authority,
		.page_write = true,
		.note = "changed-unseen",
	};

	if (io_changed_unseen(&fs->ios, &handle->io))
		fs_allow(req, &action);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get(fs->handles, fi->fh);

	(void)ino;
	if (handle) {
		record_unseen_changes(req, handle);
		handle_close(fs->handles, handle);
		handle_put(fs->handles, handle);
	}
	fuse_reply_err(req, 0);
}
