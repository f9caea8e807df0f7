/* SPDX-License-Identifier: Apache-2.0 */
/* Where a model comes from and who has used it, gathered from the trail. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "fuse/trail-lineage.h"
#include "fuse/trail.h"

/* More of a kind are counted, and not kept. */
#define ANCESTRY_MAX 1000

/* Something that happened once: made, renamed, approved, promoted, verified ... */
struct ancestry_step {
	struct timespec time;
	enum trail_outcome outcome;
	uint64_t n; /* 1, or how many such by the same user followed each other */
	char *op, *acct, *path, *new_path, *reason; /* "" if there is none */
};

/* A process that wrote to it: one thread of one program, as records name it. */
struct ancestry_writer {
	char *acct, *comm, *exe, *node;
	uid_t uid;
	pid_t pid;
	struct timespec
		begin; /* of its first record in the share, at most a day before */
	struct timespec first, last; /* of its writing */
	uint64_t n;		     /* opens and writes */
};

/* A file of the share that was open for reading meanwhile. */
struct ancestry_input {
	char *path;
	size_t writer; /* index */
	bool sibling;  /* by another process of the same user and program */
	struct timespec first;
	uint64_t n;
};

struct ancestry_reader {
	char *acct, *exe;
	uid_t uid;
	struct timespec first, last;
	uint64_t n;
};

#define ANCESTRY_LIST(type)                              \
	struct {                                         \
		type *items;                             \
		size_t n, room;                          \
		uint64_t more; /* beyond ANCESTRY_MAX */ \
	}

struct ancestry {
	const char *path;	 /* that was asked for; borrowed */
	struct lineage *lineage; /* traced; borrowed */
	ANCESTRY_LIST(struct ancestry_step) steps;
	ANCESTRY_LIST(struct ancestry_writer) writers;
	ANCESTRY_LIST(struct ancestry_input) inputs;
	ANCESTRY_LIST(struct ancestry_reader)
	readers;		  /* since it was promoted, if ever */
	struct timespec promoted; /* the last time; zero: never */
	uint64_t n_denied;
};

/* Three passes over the trail, in this order, each over all events: 0 or -ENOMEM. The
 * first finds who wrote, the second since when those processes have been there, the third
 * what they read and who reads it. */
int ancestry_find_writers(struct ancestry *ancestry, const struct trail_event *event);
int ancestry_find_begins(struct ancestry *ancestry, const struct trail_event *event);
int ancestry_find_reads(struct ancestry *ancestry, const struct trail_event *event);

bool ancestry_is_empty(const struct ancestry *ancestry);
void ancestry_fini(struct ancestry *ancestry);

/* A new object; NULL: no memory. */
json_t *ancestry_json(const struct ancestry *ancestry);

/* A picture that loads nothing and runs nothing; no text in it can be markup. Check
 * ferror(3) afterwards. */
void ancestry_write_svg(FILE *out, const struct ancestry *ancestry);
