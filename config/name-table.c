/* SPDX-License-Identifier: Apache-2.0 */
/* Names to numbers: a hash table that borrows its keys. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/name-table.h"

#define SLOTS_MIN 16

void name_table_fini(struct name_table *table)
{
	free(table->slots);
	*table = (struct name_table){ 0 };
}

/* The slot that has the name, or the free one where it belongs. The table is never full.
 */
static struct name_slot *find_slot(const struct name_table *table, const char *name)
{
	size_t mask = table->n_slots - 1;
	size_t i = name_hash(name, strlen(name)) & mask;

	while (table->slots[i].name && strcmp(table->slots[i].name, name) != 0)
		i = (i + 1) & mask;
	return &table->slots[i];
}

static int grow(struct name_table *table)
{
	struct name_table larger = {
		.n_slots = table->n_slots ? 2 * table->n_slots : SLOTS_MIN,
		.n_used = table->n_used,
	};

	larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_slots; i++) {
		if (table->slots[i].name)
			*find_slot(&larger, table->slots[i].name) = table->slots[i];
	}
	free(table->slots);
	*table = larger;
	return 0;
}

int name_table_add(struct name_table *table, const char *name, unsigned value,
		   unsigned *ret_value)
{
	struct name_slot *slot;

	if (2 * table->n_used >= table->n_slots) {
		int r = grow(table);

		if (r < 0)
			return r;
	}
	slot = find_slot(table, name);
	if (slot->name) {
		if (ret_value)
			*ret_value = slot->value;
		return -EEXIST;
	}
	*slot = (struct name_slot){ name, value };
	table->n_used++;
	return 0;
}

int name_table_find(const struct name_table *table, const char *name, unsigned *ret_value)
{
	const struct name_slot *slot;

	if (table->n_slots == 0)
		return -ENOENT;
	slot = find_slot(table, name);
	if (!slot->name)
		return -ENOENT;
	*ret_value = slot->value;
	return 0;
}
