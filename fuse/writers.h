/* SPDX-License-Identifier: Apache-2.0 */
/* Who has written to a file beside its owner: kept with it in the source, in the extended
 * attribute trusted.modelguard.writers, which the mount lets nobody set. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define WRITERS_MAX 64 /* of one file; with more it counts as written by everybody */

/* Puts somebody down, before the first byte is written; `fd` may be O_PATH. 0 or -errno.
 */
int writers_note(int fd, uid_t uid);

/* Whether somebody is put down. 1, 0; or -errno. */
int writers_has(int fd, uid_t uid);
