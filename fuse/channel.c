/* SPDX-License-Identifier: Apache-2.0 */
/* The wire. */
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fuse/channel.h"
#include "fuse/util.h"

/* include/uapi/linux/fuse.h, protocol 7.39 and 7.40. */
#define WIRE_STATX	      52
#define WIRE_FLAG_PASSTHROUGH (1ULL << 37) /* FUSE_PASSTHROUGH */
#define WIRE_FLAG_KILLPRIV_V2 (1ULL << 28) /* FUSE_HANDLE_KILLPRIV_V2 */
#define WIRE_STACK_DEPTH      1		   /* FILESYSTEM_MAX_STACK_DEPTH - 1 */
#define WIRE_OPEN_TMPFILE     020000000 /* __O_TMPFILE, include/uapi/asm-generic/fcntl.h */

/* The same, protocol 7.44. */
#define WIRE_NOTIFY_INC_EPOCH 8

struct wire_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define WIRE_BACKING_OPEN  _IOW(229, 1, struct wire_backing_map)
#define WIRE_BACKING_CLOSE _IOW(229, 2, uint32_t)

struct wire_open_out {
	uint64_t fh;
	uint32_t open_flags;
	int32_t backing_id;
};

struct wire_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct wire_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	unsigned char stat[256]; /* struct fuse_statx: laid out like struct statx */
};

/* libfuse's worker reads a request and processes it before it reads the next. */
static __thread struct channel_request current;

/* libfuse passes its own userdata to the I/O functions, not ours: there is one device. */
static struct channel *attached;

const struct channel_request *channel_request(void)
{
	return &current;
}

static void remember_init(struct channel *channel, const struct fuse_in_header *header,
			  size_t size)
{
	channel->init_unique = header->unique;
	channel->init_request_size = size < sizeof(channel->init_request) ? size : 0;
	memcpy(channel->init_request, header, channel->init_request_size);
}

/* Makes requests that this libfuse does not know look like ones that it does:
 * FUSE_TMPFILE is a CREATE whose flags hold O_TMPFILE, FUSE_STATX begins like GETATTR. */
static void translate(struct fuse_in_header *header, size_t size)
{
	void *body = header + 1;

	current = (struct channel_request){ .opcode = header->opcode };
	if (header->opcode == FUSE_TMPFILE &&
	    size >= sizeof(*header) + sizeof(struct fuse_create_in)) {
		header->opcode = FUSE_CREATE;
		((struct fuse_create_in *)body)->flags |= WIRE_OPEN_TMPFILE;
	} else if (header->opcode == WIRE_STATX &&
		   size >= sizeof(*header) + sizeof(struct wire_statx_in)) {
		header->opcode = FUSE_GETATTR;
		current.statx_mask = ((struct wire_statx_in *)body)->sx_mask;
	} else if (header->opcode == FUSE_WRITE &&
		   size >= sizeof(*header) + sizeof(struct fuse_write_in)) {
		current.write_flags = ((struct fuse_write_in *)body)->write_flags;
	}
}

static ssize_t channel_read(int fd, void *buffer, size_t size, void *userdata)
{
	ssize_t n = read(fd, buffer, size);

	(void)userdata;
	if (n >= (ssize_t)sizeof(struct fuse_in_header)) {
		struct fuse_in_header *header = buffer;

		atomic_fetch_add_explicit(&attached->n_requests, 1, memory_order_relaxed);
		if (header->opcode == FUSE_INIT && !attached->initialised)
			remember_init(attached, header, (size_t)n);
		translate(header, (size_t)n);
	}
	return n;
}

static uint64_t offered_flags(const struct channel *channel)
{
	const struct fuse_init_in *init =
		(const void *)(channel->init_request + sizeof(struct fuse_in_header));

	if (channel->init_request_size < sizeof(struct fuse_in_header) + sizeof(*init))
		return 0;
	return init->flags | (uint64_t)init->flags2 << 32;
}

/* Adds to libfuse's answer what it cannot say. HANDLE_KILLPRIV_V2: the serving threads
 * have no CAP_FSETID, so the source's filesystem clears suid and sgid bits itself;
 * without it the kernel asks for security.capability before every write. */
