/* SPDX-License-Identifier: Apache-2.0 */
/* The records that were accepted last: kept until they are in the log for certain. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/record.h"

struct recent;

struct recent_entry {
	int type;     /* AUDIT_DAC_CHECK, ... */
	bool success; /* res= */
	bool refused; /* its operation did not happen after all */
	char text[RECORD_TEXT_MAX];
};

/* All functions lock inside; none calls out with the lock held. */

/* Holds at most `bytes` of texts (at least 64 KiB). NULL: out of memory. */
struct recent *recent_new(size_t bytes);
struct recent *recent_free(struct recent *recent);

/* Adds the text of entry; never fails: when full, the oldest make room. */
void recent_push(struct recent *recent, const struct recent_entry *entry);

/* How many were ever pushed: the index of the next. */
uint64_t recent_pushed(struct recent *recent);

/* Everything with an index below this is in the log: forget it. */
void recent_settle(struct recent *recent, uint64_t index);

/* Copies the first entry with an index >= *index and sets *index to the one after it.
 * False: none. */
bool recent_next(struct recent *recent, uint64_t *index, struct recent_entry *ret);

/* How many made room for others before they were settled, since the last call. */
uint64_t recent_take_lost(struct recent *recent);
