/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT end the service in order, SIGHUP reads the policy again. */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* Interrupts a system call, and has no other effect. */
#define SIGNALS_WAKE_UP SIGUSR1

struct signals;

/* What they do, in a thread of its own. */
struct signal_actions {
	void (*end)(void *data); /* makes the loop of the serving thread end, soon */
	void (*reload)(void *data);
	void *data;
};

/* Blocks the signals in this thread and those it starts later: to be called before any is
 * started, so that they are only taken by the thread of signals_start(). */
void signals_block(void);

/* Starts the thread that waits for them. The present thread is the one that serves. 0 or
 * -errno. */
int signals_start(const struct signal_actions *actions, struct signals **ret);

/* The loop has ended: ends the thread. Returns whether a signal ended the loop. */
bool signals_stop(struct signals *signals);
