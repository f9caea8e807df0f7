/* SPDX-License-Identifier: Apache-2.0 */
/* A thread with a socket to the kernel's audit. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "fuse/audit-courier.h"
#include "fuse/audit-netlink.h"

struct courier {
	pthread_t thread;
	pthread_mutex_t lock; /* down to answer; a leaf; never held across a question */
	pthread_cond_t changed;
	enum { NOTHING_ASKED, ASKED, ANSWERED } state;
	uint64_t stamp; /* of the question */
	bool must_send, is_sending;
	bool is_ending;
	struct courier_answer answer;

	void (*send)(void *data, struct audit_netlink *netlink);
	void *data;
	struct audit_netlink netlink; /* the thread only */
};

static struct courier_answer ask(struct courier *courier)
{
	struct courier_answer answer = {};

	if (courier->netlink.fd < 0)
		answer.error = audit_netlink_open(&courier->netlink);
	if (answer.error == 0)
		answer.error = audit_netlink_status(&courier->netlink, &answer.status);
	if (answer.error < 0)
		audit_netlink_close(&courier->netlink);
	return answer;
}

/* Under the lock, which it drops meanwhile. */
static void serve_question(struct courier *courier)
{
	struct courier_answer answer;

	pthread_mutex_unlock(&courier->lock);
	answer = ask(courier);
	pthread_mutex_lock(&courier->lock);
	courier->answer = answer;
	courier->answer.stamp = courier->stamp;
	courier->state = ANSWERED;
	pthread_cond_broadcast(&courier->changed);
}

/* The same. */
static void serve_sending(struct courier *courier)
{
	courier->must_send = false;
	courier->is_sending = true;
	pthread_mutex_unlock(&courier->lock);
	courier->send(courier->data, &courier->netlink);
	pthread_mutex_lock(&courier->lock);
	courier->is_sending = false;
}

static void *serve(void *argument)
{
	struct courier *courier = argument;

	pthread_mutex_lock(&courier->lock);
	while (!courier->is_ending) {
		if (courier->state == ASKED)
			serve_question(courier);
		else if (courier->must_send)
			serve_sending(courier);
		else
			pthread_cond_wait(&courier->changed, &courier->lock);
	}
	pthread_mutex_unlock(&courier->lock);
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct courier *courier)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&courier->thread, NULL, serve, courier);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void courier_destroy(struct courier *courier)
{
	audit_netlink_close(&courier->netlink);
	(void)pthread_cond_destroy(&courier->changed);
	(void)pthread_mutex_destroy(&courier->lock);
	free(courier);
}

int courier_new(void (*send)(void *data, struct audit_netlink *netlink), void *data,
		struct courier **ret)
{
	struct courier *courier = calloc(1, sizeof(*courier));
	int r;

	if (!courier)
		return -ENOMEM;
	courier->send = send;
	courier->data = data;
	(void)pthread_mutex_init(&courier->lock, NULL);
	(void)pthread_cond_init(&courier->changed, NULL);
	r = audit_netlink_open(&courier->netlink);
	if (r == 0)
		r = start_thread(courier);
	if (r < 0) {
		courier_destroy(courier);
		return r;
	}
	*ret = courier;
	return 0;
}

struct courier *courier_free(struct courier *courier)
{
	if (!courier)
		return NULL;
	pthread_mutex_lock(&courier->lock);
	courier->is_ending = true;
	pthread_cond_broadcast(&courier->changed);
	pthread_mutex_unlock(&courier->lock);
	(void)pthread_join(courier->thread, NULL);
	courier_destroy(courier);
	return NULL;
}

static struct timespec after_ms(int ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += ms * 1000000L;
	at.tv_sec += at.tv_nsec / 1000000000L;
	at.tv_nsec %= 1000000000L;
	return at;
}

bool courier_ask(struct courier *courier, int ms, uint64_t stamp,
		 struct courier_answer *ret)
{
	const struct timespec deadline = after_ms(ms);
	bool is_late = false, has_answer;

	pthread_mutex_lock(&courier->lock);
	if (courier->state == NOTHING_ASKED) {
		courier->stamp = stamp;
		courier->state = ASKED;
		pthread_cond_broadcast(&courier->changed);
	}
	while (courier->state == ASKED && !is_late)
		is_late = pthread_cond_clockwait(&courier->changed, &courier->lock,
						 CLOCK_MONOTONIC, &deadline) == ETIMEDOUT;
	has_answer = courier->state == ANSWERED;
	if (has_answer) {
		*ret = courier->answer;
		courier->state = NOTHING_ASKED;
	}
	pthread_mutex_unlock(&courier->lock);
	return has_answer;
}

void courier_send(struct courier *courier)
{
	pthread_mutex_lock(&courier->lock);
	courier->must_send = true;
	pthread_cond_broadcast(&courier->changed);
	pthread_mutex_unlock(&courier->lock);
}

bool courier_is_sending(struct courier *courier)
{
	bool result;

	pthread_mutex_lock(&courier->lock);
	result = courier->must_send || courier->is_sending;
	pthread_mutex_unlock(&courier->lock);
	return result;
}
