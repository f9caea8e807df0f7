/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of sockets to the kernel's audit. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "fuse/audit-senders.h"

struct senders {
	pthread_mutex_t lock; /* all below; a leaf; never held across a system call */
	pthread_cond_t all_back;
	struct sender *free;
	size_t n; /* ever made; all live */
	size_t n_taken;
	uint64_t n_returns;	 /* ever */
	uint64_t n_returns_seen; /* by senders_are_stuck() */
	bool is_open;
};

struct senders *senders_new(void)
{
	struct senders *senders = calloc(1, sizeof(*senders));

	if (!senders)
		return NULL;
	(void)pthread_mutex_init(&senders->lock, NULL);
	(void)pthread_cond_init(&senders->all_back, NULL);
	return senders;
}

struct senders *senders_free(struct senders *senders)
{
	if (!senders)
		return NULL;
	while (senders->free) {
		struct sender *sender = senders->free;

		senders->free = sender->next;
		audit_netlink_close(&sender->netlink);
		free(sender);
	}
	(void)pthread_cond_destroy(&senders->all_back);
	(void)pthread_mutex_destroy(&senders->lock);
	free(senders);
	return NULL;
}

static struct sender *sender_new(void)
{
	struct sender *sender = calloc(1, sizeof(*sender));

	if (sender)
		sender->netlink.fd = -1;
	return sender;
}

struct sender *senders_take(struct senders *senders, int *ret_error)
{
	struct sender *sender = NULL;
	bool is_open;

	pthread_mutex_lock(&senders->lock);
	is_open = senders->is_open;
	if (is_open) {
		senders->n_taken++;
		sender = senders->free;
		if (sender)
			senders->free = sender->next;
		else if ((sender = sender_new()))
			senders->n++;
		else
			senders->n_taken--;
	}
	pthread_mutex_unlock(&senders->lock);
	if (!sender) {
		*ret_error = is_open ? -ENOMEM : -ENOTCONN;
		return NULL;
	}
	*ret_error = sender->netlink.fd < 0 ? audit_netlink_open(&sender->netlink) : 0;
	if (*ret_error == 0)
		return sender;
	senders_give_back(senders, sender);
	return NULL;
}

void senders_give_back(struct senders *senders, struct sender *sender)
{
	pthread_mutex_lock(&senders->lock);
	sender->next = senders->free;
	senders->free = sender;
	senders->n_returns++;
	if (--senders->n_taken == 0)
		pthread_cond_broadcast(&senders->all_back);
	pthread_mutex_unlock(&senders->lock);
}

#define CLOSE_NS 50000000L

static struct timespec close_deadline(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += CLOSE_NS;
	if (at.tv_nsec >= 1000000000L) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000L;
	}
	return at;
}

int senders_close(struct senders *senders)
{
	const struct timespec deadline = close_deadline();
	bool is_late = false;
	int r;

	pthread_mutex_lock(&senders->lock);
	senders->is_open = false;
	while (senders->n_taken > 0 && !is_late)
		is_late = pthread_cond_clockwait(&senders->all_back, &senders->lock,
						 CLOCK_MONOTONIC, &deadline) == ETIMEDOUT;
	r = senders->n_taken > 0 ? -EAGAIN : 0;
	pthread_mutex_unlock(&senders->lock);
	return r;
}

void senders_open(struct senders *senders)
{
	pthread_mutex_lock(&senders->lock);
	senders->is_open = true;
	pthread_mutex_unlock(&senders->lock);
}

size_t senders_count(struct senders *senders)
{
	size_t n;

	pthread_mutex_lock(&senders->lock);
	n = senders->n;
	pthread_mutex_unlock(&senders->lock);
	return n;
}

bool senders_are_stuck(struct senders *senders)
{
	bool stuck;

	pthread_mutex_lock(&senders->lock);
	stuck = senders->n_taken > 0 && senders->n_returns == senders->n_returns_seen;
	senders->n_returns_seen = senders->n_returns;
	pthread_mutex_unlock(&senders->lock);
	return stuck;
}
