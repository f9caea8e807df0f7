/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a hostile file: within bounds, through one window. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fuse/format-source.h"
#include "fuse/util.h"

static bool read_at(struct source *source, uint64_t offset, uint8_t *buffer, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = RET_ERRNO(pread(source->fd, buffer + done, n - done,
					      (off_t)(offset + done)));

		if (got == -EINTR)
			continue;
		if (got < 0)
			source->error = (int)got;
		if (got == 0)
			source->shorter = true;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static bool is_inside(const struct source *source, uint64_t offset, size_t n)
{
	return offset <= source->size && n <= source->size - offset && !source->shorter &&
	       source->error == 0;
}

const uint8_t *source_bytes(struct source *source, uint64_t offset, size_t n)
{
	uint64_t left;

	if (n > SOURCE_WINDOW || !is_inside(source, offset, n))
		return NULL;
	if (offset < source->at || offset + n > source->at + source->n) {
		left = source->size - offset;
		source->n = 0;
		source->at = offset;
		if (!read_at(source, offset, source->window,
			     left < SOURCE_WINDOW ? (size_t)left : SOURCE_WINDOW))
			return NULL;
		source->n = left < SOURCE_WINDOW ? (size_t)left : SOURCE_WINDOW;
	}
	return source->window + (offset - source->at);
}

bool source_copy(struct source *source, uint64_t offset, void *buffer, size_t n)
{
	const uint8_t *bytes;

	if (n > SOURCE_WINDOW)
		return is_inside(source, offset, n) && read_at(source, offset, buffer, n);
	bytes = source_bytes(source, offset, n);
	if (bytes && n > 0)
		memcpy(buffer, bytes, n);
	return bytes;
}

bool source_number(struct source *source, uint64_t offset, size_t n, uint64_t *ret_number)
{
	const uint8_t *bytes = source_bytes(source, offset, n);
	uint64_t number = 0;

	if (!bytes)
		return false;
	for (size_t i = n; i > 0; i--)
		number = number << 8 | bytes[i - 1];
	*ret_number = number;
	return true;
}

int array_reserve(void **items, size_t n, size_t *capacity, size_t size)
{
	size_t more = *capacity ? 2 * *capacity : 64;
	void *moved;

	if (n < *capacity)
		return 0;
	moved = reallocarray(*items, more, size);
	if (!moved)
		return -ENOMEM;
	*items = moved;
	*capacity = more;
	return 0;
}

void name_set_fini(struct name_set *set)
{
	free(set->items);
}

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const uint8_t *bytes, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

int name_set_add(struct name_set *set, const void *name, size_t n, uint64_t at)
{
	if (array_reserve((void **)&set->items, set->n, &set->capacity,
			  sizeof(*set->items)) < 0)
		return -ENOMEM;
	set->items[set->n++] = (struct name_seen){ hash_of(name, n), at };
	return 0;
}

static int compare_names(const void *one, const void *other)
{
	const struct name_seen *a = one, *b = other;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

bool name_set_repeats(struct name_set *set, uint64_t *ret_at)
{
	if (set->n > 1)
		qsort(set->items, set->n, sizeof(*set->items), compare_names);
	for (size_t i = 1; i < set->n; i++) {
		if (set->items[i].hash == set->items[i - 1].hash) {
			*ret_at = set->items[i].at;
			return true;
		}
	}
	return false;
}

void format_say(struct format_verdict *verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(verdict->reason, sizeof(verdict->reason), format, arguments);
	va_end(arguments);
}
