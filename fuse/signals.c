/* SPDX-License-Identifier: Apache-2.0 */
/* Signals, taken by one thread. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "fuse/log.h"
#include "fuse/signals.h"

#define WAKE_UP_MS 20

struct signals {
	pthread_t thread, loop;
	struct signal_actions actions;
	atomic_bool loop_ended;
	atomic_bool by_signal;
};

static sigset_t handled_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

static void wake_up(int number)
{
	(void)number;
}

void signals_block(void)
{
	struct sigaction action = { .sa_handler = wake_up }; /* no SA_RESTART */
	sigset_t set = handled_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGNALS_WAKE_UP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN); /* of a lease: promotion.c */
}

/* The loop waits on a semaphore, which only a signal interrupts. Between its look
 * at the exit flag and its wait a signal would be lost, so it is sent until the loop has
 * ended. */
static void end_loop(struct signals *signals)
{
	const struct timespec pause = { .tv_nsec = WAKE_UP_MS * 1000000L };

	atomic_store(&signals->by_signal, true);
	signals->actions.end(signals->actions.data);
	while (!atomic_load(&signals->loop_ended)) {
		pthread_kill(signals->loop, SIGNALS_WAKE_UP);
		nanosleep(&pause, NULL);
	}
}

static void *take_signals(void *data)
{
	struct signals *signals = data;
	sigset_t set = handled_signals();
	int number;

	while (!atomic_load(&signals->loop_ended)) {
		if (sigwait(&set, &number) != 0 || atomic_load(&signals->loop_ended))
			continue;
		if (number == SIGHUP)
			signals->actions.reload(signals->actions.data);
		else
			end_loop(signals);
	}
	return NULL;
}

int signals_start(const struct signal_actions *actions, struct signals **ret)
{
	struct signals *signals = calloc(1, sizeof(*signals));
	int r;

	if (!signals)
		return -ENOMEM;
	signals->actions = *actions;
	signals->loop = pthread_self();
	r = pthread_create(&signals->thread, NULL, take_signals, signals);
	if (r != 0) {
		log_error("cannot start a thread for signals");
		free(signals);
		return -r;
	}
	*ret = signals;
	return 0;
}

bool signals_stop(struct signals *signals)
{
	bool by_signal = atomic_load(&signals->by_signal);

	atomic_store(&signals->loop_ended, true);
	pthread_kill(signals->thread, SIGTERM); /* out of sigwait(3) */
	pthread_join(signals->thread, NULL);
	free(signals);
	return by_signal;
}
