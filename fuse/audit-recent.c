/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of texts in one block of memory; entries are contiguous, what does not fit
 * before the end starts again at 0. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/audit-recent.h"

struct slot {
	uint32_t size; /* of slot and text, rounded; 0: nothing more before the end */
	int32_t type;
	uint16_t length; /* of the text, without NUL */
	bool success;
	bool refused;
};

#define SLOT_ALIGN 8
#define SIZE_MIN   65536 /* any one entry fits */

struct recent {
	pthread_mutex_t lock; /* all below; a leaf: no other lock is taken under it */
	char *block;
	size_t size;
	size_t head, tail;     /* offsets: oldest entry, next free byte */
	uint64_t oldest, next; /* indexes; equal: empty */
	uint64_t settled;

	/* Where recent_next() was last, so that walking n entries does not cost n * n. */
	uint64_t cursor;
	size_t cursor_at;
};

struct recent *recent_new(size_t bytes)
{
	struct recent *recent = calloc(1, sizeof(*recent));

	if (!recent)
		return NULL;
	recent->size = (bytes < SIZE_MIN ? SIZE_MIN : bytes) & ~(size_t)(SLOT_ALIGN - 1);
	recent->block = malloc(recent->size);
	if (!recent->block) {
		free(recent);
		return NULL;
	}
	(void)pthread_mutex_init(&recent->lock, NULL);
	return recent;
}

struct recent *recent_free(struct recent *recent)
{
	if (!recent)
		return NULL;
	(void)pthread_mutex_destroy(&recent->lock);
	free(recent->block);
	free(recent);
	return NULL;
}

static struct slot slot_at(const struct recent *recent, size_t at)
{
	struct slot slot = {};

	if (recent->size - at >= sizeof(slot))
		memcpy(&slot, recent->block + at, sizeof(slot));
	return slot;
}

/* The offset of the entry at or, past a mark that says so, after `at`. */
static size_t skip_mark(const struct recent *recent, size_t at)
{
	return slot_at(recent, at).size == 0 ? 0 : at;
}

static void drop_oldest(struct recent *recent)
{
	recent->head = skip_mark(recent, recent->head);
	recent->head += slot_at(recent, recent->head).size;
	if (++recent->oldest == recent->next)
		recent->head = recent->tail = 0;
}

/* Makes `size` free bytes at tail, on one side of head. */
static void make_room(struct recent *recent, size_t size)
{
	for (;;) {
		if (recent->oldest == recent->next) {
			recent->head = recent->tail = 0;
			return;
		}
		if (recent->tail > recent->head) {
			if (recent->size - recent->tail >= size)
				return;
			/* The rest before the end stays empty; entries begin again at 0.
			 */
			if (recent->size - recent->tail >= sizeof(struct slot))
				memset(recent->block + recent->tail, 0,
				       sizeof(struct slot));
			recent->tail = 0;
			continue;
		}
		if (recent->head - recent->tail >= size)
			return;
		drop_oldest(recent);
	}
}

void recent_push(struct recent *recent, const struct recent_entry *entry)
{
	size_t length = strlen(entry->text);
	struct slot slot = {
		.size = (uint32_t)((sizeof(slot) + length + SLOT_ALIGN - 1) &
				   ~(size_t)(SLOT_ALIGN - 1)),
		.type = entry->type,
		.length = (uint16_t)length,
		.success = entry->success,
		.refused = entry->refused,
	};

	pthread_mutex_lock(&recent->lock);
	make_room(recent, slot.size);
	memcpy(recent->block + recent->tail, &slot, sizeof(slot));
	memcpy(recent->block + recent->tail + sizeof(slot), entry->text, length);
	recent->tail += slot.size;
	recent->next++;
	pthread_mutex_unlock(&recent->lock);
}

uint64_t recent_pushed(struct recent *recent)
{
	uint64_t next;

	pthread_mutex_lock(&recent->lock);
	next = recent->next;
	pthread_mutex_unlock(&recent->lock);
	return next;
}

void recent_settle(struct recent *recent, uint64_t index)
{
	pthread_mutex_lock(&recent->lock);
	if (index > recent->next)
		index = recent->next;
	if (index > recent->settled)
		recent->settled = index;
	while (recent->oldest < recent->settled)
		drop_oldest(recent);
	pthread_mutex_unlock(&recent->lock);
}

bool recent_next(struct recent *recent, uint64_t *index, struct recent_entry *ret)
{
	struct slot slot;
	uint64_t at_index;
	size_t at;

	pthread_mutex_lock(&recent->lock);
	if (*index < recent->oldest)
		*index = recent->oldest;
	if (*index >= recent->next) {
		pthread_mutex_unlock(&recent->lock);
		return false;
	}

	at = recent->head;
	at_index = recent->oldest;
	if (recent->cursor > recent->oldest && recent->cursor <= *index) {
		at = recent->cursor_at;
		at_index = recent->cursor;
	}
	for (;;) {
		at = skip_mark(recent, at);
		slot = slot_at(recent, at);
		if (at_index == *index)
			break;
		at += slot.size;
		at_index++;
	}

	ret->type = slot.type;
	ret->success = slot.success;
	ret->refused = slot.refused;
	memcpy(ret->text, recent->block + at + sizeof(slot), slot.length);
	ret->text[slot.length] = '\0';
	/* The entry itself, not the one after it, which may not be written yet. */
	recent->cursor = at_index;
	recent->cursor_at = at;
	*index += 1;
	pthread_mutex_unlock(&recent->lock);
	return true;
}

uint64_t recent_take_lost(struct recent *recent)
{
	uint64_t lost = 0;

	pthread_mutex_lock(&recent->lock);
	if (recent->oldest > recent->settled) {
		lost = recent->oldest - recent->settled;
		recent->settled = recent->oldest;
	}
	pthread_mutex_unlock(&recent->lock);
	return lost;
}
