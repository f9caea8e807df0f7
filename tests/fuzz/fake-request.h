/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests made of input bytes.
 *
 * The kernel is trusted: it sends whole structures, ends names with a NUL, says that no
 * more follows than does, and does not ask for more than was negotiated. libfuse 3.14
 * relies on that without looking (do_setxattr() and its kin), so requests are completed
 * here; all values in them are the input's. */
#pragma once

#include <linux/fuse.h>

#include "tests/fuzz/fuzz.h"

#define KNOWN_MAX   64
#define REQUEST_MAX (1 << 16)

/* Numbers that answers have told. */
struct known {
	uint64_t items[KNOWN_MAX];
	unsigned n;
};

static inline void known_add(struct known *known, uint64_t number)
{
	if (known->n < KNOWN_MAX)
		known->items[known->n++] = number;
}

struct request {
	union {
		struct fuse_in_header header;
		uint8_t bytes[REQUEST_MAX];
	};
	size_t size;
};

/* Any request: of any caller, on any node and handle, mostly on known ones. */
void request_make(struct request *request, uint64_t unique, struct bytes *bytes,
		  const struct known *nodes, const struct known *handles);
