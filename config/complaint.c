/* SPDX-License-Identifier: Apache-2.0 */
/* How the list of everything wrong with a policy is built. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/complaint.h"

void complaints_fini(struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->n_items; i++)
		free(complaints->items[i].text);
	free(complaints->items);
	*complaints = (struct complaints){ 0 };
}

/* The capacity is always the next power of two, so it need not be kept. */
static int make_room(struct complaints *complaints)
{
	size_t n = complaints->n_items;
	struct complaint *items;

	if (n != 0 && (n & (n - 1)) != 0)
		return 0;
	items = reallocarray(complaints->items, n ? 2 * n : 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	complaints->items = items;
	return 0;
}

/* A second net under QUOTED(): whatever was formatted, one line of printable ASCII
 * results. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text >= 0x7f)
			*text = '?';
	}
}

int complaints_add(struct complaints *complaints, unsigned line, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	int r;

	if (complaints->n_items > COMPLAINTS_MAX)
		return 0;
	r = make_room(complaints);
	if (r < 0)
		return r;
	if (complaints->n_items == COMPLAINTS_MAX) {
		line = 0;
		r = asprintf(&text, "more than %u complaints: the rest is not shown",
			     COMPLAINTS_MAX);
	} else {
		va_start(arguments, format);
		r = vasprintf(&text, format, arguments);
		va_end(arguments);
	}
	if (r < 0)
		return -ENOMEM;
	make_printable(text);
	complaints->items[complaints->n_items++] = (struct complaint){ line, text };
	return 0;
}

/* Stable: a bottom-up merge would be faster, but COMPLAINTS_MAX is small and the list is
 * nearly in order already, where insertion is linear. */
void complaints_sort(struct complaints *complaints)
{
	struct complaint *items = complaints->items;

	for (size_t i = 1; i < complaints->n_items; i++) {
		struct complaint item = items[i];
		size_t j = i;

		for (; j > 0 && items[j - 1].line > item.line; j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
}
