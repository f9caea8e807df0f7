/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, creating and closing files. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/util.h"
#include "fuse/version.h"

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
	struct authority *authority = &handle->authority;
	struct filesystem *fs = fs_of(req);
	struct asker asker = asker_of(req);

	authority->owner = action->on.owner;
	authority->n_moves = atomic_load(&handle->node->n_moves);
	if (node_name(fs->nodes, handle->node, &authority->parent, &authority->name) < 0)
		return -ENOMEM;
	if (handle->io.access != O_RDONLY &&
	    guard_run_new(fs->guard, &authority->run) < 0)
		return -ENOMEM;
	return handle_set_opener(fs->handles, handle, fs->guard, &asker);
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
	handle->io.node_fd = handle->node_fd;
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

static int truncate_source(fuse_req_t req, const struct use *file)
{
	_cleanup_(closep) int fd = fs_open(req, file, O_WRONLY | O_TRUNC);

	if (fd < 0)
		return fd;
	io_after_change(&fs_of(req)->ios, file->node, fd);
	return 0;
}

/* The kernel opens programs to execute them: fs.h of Linux, FMODE_EXEC. */
#define OPEN_EXEC 0x20

/* With `modes = owner` the source decides by opening the file as the caller: into
 * *ret_fd, which the handle is then served by. A program that may be executed has to be
 * readable, too: the kernel does not ask us whether it is before it lets others trace the
 * process and read it there. */
