/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that serve requests. libfuse's own loop gives the whole mount up when one
 * thread has no memory for its buffer, and ends its threads with pthread_cancel(3), which
 * aborts the process if libgcc_s cannot be loaded then: without a descriptor, without
 * memory. */
#pragma once

#include <fuse_lowlevel.h>

/* No request ever waits for another one, or for a lock of a user's (DESIGN, Locks):
 * threads only wait for the source and for the trail. */
#define LOOP_THREADS 16

/* Serves until the session has ended: fuse_session_exit(3), or the file system was
 * unmounted. Threads are started when they are needed. Whoever ends the session has to
 * interrupt the present thread, which waits, by signals until this returns; the others
 * get `wake_signal`, which must interrupt system calls, too. 0, or -errno: no thread can
 * be started, or the device cannot be read any more. */
int loop_run(struct fuse_session *session, int wake_signal);