static ssize_t answer_init(struct channel *channel, const struct iovec *iov, int count)
{
	struct {
		struct fuse_out_header header;
		struct fuse_init_out init;
	} answer;
	uint64_t offered = offered_flags(channel);

	channel->initialised = true;
	if (count != 2 || iov[0].iov_len != sizeof(answer.header) ||
	    iov[1].iov_len != sizeof(answer.init))
		return writev(channel->fd, iov, count);

	memcpy(&answer.header, iov[0].iov_base, sizeof(answer.header));
	memcpy(&answer.init, iov[1].iov_base, sizeof(answer.init));
	if (offered & WIRE_FLAG_KILLPRIV_V2)
		answer.init.flags |= (uint32_t)WIRE_FLAG_KILLPRIV_V2;
	if (channel->want_passthrough && (offered & WIRE_FLAG_PASSTHROUGH) &&
	    (offered & FUSE_INIT_EXT)) {
		answer.init.flags |= FUSE_INIT_EXT;
		answer.init.flags2 |= (uint32_t)(WIRE_FLAG_PASSTHROUGH >> 32);
		/* max_stack_depth follows flags2 since 7.40. */
		answer.init.unused[0] = WIRE_STACK_DEPTH;
		channel->passthrough = true;
	}
	return write(channel->fd, &answer, sizeof(answer));
}

static ssize_t channel_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	const struct fuse_out_header *header = iov[0].iov_base;

	(void)userdata;
	if (!attached->initialised && header->unique == attached->init_unique) {
		if (header->error == 0)
			return answer_init(attached, iov, count);
		/* The kernel would answer every request with an error for good. */
		attached->init_error = header->error;
		fuse_session_exit(attached->session);
	}
	return writev(fd, iov, count);
}

static ssize_t channel_splice_send(int fd_in, off_t *off_in, int fd_out, off_t *off_out,
				   size_t size, unsigned int flags, void *userdata)
{
	(void)userdata;
	return splice(fd_in, off_in, fd_out, off_out, size, flags);
}

int channel_attach(struct channel *channel, struct fuse_session *session)
{
	/* No splice_receive: a request is read whole, so that it can be seen here. */
	static const struct fuse_custom_io io = {
		.read = channel_read,
		.writev = channel_writev,
		.splice_send = channel_splice_send,
	};

	attached = channel;
	channel->session = session;
	return fuse_session_custom_io(session, &io, channel->fd);
}

int channel_backing_open(struct channel *channel, int fd)
{
	struct wire_backing_map map = { .fd = fd };

	if (!channel->passthrough)
		return -EOPNOTSUPP;
	return RET_ERRNO(ioctl(channel->fd, WIRE_BACKING_OPEN, &map));
}

void channel_backing_close(struct channel *channel, int backing_id)
{
	uint32_t id = (uint32_t)backing_id;

	if (backing_id > 0)
		ioctl(channel->fd, WIRE_BACKING_CLOSE, &id);
}

int channel_forget_names(struct channel *channel)
{
	const struct fuse_out_header header = {
		.len = sizeof(header),
		.error = WIRE_NOTIFY_INC_EPOCH,
	};

	ssize_t n = RET_ERRNO(write(channel->fd, &header, sizeof(header)));

	return n < 0 ? (int)n : 0;
}

static void fill_attr(struct fuse_attr *attr, const struct stat *st)
{
	*attr = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

int channel_reply_open(fuse_req_t req, const struct fuse_entry_param *entry,
		       const struct channel_open *open)
{
	struct {
		struct fuse_entry_out entry;
		struct wire_open_out open;
	} answer = {
		.open = {
			.fh = open->handle,
			.open_flags = open->flags,
			.backing_id = open->flags & CHANNEL_OPEN_PASSTHROUGH ?
					      open->backing_id :
					      0,
		},
	};

	if (!entry)
		return fuse_reply_buf(req, (const char *)&answer.open,
				      sizeof(answer.open));
	answer.entry.nodeid = entry->ino;
	answer.entry.generation = entry->generation;
	answer.entry.entry_valid = (uint64_t)entry->entry_timeout; /* whole seconds */
	answer.entry.attr_valid = (uint64_t)entry->attr_timeout;
	fill_attr(&answer.entry.attr, &entry->attr);
	return fuse_reply_buf(req, (const char *)&answer, sizeof(answer));
}

int channel_reply_statx(fuse_req_t req, const struct statx *stx)
{
	struct wire_statx_out answer = { 0 };

	_Static_assert(sizeof(*stx) >= sizeof(answer.stat), "struct statx has 256 bytes");
	memcpy(answer.stat, stx, sizeof(answer.stat));
	return fuse_reply_buf(req, (const char *)&answer, sizeof(answer));
}
