/* SPDX-License-Identifier: Apache-2.0 */
/* Names to numbers: a hash table that borrows its keys. */
#pragma once

#include <stdint.h>
#include <stddef.h>

struct name_slot {
	const char *name; /* NULL: free */
	unsigned value;
};

/* Zero-initialise; name_table_fini() frees. */
struct name_table {
	struct name_slot *slots;
	size_t n_slots; /* a power of two, or 0 */
	size_t n_used;
};

void name_table_fini(struct name_table *table);

/* The name, borrowed, must outlive the table. Returns 0, -EEXIST with *ret_value (may be
 * NULL) of the one that is there, or -ENOMEM. */
int name_table_add(struct name_table *table, const char *name, unsigned value,
		   unsigned *ret_value);

/* Returns 0 and sets *ret_value, or -ENOENT. */
int name_table_find(const struct name_table *table, const char *name,
		    unsigned *ret_value);

/* FNV-1a, 32 bits (the hash of a path's component as well). */
static inline uint32_t name_hash(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash;
}
