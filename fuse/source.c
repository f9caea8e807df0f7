/* SPDX-License-Identifier: Apache-2.0 */
/* The directory behind the guard. */
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fuse/source.h"
#include "fuse/util.h"

/* struct file_handle ends in a flexible array; this is one with its bytes. */
union handle_buffer {
	struct file_handle handle;
	unsigned char bytes[sizeof(struct file_handle) + SOURCE_HANDLE_MAX];
};

/* File systems that only this machine changes (statfs(2), linux/magic.h). */
static bool is_local(int fd)
{
	static const __fsword_t local[] = {
		EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
		F2FS_SUPER_MAGIC, TMPFS_MAGIC,
	};
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (st.f_type == local[i])
			return true;
	return false;
}

int source_init(struct source *source, const char *path)
{
	_cleanup_(closep) int fd =
		RET_ERRNO(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY));
	union handle_buffer buffer = { .handle.handle_bytes = SOURCE_HANDLE_MAX };

	*source = (struct source){ .root_fd = -1 };
	if (fd < 0)
		return fd;
	if (fstat(fd, &source->root) < 0)
		return -errno;
	source->has_handles = name_to_handle_at(fd, "", &buffer.handle, &source->mount_id,
						AT_EMPTY_PATH) == 0;
	source->is_local = is_local(fd);
	source->root_fd = take_fd(&fd);
	if (source->has_handles) {
		/* Some filesystems give handles that cannot be opened again. */
		fd = open_by_handle_at(source->root_fd, &buffer.handle,
				       O_PATH | O_CLOEXEC);
		source->has_handles = fd >= 0;
	}
	return 0;
}

void source_fini(struct source *source)
{
	closep(&source->root_fd);
}

int source_open_name(int dir_fd, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV,
	};

	return (int)RET_ERRNO(syscall(SYS_openat2, dir_fd, name, &how, sizeof(how)));
}

static void set_id(struct source_id *id, const struct stat *st)
{
	id->dev = st->st_dev;
	id->ino = st->st_ino;
	id->handle_type = 0;
	id->handle_bytes = 0;
}

/* Of a name in a directory, or with AT_EMPTY_PATH of a descriptor. 0; 1: this inode has
 * no handle; -errno. */
static int get_handle(const struct source *source, int fd, const char *name, int flags,
		      struct source_id *ret)
{
	union handle_buffer buffer = { .handle.handle_bytes = SOURCE_HANDLE_MAX };
	int mount_id;

	if (!source->has_handles)
		return 1;
	if (name_to_handle_at(fd, name, &buffer.handle, &mount_id, flags) < 0)
		return errno == EOVERFLOW || errno == EOPNOTSUPP ? 1 : -errno;
	if (mount_id != source->mount_id)
		return -EXDEV;
	ret->handle_type = buffer.handle.handle_type;
	ret->handle_bytes = buffer.handle.handle_bytes;
	memcpy(ret->handle, buffer.handle.f_handle, ret->handle_bytes);
	return 0;
}

int source_identify(const struct source *source, int fd, struct source_id *ret_id,
		    struct stat *ret_stat)
{
	int r;

	if (fstat(fd, ret_stat) < 0)
		return -errno;
	set_id(ret_id, ret_stat);
	r = get_handle(source, fd, "", AT_EMPTY_PATH, ret_id);
	return r < 0 ? r : 0;
}

int source_find(const struct source *source, int dir_fd, const char *name,
		struct source_id *ret_id, struct stat *ret_stat, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	int r;

	*ret_fd = -1;
	r = RET_ERRNO(
		fstatat(dir_fd, name, ret_stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT));
	if (r < 0)
		return r;
	set_id(ret_id, ret_stat);
	r = get_handle(source, dir_fd, name, 0, ret_id);
	if (r <= 0)
		return r;

	fd = source_open_name(dir_fd, name);
	if (fd < 0)
		return fd;
	r = source_identify(source, fd, ret_id, ret_stat);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int source_open_id(const struct source *source, const struct source_id *id, int flags)
{
	union handle_buffer buffer = {
		.handle = { .handle_bytes = id->handle_bytes,
			    .handle_type = id->handle_type },
	};

	memcpy(buffer.handle.f_handle, id->handle, id->handle_bytes);
	return RET_ERRNO(
		open_by_handle_at(source->root_fd, &buffer.handle, flags | O_CLOEXEC));
}
