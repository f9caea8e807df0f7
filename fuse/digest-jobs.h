/* SPDX-License-Identifier: Apache-2.0 */
/* Digests that are computed in advance, by one thread that serves no request: one tree
 * after the other, each on all cores. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fuse/digest.h"

enum digest_state { DIGEST_WAITS, DIGEST_RUNS, DIGEST_DONE, DIGEST_FAILED };

struct digest_report {
	enum digest_state state;
	uint64_t n_bytes, n_bytes_total;
	int error; /* of DIGEST_FAILED, positive */
	char hex[DIGEST_HEX_SIZE];
};

struct digest_jobs;

/* 0, -ENOMEM or another -errno. Freeing ends what is under way. */
int digest_jobs_new(struct digest_jobs **ret);
struct digest_jobs *digest_jobs_free(struct digest_jobs *jobs);

/* Has the tree with this inode, which has a name in a directory, computed. 0: also if it
 * is under way already; -EBUSY: too many wait; or -errno. */
int digest_jobs_ask(struct digest_jobs *jobs, int dir_fd, const char *name, dev_t dev,
		    ino_t ino);

/* How far it is. 0, or -ENODATA: nobody asked lately. */
int digest_jobs_tell(struct digest_jobs *jobs, dev_t dev, ino_t ino,
		     struct digest_report *ret);
