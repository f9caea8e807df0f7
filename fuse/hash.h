/* SPDX-License-Identifier: Apache-2.0 */
/* An intrusive hash table: the link lives in the element, so that a million nodes cost
 * one pointer each and no allocation. The caller locks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_link {
	struct hash_link *next;
};

struct hash_table {
	struct hash_link **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_items;
	/* The key of an element, for rehashing. */
	uint64_t (*key)(const struct hash_link *link);
};

/* 0 or -ENOMEM. */
int hash_init(struct hash_table *table, uint64_t (*key)(const struct hash_link *link));

/* Frees the buckets, not the elements. A zeroed table is fine. */
void hash_fini(struct hash_table *table);

/* Always succeeds: if the table cannot grow, chains do. */
void hash_add(struct hash_table *table, struct hash_link *link);

/* The element must be in the table. */
void hash_remove(struct hash_table *table, struct hash_link *link);

/* The first element of the chain that holds a key; walk on with ->next and compare: other
 * keys may be in it. NULL if it is empty. */
struct hash_link *hash_chain(const struct hash_table *table, uint64_t key);

/* Mixes bytes into a key (FNV-1a, then a finaliser); `seed` chains calls. Not for keys
 * that an attacker chooses to make collide: those are ids and handles of the source here.
 */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size);
