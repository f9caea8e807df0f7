/* SPDX-License-Identifier: Apache-2.0 */
/* An intrusive hash table. */
#include <errno.h>
#include <stdlib.h>

#include "fuse/hash.h"

#define HASH_BUCKETS_MIN 256

/* Spreads ids that differ in few bits over the buckets (the finaliser of MurmurHash3). */
static uint64_t hash_mix(uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ULL;
	key ^= key >> 33;
	return key;
}

static size_t hash_index(const struct hash_table *table, uint64_t key)
{
	return (size_t)hash_mix(key) & (table->n_buckets - 1);
}

int hash_init(struct hash_table *table, uint64_t (*key)(const struct hash_link *link))
{
	*table = (struct hash_table){ .key = key };
	table->buckets = calloc(HASH_BUCKETS_MIN, sizeof(*table->buckets));
	if (!table->buckets)
		return -ENOMEM;
	table->n_buckets = HASH_BUCKETS_MIN;
	return 0;
}

void hash_fini(struct hash_table *table)
{
	free(table->buckets);
	*table = (struct hash_table){ 0 };
}

/* Memory is returned after a walk over a large tree, too. */
static void hash_resize(struct hash_table *table, size_t n_buckets)
{
	struct hash_link **buckets = calloc(n_buckets, sizeof(*buckets));
	struct hash_table resized = *table;

	if (!buckets)
		return;
	resized.buckets = buckets;
	resized.n_buckets = n_buckets;
	for (size_t i = 0; i < table->n_buckets; i++) {
		struct hash_link *link = table->buckets[i];

		while (link) {
			struct hash_link *next = link->next;
			size_t index = hash_index(&resized, table->key(link));

			link->next = buckets[index];
			buckets[index] = link;
			link = next;
		}
	}
	free(table->buckets);
	*table = resized;
}

void hash_add(struct hash_table *table, struct hash_link *link)
{
	size_t index;

	if (table->n_items >= table->n_buckets)
		hash_resize(table, table->n_buckets * 2);
	index = hash_index(table, table->key(link));
	link->next = table->buckets[index];
	table->buckets[index] = link;
	table->n_items++;
}

void hash_remove(struct hash_table *table, struct hash_link *link)
{
	struct hash_link **at = &table->buckets[hash_index(table, table->key(link))];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	table->n_items--;
	if (table->n_items < table->n_buckets / 8 && table->n_buckets > HASH_BUCKETS_MIN)
		hash_resize(table, table->n_buckets / 4);
}

struct hash_link *hash_chain(const struct hash_table *table, uint64_t key)
{
	return table->buckets[hash_index(table, key)];
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;
	uint64_t hash = seed ^ 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash_mix(hash);
}
