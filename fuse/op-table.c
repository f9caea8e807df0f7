/* SPDX-License-Identifier: Apache-2.0 */
/* Which callback answers which request, and what is negotiated with the kernel. */
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

const struct fuse_lowlevel_ops filesystem_operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
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
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.access = op_access,
	.create = op_create,
	.ioctl = op_ioctl,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
};
