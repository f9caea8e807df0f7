/* SPDX-License-Identifier: Apache-2.0 */
/* The contents of open files. */
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fuse/creds.h"
#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/util.h"

/* What is done to an open file, by the right of its handle. */
static struct action on_handle(enum operation operation, const struct handle *handle)
{
	return (struct action){
		.operation = operation,
		.on = { .node = handle->node,
			.exists = true,
			.owner = handle->authority.owner,
			.dev = handle->node->dev,
			.ino = handle->node->ino },
		.authority = &handle->authority,
	};
}

static struct action on_range(enum operation operation, const struct handle *handle,
			      off_t offset, size_t length)
{
	struct action action = on_handle(operation, handle);

	action.has = ACTION_HAS_RANGE;
	action.off = (uint64_t)offset;
	action.len = length;
	return action;
}

static int may_write(const struct handle *handle)
{
	return !handle ? -EBADF : handle->io.access == O_RDONLY ? -EBADF : 0;
}

/* Decided again under each policy; not recorded: the open was. */
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	     struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get(fs->handles, fi->fh);
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);
	struct action action;
	int r = -EBADF;

	(void)ino;
	if (handle) {
		action = on_handle(OPERATION_READ, handle);
		r = fs_allow(req, &action);
	}
	if (r == 0)
		r = data.buf[0].fd = io_fd(&fs->ios, &handle->io);
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else {
		data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
		data.buf[0].pos = offset;
		fuse_reply_data(req, &data, 0);
	}
	handle_put(fs->handles, handle);
}

/* O_APPEND may come and go with fcntl(2), so each write says it; RWF_APPEND (pwritev2(2))
 * finds the end of the file in the source, whatever the kernel above believes it to be.
 * Pages of a mapping go where they belong. */
static ssize_t write_source(int fd, const struct fuse_buf *data, off_t offset,
			    bool append)
{
	struct iovec iov = { .iov_base = data->mem, .iov_len = data->size };

	return RET_ERRNO(pwritev2(fd, &iov, 1, offset, append ? RWF_APPEND : 0));
}

/* A descriptor needs no right any more; but who writes decides what becomes of suid and
 * sgid bits. As fs_act(). */
static int act_as_writer(fuse_req_t req, const struct handle *handle, int fd)
{
	struct stat st;

	if (!guard_modes_count(fs_of(req)->guard, handle->node) || fstat(fd, &st) < 0 ||
	    !(st.st_mode & (S_ISUID | S_ISGID)))
		return 0;
	return fs_act(req, handle->node, FS_CHANGES);
}

void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *data, off_t offset,
		  struct fuse_file_info *fi)
{
	bool is_page = channel_request()->write_flags & FUSE_WRITE_CACHE;
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get(fs->handles, fi->fh);
	struct action action;
	ssize_t n = 0;
	int r = may_write(handle);

	(void)ino;
	if (r == 0) {
		action = on_range(OPERATION_WRITE, handle, offset, data->buf[0].size);
		action.page_write = is_page;
		action.may_join = true;
		if (!is_page && fi->flags & O_APPEND)
			action.note = "append";
		r = fs_allow(req, &action);
	}
	if (r == 0) {
		int fd = io_fd(&fs->ios, &handle->io);

		io_used(&fs->ios, &handle->io);
		io_before_change(&fs->ios, handle->node, fd);
		/* Nobody asks for the pages of a mapping. */
		n = is_page ? 0 : act_as_writer(req, handle, fd);
		if (n == 0)
			n = write_source(fd, &data->buf[0], offset,
					 !is_page && fi->flags & O_APPEND);
		creds_restore();
		io_after_change(&fs->ios, handle->node, fd);
		r = fs_settle_length(req, &action, n);
	}
	handle_put(fs->handles, handle);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_write(req, (size_t)n);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get(fs->handles, fi->fh);
	int r = -EBADF;

	(void)ino;
	if (handle) {
		int fd = io_fd(&fs->ios, &handle->io);

		guard_run_flush(handle->authority.run);
		r = fd < 0     ? fd
		    : datasync ? RET_ERRNO(fdatasync(fd))
			       : RET_ERRNO(fsync(fd));
	}
	handle_put(fs->handles, handle);
	fuse_reply_err(req, -r);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get(fs->handles, fi->fh);
	struct action action;
	int r = may_write(handle);

	(void)ino;
	if (r == 0) {
		action = on_range(OPERATION_FALLOCATE, handle, offset, (size_t)length);
		action.has |= ACTION_HAS_MODE; /* FALLOC_FL_* */
		action.mode = (unsigned)mode;
		r = fs_allow(req, &action);
	}
	if (r == 0) {
		int fd = io_fd(&fs->ios, &handle->io);

		io_before_change(&fs->ios, handle->node, fd);
		r = act_as_writer(req, handle, fd);
		if (r == 0)
			r = RET_ERRNO(fallocate(fd, mode, offset, length));
		creds_restore();
		r = fs_settle(req, &action, r);
		io_after_change(&fs->ios, handle->node, fd);
	}
	handle_put(fs->handles, handle);
	fuse_reply_err(req, -r);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
	      struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get(fs->handles, fi->fh);
	off_t found = -EBADF;

	(void)ino;
	if (handle)
		found = io_fd(&fs->ios, &handle->io);
	/* The descriptor's own position is never used, so it may move. */
	if (found >= 0)
		found = RET_ERRNO(lseek((int)found, offset, whence));
	handle_put(fs->handles, handle);
	if (found < 0)
		fuse_reply_err(req, (int)-found);
	else
		fuse_reply_lseek(req, found);
}

/* Both handles are decided: the one is read, the other written. */
static ssize_t copy_range(fuse_req_t req, struct handle *in, off_t offset_in,
			  struct handle *out, off_t offset_out, size_t length)
{
	struct filesystem *fs = fs_of(req);
	struct action read = on_handle(OPERATION_READ, in);
	struct action write = on_range(OPERATION_WRITE, out, offset_out, length);
	int fd_in = io_fd(&fs->ios, &in->io), fd_out = io_fd(&fs->ios, &out->io);
	ssize_t n;
	int r;

	write.note = "copy-range";
	io_used(&fs->ios, &out->io);
	r = fd_in < 0 ? fd_in : fs_allow(req, &read);
	if (r == 0)
		r = fs_allow(req, &write);
	if (r < 0)
		return r;
	io_before_change(&fs->ios, out->node, fd_out);
	n = act_as_writer(req, out, fd_out);
	if (n == 0)
		n = RET_ERRNO(copy_file_range(fd_in, &offset_in, fd_out, &offset_out,
					      length, 0));
	creds_restore();
	io_after_change(&fs->ios, out->node, fd_out);
	r = fs_settle_length(req, &write, n);
	return r < 0 ? r : n;
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t offset_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t offset_out, struct fuse_file_info *fi_out, size_t length,
			int flags)
{
	struct filesystem *fs = fs_of(req);
	struct handle *in = handle_get(fs->handles, fi_in->fh);
	struct handle *out = handle_get(fs->handles, fi_out->fh);
	ssize_t n = in ? may_write(out) : -EBADF;

	(void)ino_in;
	(void)ino_out;
	if (flags != 0) /* copy_file_range(2): must be 0 */
		n = -EINVAL;
	if (n == 0)
		n = copy_range(req, in, offset_in, out, offset_out, length);
	handle_put(fs->handles, in);
	handle_put(fs->handles, out);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}
