/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard tells root of itself: collected from all its parts when it is asked. */
#pragma once

#include <jansson.h>

#include "fuse/fs.h"

struct audit;
struct policy_store;
struct status;

/* All outlive the status. */
struct status_parts {
	struct filesystem *fs;
	struct audit *audit;
	struct policy_store *policies;
	const char *mountpoint, *source;
	const char *sink; /* -o audit= */
};

/* NULL: no memory. */
struct status *status_new(const struct status_parts *parts);
struct status *status_free(struct status *status);

/* Notes how much was done until now, for what is done per second. One thread. */
void status_tick(struct status *status);

/* Answers as control-protocol.h has them, of the verbs policy and status. NULL: no
 * memory. Any thread; neither a lock that requests need nor the source is waited for. */
json_t *status_policy(struct status *status);
/* The list of grants, for the answer to reload as well. 0 or -ENOMEM. */
int status_set_grants(struct status *status, json_t *document);
json_t *status_all(struct status *status);
