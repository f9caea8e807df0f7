/* SPDX-License-Identifier: Apache-2.0 */
/* Words to the guard about a file: extended attributes of these names are not kept, but
 * taken as an order or answered. So the kernel says who speaks, as with every request,
 * with groups and from within containers, and it is it that walks the path: a socket
 * would have neither. setxattr(2) of a word is an order, getxattr(2) a question. */
#pragma once

#include "fuse/fs.h"
#include "fuse/word-names.h"

/* Whether a name belongs to the guard: no such attribute is ever kept or shown. */
bool word_is(const char *name);

/* Whether it is one of the orders. */
bool word_is_order(const char *name);

/* Decides, records and does. 0 or -errno. */
int word_set(fuse_req_t req, const struct use *use, const char *name, const char *value,
	     size_t size);

/* What is answered, from malloc. 0 or -errno (ENODATA). Who may look at the file has been
 * decided. */
int word_get(fuse_req_t req, const struct use *use, const char *name, void **ret,
	     size_t *ret_length);
