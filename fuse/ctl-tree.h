/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what the verbs about a promotion ask the guard about a file or a tree.
 */
#pragma once

#include <stddef.h>

#include "fuse/digest.h"

/* Has the guard compute the digest, and shows on a terminal how far it is. Returns
 * CTL_OK, or the exit status, having said why. */
int ctl_tree_digest(const char *path, char hex[DIGEST_HEX_SIZE]);

/* What the guard answers to a question about a path: a new string, or NULL with errno. */
char *ctl_tree_ask(const char *path, const char *word);

/* Says on stderr what an errno of an order means, in the words of a table that ends with
 * a NULL text, else in the system's. Returns the exit status of it. */
struct ctl_meaning {
	int error, status;
	const char *text;
};
int ctl_tree_fail(const char *path, int error, const struct ctl_meaning *meanings);
