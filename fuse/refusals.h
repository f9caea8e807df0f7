/* SPDX-License-Identifier: Apache-2.0 */
/* Why promotions were refused lately: an errno says too little, and who promotes may not
 * read the trail. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fuse/promotion.h"

#define REFUSALS_KEPT 64

struct refusals {
	pthread_mutex_t lock;
	unsigned next;
	struct refused {
		uid_t uid;
		dev_t dev;
		ino_t ino;
		char reason[PROMOTION_REASON_MAX];
	} items[REFUSALS_KEPT];
};

/* Keeps it in place of the oldest; for who asked, and what it was about. */
void refusals_keep(struct refusals *refusals, uid_t uid, dev_t dev, ino_t ino,
		   const char *reason);

/* The latest. False: there is none, or it is "". */
bool refusals_find(struct refusals *refusals, uid_t uid, dev_t dev, ino_t ino,
		   char reason[static PROMOTION_REASON_MAX]);
