/* SPDX-License-Identifier: Apache-2.0 */
/* What the trail tells of the guards that wrote it: mount points and policies. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fuse/trail.h"

struct replay_guards;

/* NULL without memory. */
struct replay_guards *replay_guards_new(void);
struct replay_guards *replay_guards_free(struct replay_guards *guards);

/* Notes where a guard started and which policy it loaded. 0 or -ENOMEM. */
int replay_guards_note(struct replay_guards *guards, const struct trail_event *event);

/* Where the guard of a record is mounted, by its start; NULL if the trail does not have
 * it. Valid until the next note. */
const char *replay_guards_mount(struct replay_guards *guards,
				const struct trail_event *event);

/* The hash of the policy of a record's generation; NULL if the trail does not have it.
 * Valid until the next note. */
const char *replay_guards_policy(struct replay_guards *guards,
				 const struct trail_event *event);
