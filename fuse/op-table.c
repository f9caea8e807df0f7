/* SPDX-License-Identifier: Apache-2.0 */
/* Which callback answers which request, and what is negotiated with the kernel. */
#include <fcntl.h>

#include "fuse/fs.h"
#include "fuse/op.h"

/* DESIGN: never the writeback cache, no-open, no-opendir, idmap or NFS export. Locks stay
 * with the kernel: there is no getlk, setlk or flock. */
void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct filesystem *fs = userdata;

	conn->want &=
		~((unsigned)FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_EXPORT_SUPPORT |
		  FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
		  FUSE_CAP_POSIX_ACL | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_POSIX_LOCKS |
		  FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_HANDLE_KILLPRIV);
	conn->want |=
		conn->capable & (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_ASYNC_READ |
				 FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS |
				 FUSE_CAP_SPLICE_WRITE | FUSE_CAP_ASYNC_DIO);
	/* The caller's umask is applied here: fs_mode_of_new(). */
	conn->want |= conn->capable & FUSE_CAP_DONT_MASK;
	conn->time_gran = 1;
	fs->on_ready(fs);
}

/* What a promotion must not meet half-way (fs.h, tree_lock). Writes need not wait: who
 * could write has the file open, and then nothing is promoted. */
#define WITH_TREE_LOCK(name, parameters, arguments)    \
	static void locked_##name parameters           \
	{                                              \
		struct filesystem *fs = fs_of(req);    \
                                                       \
		pthread_rwlock_rdlock(&fs->tree_lock); \
		op_##name arguments;                   \
		pthread_rwlock_unlock(&fs->tree_lock); \
	}

/* clang-format off */
WITH_TREE_LOCK(setattr, (fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
			 struct fuse_file_info *fi),
	       (req, ino, attr, to_set, fi))
WITH_TREE_LOCK(mknod, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		       dev_t dev),
	       (req, parent, name, mode, dev))
WITH_TREE_LOCK(mkdir, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode),
	       (req, parent, name, mode))
WITH_TREE_LOCK(unlink, (fuse_req_t req, fuse_ino_t parent, const char *name),
	       (req, parent, name))
WITH_TREE_LOCK(rmdir, (fuse_req_t req, fuse_ino_t parent, const char *name),
	       (req, parent, name))
WITH_TREE_LOCK(symlink, (fuse_req_t req, const char *target, fuse_ino_t parent,
			 const char *name),
	       (req, target, parent, name))
WITH_TREE_LOCK(link, (fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name),
	       (req, ino, parent, name))
WITH_TREE_LOCK(create, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
			struct fuse_file_info *fi),
	       (req, parent, name, mode, fi))
WITH_TREE_LOCK(setxattr, (fuse_req_t req, fuse_ino_t ino, const char *name,
			  const char *value, size_t size, int flags),
	       (req, ino, name, value, size, flags))
WITH_TREE_LOCK(removexattr, (fuse_req_t req, fuse_ino_t ino, const char *name),
	       (req, ino, name))
WITH_TREE_LOCK(ioctl, (fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg,
		       struct fuse_file_info *fi, unsigned flags, const void *in,
		       size_t in_size, size_t out_size),
	       (req, ino, command, arg, fi, flags, in, in_size, out_size))
/* clang-format on */

/* Reading does not wait for a promotion. */
static void locked_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	bool writes = (fi->flags & O_ACCMODE) != O_RDONLY || fi->flags & O_TRUNC;
	struct filesystem *fs = fs_of(req);

	if (writes)
		pthread_rwlock_rdlock(&fs->tree_lock);
	op_open(req, ino, fi);
	if (writes)
		pthread_rwlock_unlock(&fs->tree_lock);
}

const struct fuse_lowlevel_ops filesystem_operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = locked_setattr,
	.readlink = op_readlink,
	.mknod = locked_mknod,
	.mkdir = locked_mkdir,
	.unlink = locked_unlink,
	.rmdir = locked_rmdir,
	.symlink = locked_symlink,
	.rename = op_rename,
	.link = locked_link,
	.open = locked_open,
	.read = op_read,
	.write_buf = op_write_buf,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = locked_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = locked_removexattr,
	.access = op_access,
	.create = locked_create,
	.ioctl = locked_ioctl,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
};
