/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard does when root asks over the control socket. */
#pragma once

#include <pthread.h>

#include "fuse/status.h"

struct complaints;
struct control_verbs;

struct control_parts {
	struct status_parts status;
	/* As guard_reload(), and the kernel is told to forget; under the lock. */
	int (*reload)(void *data, struct complaints *complaints);
	void *data;
	pthread_mutex_t *reload_lock; /* one at a time, SIGHUP included */
};

/* From now on root can ask, once the mount is there. NULL: not at all, which has been
 * logged as a warning; a guard without control serves all the same. */
struct control_verbs *control_verbs_start(const struct control_parts *parts);

/* Waits for what is being answered. NULL is fine; returns NULL. */
struct control_verbs *control_verbs_stop(struct control_verbs *verbs);
