/* SPDX-License-Identifier: Apache-2.0 */
/* Events added up: who did how much in which zone, to which file, and denials by rule. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/hash.h"
#include "fuse/trail.h"

struct tally {
	uint64_t reads;	  /* opens for reading */
	uint64_t writes;  /* write(2) calls and the like */
	uint64_t bytes;	  /* that they wrote */
	uint64_t changes; /* names, sizes and attributes */
	uint64_t denied;
};

/* What one row is about; strings of its own. */
struct summary_row {
	struct hash_link link;
	uint64_t key;	    /* hash of what follows */
	struct actor actor; /* acct and uid only */
	char *where;	    /* zone, path, or rule */
	char *why;	    /* of a denial; or "" */
	struct tally tally;
};

struct summary_table {
	struct hash_table hash;	   /* of the rows */
	struct summary_row **rows; /* in the order in which they came up */
	size_t n_rows, room;
};

struct summary {
	struct summary_table zones, files, denials;
	struct timespec first, last;
	uint64_t n_events;
	bool with_files;
	uint64_t seed; /* of the hashes: nobody can choose names that collide */
};

#define SUMMARY_FILES true

/* NULL without memory. */
struct summary *summary_new(bool with_files);
struct summary *summary_free(struct summary *summary);

static inline void summary_freep(struct summary **summary)
{
	*summary = summary_free(*summary);
}

/* 0 or -ENOMEM. */
int summary_add(struct summary *summary, const struct trail_event *event);

/* What one event counts as, added to a tally. */
void tally_add(struct tally *tally, const struct trail_event *event);

/* Sorts rows by how much was done, most first; then by name. */
void summary_sort(struct summary_table *table);
