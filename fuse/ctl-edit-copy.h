/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl edit: the private copy that is edited. */
#pragma once

#include <stdbool.h>

#include "fuse/ctl-install.h"

/* A copy in a directory of its own beside the policy, which nobody else can enter: what
 * editors leave beside a file is closed to others, too. */
struct edit_copy {
	char *directory;
	char *path;  /* ends in the policy's own name, which editors know */
	char *words; /* where it is, for when all else ends */
};

/* Returns CTL_OK, or CTL_FAILED, having said why. Also names it in ctl_last_words(). */
int edit_copy_make(const char *file, const struct policy_text *text,
		   struct edit_copy *ret);

/* Removes it, and whatever the editor left. */
void edit_copy_remove(struct edit_copy *copy);

/* Says on stderr that nothing is changed and where the copy is. */
void edit_copy_keep(struct edit_copy *copy);
void edit_copy_fini(struct edit_copy *copy);
