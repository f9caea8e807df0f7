/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: who somebody is now. The name service is waited for a few seconds only.
 */
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/identity.h"

#include "fuse/ctl-actor.h"
#include "fuse/ctl.h"

#define NAME_SIZE    256
#define WAIT_SECONDS 5

/* One question, asked by a thread of its own; who finishes last frees it. */
struct lookup {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool done, abandoned;
	bool by_name; /* name to uid; or else uid to name */
	char name[NAME_SIZE];
	uid_t uid;
	int r;
};

static bool service_hangs; /* it is not asked any more */

static void lookup_free(struct lookup *lookup)
{
	(void)pthread_mutex_destroy(&lookup->lock);
	(void)pthread_cond_destroy(&lookup->answered);
	free(lookup);
}

static void *ask(void *argument)
{
	struct lookup *lookup = argument;
	bool abandoned;

	if (lookup->by_name)
		lookup->r = identity_names.user(lookup->name, &lookup->uid);
	else
		lookup->r = identity_user_name(lookup->uid, lookup->name,
					       sizeof(lookup->name));
	pthread_mutex_lock(&lookup->lock);
	lookup->done = true;
	abandoned = lookup->abandoned;
	pthread_cond_signal(&lookup->answered);
	pthread_mutex_unlock(&lookup->lock);
	if (abandoned)
		lookup_free(lookup);
	return NULL;
}

/* True if the answer is there. */
static bool wait_for(struct lookup *lookup)
{
	struct timespec until;
	bool done;
	int r = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_SECONDS;
	pthread_mutex_lock(&lookup->lock);
	while (!lookup->done && r == 0)
		r = pthread_cond_timedwait(&lookup->answered, &lookup->lock, &until);
	done = lookup->done;
	lookup->abandoned = !done;
	pthread_mutex_unlock(&lookup->lock);
	return done;
}

static int give_up(void)
{
	service_hangs = true;
	ctl_fail("the name service does not answer within %d seconds: names are shown as "
		 "they are on record",
		 WAIT_SECONDS);
	return -ETIMEDOUT;
}

/* Asks, and copies the answer to *question. */
static int look_up(struct lookup *question)
{
	struct lookup *lookup = service_hangs ? NULL : malloc(sizeof(*lookup));
	pthread_t thread;

	if (!lookup)
		return service_hangs ? -ETIMEDOUT : -ENOMEM;
	*lookup = *question;
	(void)pthread_mutex_init(&lookup->lock, NULL);
	(void)pthread_cond_init(&lookup->answered, NULL);
	if (pthread_create(&thread, NULL, ask, lookup) != 0) {
		lookup_free(lookup);
		return -EAGAIN;
	}
	if (!wait_for(lookup)) {
		(void)pthread_detach(thread);
		return give_up();
	}
	(void)pthread_join(thread, NULL);
	*question = *lookup;
	lookup_free(lookup);
	return question->r;
}

int ctl_actor_uid(const char *name, uid_t *ret)
{
	struct lookup question = { .by_name = true };
	int r;

	if (strlen(name) >= sizeof(question.name))
		return -ENOENT;
	strcpy(question.name, name);
	r = look_up(&question);
	if (r == 0)
		*ret = question.uid;
	return r;
}

/* Somebody who has been looked up. */
struct person {
	uid_t uid;
	char name[]; /* empty: there is no such user */
};

static int compare(const void *one, const void *other)
{
	uid_t a = *(const uid_t *)one, b = *(const uid_t *)other;

	return a < b ? -1 : a > b;
}

/* Stays until the end of the program, or NULL if it cannot be told. */
static const struct person *find_person(uid_t uid)
{
	static void *people;
	static const struct person *last;
	struct lookup question = { .uid = uid };
	struct person *person, **found;
	int r;

	if (last && last->uid == uid)
		return last;
	found = tfind(&uid, &people, compare);
	if (found)
		return last = *found;
	r = look_up(&question);
	if (r < 0 && r != -ENOENT)
		return NULL;
	if (r == -ENOENT)
		question.name[0] = '\0';
	person = malloc(sizeof(*person) + strlen(question.name) + 1);
	if (!person)
		return NULL;
	person->uid = uid;
	strcpy(person->name, question.name);
	if (!tsearch(person, &people, compare)) {
		free(person);
		return NULL;
	}
	return last = person;
}

const char *ctl_actor_name(const struct actor *actor, char *buffer, size_t size)
{
	const struct person *person = find_person(actor->uid);

	if (!person || strcmp(person->name, actor->acct) == 0)
		(void)snprintf(buffer, size, "%s", actor->acct);
	else
		(void)snprintf(buffer, size, "%s(%u)", actor->acct, actor->uid);
	return buffer;
}