static int open_by_modes(fuse_req_t req, const struct use *file, int flags, int *ret_fd)
{
	int r = 0;

	if (!guard_modes_count(fs_of(req)->guard, file->node))
		return 0;
	if (flags & OPEN_EXEC)
		r = fs_access(req, file, X_OK);
	if (r == 0)
		r = fs_open(req, file, flags & (O_ACCMODE | FLAGS_OF_SOURCE));
	if (r < 0)
		return r;
	*ret_fd = r;
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
	/* Removed around the guard, while its name was kept: the kernel shall walk the
	 * path again. Who was just told of the name, or has the file open, gets it
	 * (proc(5), fd). */
	if (st.st_nlink == 0 && !node_found_lately(file->node) &&
	    !io_is_open(&fs->ios, file->node))
		return -ESTALE;
	target_is(&action.on, &st);
	r = operation_of(flags, &action.operation);
	if (r == 0 && io_will_be_unseen(&fs->ios, file->node, flags & O_ACCMODE))
		action.note = NOTE_UNSEEN;
	if (r == 0)
		r = fs_allow(req, &action);
	if (r < 0)
		return r;
	if (action.operation != OPERATION_OPEN_READ)
		r = fs_note_writer(req, file->fd, st.st_uid);
	if (r < 0)
		return fs_settle(req, &action, r);

	handle = handle_new(fs->handles, file->node);
	if (!handle)
		return fs_settle(req, &action, -ENOMEM);
	handle->io.access = flags & O_ACCMODE;
	handle->io.fd = -1;
	handle->io.flags = flags & FLAGS_OF_SOURCE;
	r = open_by_modes(req, file, flags, &handle->io.fd);
	if (r == 0)
		r = set_authority(req, handle, &action);
	if (r == 0)
		r = open_io(req, handle, &action);
	/* Moved to another zone since it was decided: the kernel shall walk the path
	 * again. */
	if (r == 0 && flags & O_TRUNC &&
	    guard_place(fs->guard, file->node) != action.on.place)
		r = -ESTALE;
	if (r == 0 && flags & O_TRUNC)
		r = truncate_source(req, file);
	if (r < 0) {
		if (!handle->io.node) /* nobody has taken it over */
			closep(&handle->io.fd);
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

	habit_looks(&fs_of(req)->habits, asker_of(req).pid);
	r = fs_use(req, ino, &file);
	if (r == 0)
		r = open_node(req, &file, fi->flags, &handle);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_handle(req, handle, NULL);
}

/* One CREATE or TMPFILE on its way from the name to the handle. */
struct creation {
	fuse_req_t req;
	struct use dir;
	const char *name; /* NULL: O_TMPFILE, which has none */
	mode_t mode;
	int flags;
	struct action action;
	struct fuse_entry_param entry;
	struct handle *handle; /* not yet in the table */
};

/* Makes the file in the source, as the caller. O_EXCL tells a creation from an open,
 * whatever the caller asked for: another client of the source may have been quicker.
 * Returns a descriptor or -errno. */
static int create_in_source(const struct creation *new)
{
	int flags = (new->flags &(O_ACCMODE | FLAGS_OF_SOURCE)) | O_CLOEXEC | O_NOFOLLOW;
	int fd = fs_act(new->req, new->dir.node, FS_MAKES);

	/* For an unnamed file O_EXCL means that it will never get a name (open(2)). */
	flags |= new->name ? O_CREAT | O_EXCL : O_TMPFILE | (new->flags &O_EXCL);
	if (fd == 0)
		fd = RET_ERRNO(openat(new->dir.fd, new->name ? new->name : ".", flags,
				      new->mode));
	creds_restore();
	return fd;
}

/* What is kept of an inode without a handle must not be a descriptor that can be written
 * by. */
static int reopen_path(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return RET_ERRNO(open(path, O_PATH | O_CLOEXEC));
}

/* Makes the new file known: its node, with one look-up counted, and what is told of it.
 */
static int create_node(struct creation *new, int fd, struct node **ret)
{
	struct filesystem *fs = fs_of(new->req);
	_cleanup_(closep) int held = -1;
	struct source_id id;
	int r;

	r = source_identify(&fs->source, fd, &id, &new->entry.attr);
	if (r < 0)
		return r;
	if (id.handle_bytes == 0 && (held = reopen_path(fd)) < 0)
		return held;
	r = node_add(fs->nodes,
		     &(struct node_at){ .parent = new->dir.node,
					.name = new->name ? new->name : "(unnamed)",
					.place = new->action.on.place,
					.id = &id,
					.mode = new->entry.attr.st_mode,
					.n_moves = node_moves(fs->nodes),
					.fd = &held },
		     true, ret);
	if (r < 0)
		return r;
	new->entry.ino = (*ret)->id;
	new->entry.generation = 1;
	target_is(&new->action.on, &new->entry.attr);
	if (new->name)
		fs_cache_entry(fs, new->dir.node, new->action.on.place, &new->entry);
	guard_show(fs->guard, new->action.on.place, &new->entry.attr);
	return 0;
}

/* The creator's handle. The descriptor becomes its own. */
static int create_handle(struct creation *new, struct node *node, int *fd)
{
	struct filesystem *fs = fs_of(new->req);
	struct handle *handle = handle_new(fs->handles, node);
	int r;

	if (!handle)
		return -ENOMEM;
	guard_zone_name(fs->guard, new->action.on.place, handle->authority.made_in);
	handle->io = (struct io_request){
		.access = new->flags &O_ACCMODE,
		.flags = new->flags &FLAGS_OF_SOURCE,
		.fd = *fd,
		.created = true,
		.creator = asker_of(new->req).uid,
		.made_in = handle->authority.made_in,
	};
	r = set_authority(new->req, handle, &new->action);
	if (r == 0)
		r = open_io(new->req, handle, &new->action);
	if (handle->io.node)
		*fd = -1; /* it was taken over, and is closed with the handle */
	if (r < 0)
		handle_drop(fs->handles, handle);
	else
		new->handle = handle;
	return r;
}

static int adopt_created(struct creation *new, int *fd)
{
	struct filesystem *fs = fs_of(new->req);
	struct node *node;
	int r;

	r = create_node(new, *fd, &node);
	if (r < 0)
		return r;
	r = create_handle(new, node, fd);
	node_put(fs->nodes, node);
	if (r < 0)
		node_forget(fs->nodes, new->entry.ino, 1);
	return r;
}

/* A file that nobody can be given a handle of, for want of memory or descriptors. */
static bool take_back(const struct creation *new)
{
	return !new->name || unlinkat(new->dir.fd, new->name, 0) == 0;
}

static int create(struct creation *new)
{
	struct action *action = &new->action;
	_cleanup_(closep) int fd = -1;
	int r;

	*action = (struct action){
		.operation = OPERATION_CREATE,
		.has = ACTION_HAS_OFLAG | ACTION_HAS_MODE,
		.oflag = (unsigned)new->flags,
	};
	new->mode = action->mode = fs_mode_of_new(new->req, &new->dir, new->mode) & 07777;
	if (new->name) {
		action->on = (struct target){ .dir = new->dir.node, .name = new->name };
	} else { /* it has no name: the directory is what is written to */
		action->on = (struct target){ .node = new->dir.node };
		action->note = "tmpfile";
	}
	version_look(fs_of(new->req), &new->dir, new->name, &action->on);
	r = fs_allow(new->req, action);
	if (r < 0)
		return r;
	fd = create_in_source(new);
	if (fd < 0)
		return fs_settle(new->req, action, fd);
	r = adopt_created(new, &fd);
	/* What cannot be taken back was done, as the record says. */
	return r < 0 && take_back(new) ? fs_settle(new->req, action, r) : r;
}

/* A name that was not there when the kernel looked, but is now: an open like any other.
 */
static int open_existing(struct creation *new)
{
	_cleanup_(fs_unuse) struct use file = { 0 };
	struct action look = { .operation = OPERATION_LOOKUP,
			       .on = { .dir = new->dir.node, .name = new->name } };
	int r;

	r = fs_allow(new->req, &look);
	if (r < 0)
		return r;
	if (new->flags & O_EXCL)
		return -EEXIST;
	r = fs_settle(new->req, &look,
		      fs_entry_held(new->req, &new->dir, new->name, look.on.place,
				    &new->entry));
	if (r < 0)
		return r;
	r = fs_use(new->req, new->entry.ino, &file);
	/* Not a regular file: ESTALE has the kernel walk the path again. */
	if (r == 0 && !S_ISREG(file.node->type))
		r = -ESTALE;
	if (r == 0)
		r = open_node(new->req, &file, new->flags, &new->handle);
	if (r < 0)
		node_forget(fs_of(new->req)->nodes, new->entry.ino, 1);
	return r;
}

static bool name_exists(const struct creation *new)
{
	struct stat st;

	return new->name &&fstatat(new->dir.fd, new->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	bool is_tmpfile = (fi->flags & O_TMPFILE) == O_TMPFILE;
	struct creation new = { .req = req,
				.name = is_tmpfile ? NULL : name,
				.mode = mode,
				.flags = fi->flags };
	enum operation operation;
	int r;

	/* The access mode 3 that open(2) lets pass, as for a file that exists. */
	r = operation_of(fi->flags, &operation);
	if (r == 0 && !is_tmpfile)
		r = fs_check_name(name);
	if (r == 0)
		r = fs_use(req, parent, &new.dir);
	if (r == 0)
		r = name_exists(&new) ? open_existing(&new) : create(&new);
	/* Lost a race for the name without O_EXCL: the kernel shall look again. */
	if (r == -EEXIST && !(fi->flags & O_EXCL))
		r = -ESTALE;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_handle(req, new.handle, &new.entry);
	fs_unuse(&new.dir);
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
		guard_run_flush(handle->authority.run);
		io_used(&fs->ios, &handle->io);
		r = io_fd(&fs->ios, &handle->io);
		if (r >= 0)
			r = RET_ERRNO(dup(r));
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
