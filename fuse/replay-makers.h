/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a process writes to a file that it made, or to one that it opened. */
#pragma once

#include "fuse/replay-judge.h"

struct replay_makers;

/* NULL without memory. */
struct replay_makers *replay_makers_new(void);
struct replay_makers *replay_makers_free(struct replay_makers *makers);

/* Notes a file that was made or opened for writing. */
void replay_makers_note(struct replay_makers *makers, const struct trail_event *event);

/* How the actor of a record came to its file, as far as the trail tells. */
enum making replay_makers_ask(const struct replay_makers *makers,
			      const struct trail_event *event);
