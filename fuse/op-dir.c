/* SPDX-License-Identifier: Apache-2.0 */
/* Listing directories: what the caller may not list is left out. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/util.h"

/* Whether the source lets the caller open the directory, where it has a say. What is read
 * is opened when it is read: handle_open_stream(). */
static int ask_source(fuse_req_t req, const struct use *dir)
{
	_cleanup_(closep) int fd = -1;

	if (!guard_modes_count(fs_of(req)->guard, dir->node))
		return 0;
	fd = fs_open(req, dir, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? fd : 0;
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	_cleanup_(fs_unuse) struct use dir = { 0 };
	struct action action = { .operation = OPERATION_READDIR };
	struct asker asker = asker_of(req);
	struct handle *handle = NULL;
	int r;

	r = fs_use(req, ino, &dir);
	if (r == 0) {
		action.on.node = dir.node;
		r = fs_allow(req, &action);
	}
	if (r == 0) {
		handle = handle_new(fs->handles, dir.node);
		r = handle ? handle_set_opener(fs->handles, handle, fs->guard, &asker)
			   : -ENOMEM;
	}
	if (r == 0)
		r = fs_settle(req, &action, ask_source(req, &dir));
	if (r < 0) {
		handle_drop(fs->handles, handle);
		fuse_reply_err(req, -r);
		return;
	}
	handle_add(fs->handles, handle);
	fi->fh = handle->id;
	/* A listing that is kept spares READDIR, but READDIRPLUS is what tells the kernel
	 * of the entries: kept no longer than those, or each is looked up by itself. */
	fi->cache_readdir = guard_may_cache_listing(fs->guard, handle->node);
	fi->keep_cache = fi->cache_readdir &&
			 node_listed_lately(handle->node, fs->cache_seconds,
					    !habit_reads_names(&fs->habits, asker.pid));
	if (fuse_reply_open(req, fi) == -ENOENT)
		handle_close(fs->handles, handle);
}

/* One answer to READDIR or READDIRPLUS, as it fills. */
struct listing {
	fuse_req_t req;
	const struct use *dir;
	struct guard_view *view;
	bool plus;
	bool with_files; /* plus tells of what is not a directory, too */
	char *buffer;
	size_t size, used;
};

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Adds an entry; false when it does not fit any more. */
static bool add_plain(struct listing *list, const struct dirent *dirent)
{
	struct stat st = { .st_ino = dirent->d_ino,
			   .st_mode = (mode_t)dirent->d_type << 12 };
	size_t n = fuse_add_direntry(list->req, list->buffer + list->used,
				     list->size - list->used, dirent->d_name, &st,
				     dirent->d_off);

	if (n > list->size - list->used)
		return false;
	list->used += n;
	return true;
}

/* Who walks a tree looks at the directories in any case. */
static bool is_told(const struct listing *list, const struct dirent *dirent)
{
	return !is_dot(dirent->d_name) && (list->with_files || dirent->d_type == DT_DIR ||
					   dirent->d_type == DT_UNKNOWN);
}

/* READDIRPLUS takes a look-up reference for each entry but "." and "..", and none for one
 * that did not fit, could not be looked up, or is not told of (its nodeid is 0 then). */
static bool add_plus(struct listing *list, const struct dirent *dirent)
{
	struct fuse_entry_param entry = { 0 };
	size_t n;

	if (!is_told(list, dirent) ||
	    fs_entry(list->req, list->dir, dirent->d_name,
		     guard_view_place(list->view, dirent->d_name), &entry) < 0)
		entry = (struct fuse_entry_param){
			.attr = { .st_ino = dirent->d_ino,
				  .st_mode = (mode_t)dirent->d_type << 12 },
		};
	n = fuse_add_direntry_plus(list->req, list->buffer + list->used,
				   list->size - list->used, dirent->d_name, &entry,
				   dirent->d_off);
	if (n <= list->size - list->used) {
		list->used += n;
		return true;
	}
	if (entry.ino)
		node_forget(fs_of(list->req)->nodes, entry.ino, 1);
	return false;
}

/* Under handle->dir_lock, from where the stream stands. */
static int fill(struct listing *list, struct handle *handle)
{
	for (;;) {
		struct dirent *dirent;
		bool fits;

		errno = 0;
		dirent = readdir(handle->dir);
		if (!dirent) {
			handle->dir_at_end = errno == 0;
			return -errno;
		}
		if (!is_dot(dirent->d_name) &&
		    !guard_view_shows(list->view, dirent->d_name)) {
			handle->dir_offset = dirent->d_off;
			continue;
		}
		fits = list->plus ? add_plus(list, dirent) : add_plain(list, dirent);
		if (!fits) {
			seekdir(handle->dir, handle->dir_offset);
			return 0;
		}
		handle->dir_offset = dirent->d_off;
	}
}

/* Under handle->dir_lock. After the end the stream is gone; who asks there once more, as
 * every reader does, needs none. */
static int read_on(struct listing *list, struct handle *handle, off_t offset)
{
	struct handle_table *handles = fs_of(list->req)->handles;
	int r;

	if (handle->dir_at_end && offset == handle->dir_offset)
		return 0;
	handle->dir_at_end = false;
	r = handle_open_stream(handles, handle);
	if (r < 0)
		return r;
	if (offset != handle->dir_offset) {
		seekdir(handle->dir, offset);
		handle->dir_offset = offset;
	}
	r = fill(list, handle);
	if (handle->dir_at_end)
		handle_close_stream(handles, handle);
	return r;
}

/* Decided again for each answer: the directory may have been opened by somebody else, or
 * under another policy. */
static int list(struct listing *list, struct handle *handle, off_t offset)
{
	struct asker asker = asker_of(list->req);
	int r;

	r = fs_allow(list->req, &(struct action){ .operation = OPERATION_READDIR,
						  .on = { .node = handle->node } });
	if (r == 0)
		r = guard_view_new(fs_of(list->req)->guard, &asker, handle->node,
				   &list->view);
	if (r < 0)
		return r;
	if (list->plus) {
		list->with_files =
			offset > 0 || habit_lists(&fs_of(list->req)->habits, asker.pid);
		if (offset == 0)
			node_listed(handle->node, list->with_files);
	}
	pthread_mutex_lock(&handle->dir_lock);
	r = read_on(list, handle, offset);
	pthread_mutex_unlock(&handle->dir_lock);
	list->view = guard_view_free(list->view);
	return list->used > 0 ? 0 : r;
}

static void answer_listing(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   bool plus, uint64_t fh)
{
	struct filesystem *fs = fs_of(req);
	_cleanup_(fs_unuse) struct use dir = { 0 };
	_cleanup_(freep) char *buffer = malloc(size);
	struct listing listing = {
		.req = req, .dir = &dir, .plus = plus, .buffer = buffer, .size = size
	};
	struct handle *handle = handle_get_dir(fs->handles, fh);
	int r = !buffer ? -ENOMEM : !handle ? -EBADF : fs_use(req, ino, &dir);

	if (r == 0)
		r = list(&listing, handle, offset);
	handle_put(fs->handles, handle);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, buffer, listing.used);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		struct fuse_file_info *fi)
{
	answer_listing(req, ino, size, offset, false, fi->fh);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	answer_listing(req, ino, size, offset, true, fi->fh);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get_dir(fs->handles, fi->fh);

	(void)ino;
	if (handle) {
		handle_close(fs->handles, handle);
		handle_put(fs->handles, handle);
	}
	fuse_reply_err(req, 0);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct filesystem *fs = fs_of(req);
	struct handle *handle = handle_get_dir(fs->handles, fi->fh);
	_cleanup_(closep) int fd = -EBADF;
	int r;

	(void)ino;
	if (handle)
		fd = node_open(fs->nodes, handle->node,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	r = fd < 0 ? fd : (int)RET_ERRNO(datasync ? fdatasync(fd) : fsync(fd));
	handle_put(fs->handles, handle);
	fuse_reply_err(req, -r);
}
