/* SPDX-License-Identifier: Apache-2.0 */
/* What a replay found, by person and path, added up in bounded memory. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fuse/hash.h"
#include "fuse/replay-judge.h"

enum replay_result { REPLAY_SAME, REPLAY_DENIED, REPLAY_ALLOWED, REPLAY_UNTOLD };

#define N_REPLAY_RESULTS (REPLAY_UNTOLD + 1)

struct judgement {
	enum replay_result result;
	enum replay_doubt doubt; /* of REPLAY_UNTOLD */
	struct decided decided;	 /* by the candidate; of the first two */
	const struct zone *way;	 /* decided.on_the_way: to there */
};

struct replay_row {
	struct hash_link link;
	uint64_t key; /* hash of what follows, but for the operations */
	enum replay_result result;
	enum replay_doubt doubt;
	enum copy_reason copy;
	enum denial_reason denial;
	unsigned line;		 /* of the candidate, that decides; 0: none */
	const struct role *role; /* NULL: none; with `zone` owned by the candidate */
	const struct zone *zone;
	uid_t uid;
	char *acct;	     /* NULL: of several people, there were too many */
	char *path;	     /* NULL: several paths */
	char *to_path;	     /* of a rename or a link, else NULL */
	uint64_t operations; /* 1 << enum operation; RENAME_FROM is any rename */
	uint64_t count;
	struct timespec first, last;
};

struct replay_rows {
	struct hash_table hash;
	struct replay_row **items; /* in the order in which they came up */
	size_t n_items, room;
	size_t n_bytes; /* of their strings */
	uint64_t seed;
};

/* 0 or -ENOMEM. replay_rows_fini() also on failure. */
int replay_rows_init(struct replay_rows *rows);
void replay_rows_fini(struct replay_rows *rows);

/* Adds `count` decisions. 0 or -ENOMEM. */
int replay_rows_add(struct replay_rows *rows, const struct past *past,
		    const struct judgement *judgement, uint64_t count);

/* Takes one back that was added. */
void replay_rows_take_back(struct replay_rows *rows, const struct past *past,
			   const struct judgement *judgement);

/* By result, person, and how many; rows that count nothing any more are dropped. */
void replay_rows_sort(struct replay_rows *rows);
