/* SPDX-License-Identifier: Apache-2.0 */
/* The wire: the one module that reads and writes /dev/fuse. It gives libfuse (>= 3.13)
 * what its version lacks: passthrough, O_TMPFILE, statx. Requests are read by libfuse's
 * worker threads, one at a time each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fuse_lowlevel.h>

/* include/uapi/linux/fuse.h of Linux 6.9 (protocol 7.40); Debian 12's header ends
 * at 7.38. */
#define CHANNEL_OPEN_DIRECT_IO	 (1 << 0) /* FOPEN_DIRECT_IO */
#define CHANNEL_OPEN_NOFLUSH	 (1 << 5) /* FOPEN_NOFLUSH */
#define CHANNEL_OPEN_PASSTHROUGH (1 << 7) /* FOPEN_PASSTHROUGH */

struct channel {
	int fd;		       /* /dev/fuse; libfuse's session closes it */
	bool want_passthrough; /* set before the session begins */
	bool passthrough;      /* both sides have it; constant once INIT is answered */
	bool initialised;
	int init_error; /* -errno: libfuse refused to begin, and the session ends */
	struct fuse_session *session;
	_Atomic uint64_t n_requests; /* ever read; for status */
	uint64_t init_unique;	     /* of the INIT request, while it is not answered */
	uint8_t init_request[256];   /* for a successor of this process */
	size_t init_request_size;
};

/* What the present thread's request was before it was rewritten for libfuse. */
struct channel_request {
	uint32_t opcode;
	uint32_t statx_mask; /* of FUSE_STATX, which arrives as GETATTR; else 0 */
	uint32_t write_flags;
};
const struct channel_request *channel_request(void);

/* Binds a session to the device; as fuse_session_custom_io(3): the session owns the
 * descriptor from then on. 0 or -errno. The session's userdata need not be the channel.
 */
int channel_attach(struct channel *channel, struct fuse_session *session);

/* Registers a descriptor that was opened for reading as the backing file of one inode
 * (FUSE_DEV_IOC_BACKING_OPEN; CAP_SYS_ADMIN). Returns its id (> 0), or -errno: ELOOP for
 * a source that is itself stacked too deep, EOPNOTSUPP without passthrough. */
int channel_backing_open(struct channel *channel, int fd);
void channel_backing_close(struct channel *channel, int backing_id);

/* Answers OPEN (entry NULL) or CREATE. backing_id counts with CHANNEL_OPEN_PASSTHROUGH.
 * 0 or -errno; -ENOENT: the request was interrupted, so nobody will RELEASE the handle.
 */
struct channel_open {
	uint64_t handle;
	uint32_t flags;
	int32_t backing_id;
};
int channel_reply_open(fuse_req_t req, const struct fuse_entry_param *entry,
		       const struct channel_open *open);

/* Has the kernel ask again for every name that it keeps, at its next walk
 * (FUSE_NOTIFY_INC_EPOCH, Linux 6.16). 0 or -errno: -EINVAL on an older kernel. Never
 * from a request's thread. */
int channel_forget_names(struct channel *channel);

/* Answers FUSE_STATX. 0 or -errno. */
struct statx;
int channel_reply_statx(fuse_req_t req, const struct statx *stx);
