/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl replay: its two forms. */
#pragma once

#include "fuse/replay.h"

/* Prints on stdout. */
void ctl_replay_print(const struct replay_question *question,
		      const struct replay_answer *answer);

/* Prints one JSON object on stdout. Returns 0 or -ENOMEM. */
int ctl_replay_print_json(const struct replay_question *question,
			  const struct replay_answer *answer, const struct trail *trail);

/* Why a row is what it is: "not granted", "granted", ...; static storage. */
const char *ctl_replay_reason(const struct replay_row *row);

/* The next operation of a row, from `after` + 1 on: its word in records, or NULL. */
const char *ctl_replay_operation(const struct replay_row *row, unsigned *after);
