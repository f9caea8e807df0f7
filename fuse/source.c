/* SPDX-License-Identifier: Apache-2.0 */
/* The directory behind the guard. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse/hash.h"
#include "fuse/source.h"
#include "fuse/util.h"

/* struct file_handle ends in a flexible array; this is one with its bytes. */
union handle_buffer {
	struct file_handle handle;
	unsigned char bytes[sizeof(struct file_handle) + SOURCE_HANDLE_MAX];
};

int source_init(struct source *source, const char *path)
{
	_cleanup_(closep) int fd =
		RET_ERRNO(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY));
	union handle_buffer buffer = { .handle.handle_bytes = SOURCE_HANDLE_MAX };
	int mount_id;

	*source = (struct source){ .root_fd = -1 };
	if (fd < 0)
		return fd;
	if (fstat(fd, &source->root) < 0)
		return -errno;
	source->has_handles =
		name_to_handle_at(fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) == 0;
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

int source_identify(const struct source *source, int fd, struct source_id *ret_id,
		    struct stat *ret_stat)
{
	union handle_buffer buffer = { .handle.handle_bytes = SOURCE_HANDLE_MAX };
	int mount_id;

	if (fstat(fd, ret_stat) < 0)
		return -errno;
	ret_id->dev = ret_stat->st_dev;
	ret_id->ino = ret_stat->st_ino;
	ret_id->handle_type = 0;
	ret_id->handle_bytes = 0;
	if (!source->has_handles)
		return 0;
	if (name_to_handle_at(fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) < 0) {
		/* EOVERFLOW, EOPNOTSUPP: this inode is held by a descriptor instead. */
		return errno == EOVERFLOW || errno == EOPNOTSUPP ? 0 : -errno;
	}
	ret_id->handle_type = buffer.handle.handle_type;
	ret_id->handle_bytes = buffer.handle.handle_bytes;
	memcpy(ret_id->handle, buffer.handle.f_handle, ret_id->handle_bytes);
	return 0;
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

bool source_id_equal(const struct source_id *a, const struct source_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->handle_type == b->handle_type &&
	       a->handle_bytes == b->handle_bytes &&
	       memcmp(a->handle, b->handle, a->handle_bytes) == 0;
}

uint64_t source_id_hash(const struct source_id *id)
{
	uint64_t hash = hash_bytes((uint64_t)id->dev, &id->ino, sizeof(id->ino));

	return hash_bytes(hash, id->handle, id->handle_bytes);
}
