/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of sockets to the kernel's audit. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "fuse/audit-senders.h"

struct senders {
	pthread_mutex_t lock; /* all below; a leaf; never held across a system call */
	struct sender *free;
	size_t n; /* ever made; all live */
	size_t n_taken;
	uint64_t n_returns;	 /* ever */
	uint64_t n_returns_seen; /* by senders_are_stuck() */
};

struct senders *senders_new(void)
{
	struct senders *senders = calloc(1, sizeof(*senders));

	if (!senders)
		return NULL;
	(void)pthread_mutex_init(&senders->lock, NULL);
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
	struct sender *sender;

	pthread_mutex_lock(&senders->lock);
	sender = senders->free;
	if (sender)
		senders->free = sender->next;
	else if ((sender = sender_new()))
		senders->n++;
	if (sender)
		senders->n_taken++;
	pthread_mutex_unlock(&senders->lock);
	if (!sender) {
		*ret_error = -ENOMEM;
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
	senders->n_taken--;
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
