/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT end the session in order, SIGHUP reads the policy again. */
#pragma once

#include <stdbool.h>

struct fuse_session;
struct guard;
struct signals;

/* Blocks the signals in this thread and those it starts later: to be called before any is
 * started, so that they are only taken by the thread of signals_start(). */
void signals_block(void);

/* Starts the thread that waits for them. The present thread is the one that runs the
 * session's loop. 0 or -errno. */
int signals_start(struct fuse_session *session, struct guard *guard,
		  struct signals **ret);

/* The loop has ended: ends the thread. Returns whether a signal ended the loop. */
bool signals_stop(struct signals *signals);
