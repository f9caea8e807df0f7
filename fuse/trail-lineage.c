/* SPDX-License-Identifier: Apache-2.0 */
/* The names that one file had, followed through renames and links, both ways. */
#include <errno.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/trail-lineage.h"
#include "fuse/util.h"

/* A record that takes an effect back comes soon after it: others may lie between. */
#define CORRECTION_MAX 4096

enum change {
	CHANGE_BORN,	  /* something new has the name */
	CHANGE_GONE,	  /* nothing has it */
	CHANGE_MOVED_IN,  /* what was called `other` has it now */
	CHANGE_MOVED_OUT, /* what had it is called `other` now */
	CHANGE_LINKED_IN, /* what is called `other` has it now, too */
	CHANGE_LINKED,	  /* it is called `other`, too */
};

struct name;

/* What one event did to one name. */
struct effect {
	uint64_t number; /* of the event */
	uint64_t guard, seqno;
	enum change change;
	struct name *other;
	bool undone; /* it was recorded and then failed */
	bool used;   /* on the way of what is traced */
};

/* The name was that of the file from event `begin` to event `end`, both included. */
struct span {
	struct name *name;
	uint64_t begin, end;
};

struct name {
	char *path;
	size_t *effects; /* indexes, ascending */
	size_t n_effects;
	size_t first_span, n_spans; /* after tracing */
};

struct lineage {
	void *names; /* tsearch(3) */
	struct effect *effects;
	size_t n_effects, room;
	struct span *spans; /* after tracing: by name, ascending, apart */
	size_t n_spans, span_room;
};

static void name_free(void *pointer)
{
	struct name *name = pointer;

	free(name->effects);
	free(name->path);
	free(name);
}

struct lineage *lineage_new(void)
{
	return calloc(1, sizeof(struct lineage));
}

struct lineage *lineage_free(struct lineage *lineage)
{
	if (!lineage)
		return NULL;
	tdestroy(lineage->names, name_free);
	free(lineage->effects);
	free(lineage->spans);
	free(lineage);
	return NULL;
}

static int compare_names(const void *one, const void *other)
{
	const struct name *a = one, *b = other;

	return strcmp(a->path, b->path);
}

static struct name *find_name(const struct lineage *lineage, const char *path)
{
	const struct name key = { .path = (char *)path };
	struct name **found = tfind(&key, &lineage->names, compare_names);

	return found ? *found : NULL;
}

static struct name *get_name(struct lineage *lineage, const char *path)
{
	struct name *name = find_name(lineage, path);

	if (name)
		return name;
	name = calloc(1, sizeof(*name));
	if (!name)
		return NULL;
	name->path = strdup(path);
	if (!name->path || !tsearch(name, &lineage->names, compare_names)) {
		name_free(name);
		return NULL;
	}
	return name;
}

/* The array with room for one more item; NULL without memory, and it stays as it was. */
static void *with_room(void *items, size_t n, size_t *room, size_t size)
{
	size_t wanted = *room ? 2 * *room : 256;
	void *grown = n < *room ? items : reallocarray(items, wanted, size);

	if (grown && n >= *room)
		*room = wanted;
	return grown;
}

/* Room is made by powers of two, so that a name may have many. */
static int add_index(struct name *name, size_t index)
{
	size_t n = name->n_effects;

	if ((n & (n - 1)) == 0) {
		size_t *effects =
			reallocarray(name->effects, n ? 2 * n : 1, sizeof(*effects));

		if (!effects)
			return -ENOMEM;
		name->effects = effects;
	}
	name->effects[name->n_effects++] = index;
	return 0;
}

static int add_effect(struct lineage *lineage, const struct trail_event *event,
		      enum change change, const char *path, const char *other)
{
	struct name *name = get_name(lineage, path);
	struct name *other_name = other ? get_name(lineage, other) : NULL;
	struct effect *effects = with_room(lineage->effects, lineage->n_effects,
					   &lineage->room, sizeof(*effects));

	if (!effects)
		return -ENOMEM;
	lineage->effects = effects;
	if (!name || (other && !other_name))
		return -ENOMEM;
	effects[lineage->n_effects] = (struct effect){
		.number = event->number,
		.guard = event->guard,
		.seqno = event->record.seqno,
		.change = change,
		.other = other_name,
	};
	return add_index(name, lineage->n_effects++);
}

/* Both names of a rename or a link. */
static int add_move(struct lineage *lineage, const struct trail_event *event,
		    enum change change, const char *from, const char *to)
{
	int r = add_effect(lineage, event, change, from, to);

	if (r < 0)
		return r;
	return add_effect(lineage, event,
			  change == CHANGE_LINKED ? CHANGE_LINKED_IN : CHANGE_MOVED_IN,
			  to, from);
}

static void undo(struct lineage *lineage, const struct trail_event *event)
{
	size_t n = lineage->n_effects;

	for (size_t i = 0; i < CORRECTION_MAX && i < n; i++) {
		struct effect *effect = &lineage->effects[n - 1 - i];

		if (effect->guard == event->guard && effect->seqno == event->record.seqno)
			effect->undone = true;
	}
}

static int note_change(struct lineage *lineage, const struct trail_event *event)
{
	static const struct {
		const char *operation;
		enum change change;
	} changes[] = {
		{ "create", CHANGE_BORN }, { "mkdir", CHANGE_BORN },
		{ "mknod", CHANGE_BORN },  { "symlink", CHANGE_BORN },
		{ "unlink", CHANGE_GONE }, { "rmdir", CHANGE_GONE },
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (strcmp(event->record.op, changes[i].operation) == 0)
			return add_effect(lineage, event, changes[i].change,
					  event->record.path, NULL);
	return 0;
}

int lineage_note(struct lineage *lineage, const struct trail_event *event)
{
	const struct record *record = &event->record;
	int r;

	if (!record->path || record->kind != RECORD_DECISION)
		return 0;
	if (event->corrects && event->outcome != TRAIL_OK)
		undo(lineage, event);
	if (event->corrects || event->outcome != TRAIL_OK)
		return 0;
	if (!record->new_path)
		return note_change(lineage, event);
	if (strcmp(record->op, "link") == 0)
		return add_move(lineage, event, CHANGE_LINKED, record->path,
				record->new_path);
	if (strcmp(record->op, "rename") != 0 && strcmp(record->op, "promote") != 0)
		return note_change(lineage, event);
	r = add_move(lineage, event, CHANGE_MOVED_OUT, record->path, record->new_path);
	if (r == 0 && record->note && strcmp(record->note, "exchange") == 0)
		r = add_move(lineage, event, CHANGE_MOVED_OUT, record->new_path,
			     record->path);
	return r;
}

/* Cuts the last component off. False when none is left. */
static bool to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return false;
	*slash = '\0';
	return true;
}

static const struct effect *effect_of(const struct lineage *lineage,
				      const struct name *name, size_t i)
{
	return &lineage->effects[name->effects[i]];
}

/* The first effect on a name that is not before event `number`. */
static size_t first_from(const struct lineage *lineage, const struct name *name,
			 uint64_t number)
{
	size_t low = 0, high = name->n_effects;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (effect_of(lineage, name, middle)->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_boundary(const struct effect *effect)
{
	return !effect->undone && effect->change != CHANGE_LINKED;
}

/* The last event before `number` that gave one name to something else; 0: none. */
static uint64_t boundary_before(const struct lineage *lineage, const struct name *name,
				uint64_t number)
{
	for (size_t i = first_from(lineage, name, number); i > 0; i--)
		if (is_boundary(effect_of(lineage, name, i - 1)))
			return effect_of(lineage, name, i - 1)->number;
	return 0;
}

static uint64_t boundary_after(const struct lineage *lineage, const struct name *name,
			       uint64_t number)
{
	for (size_t i = first_from(lineage, name, number + 1); i < name->n_effects; i++)
		if (is_boundary(effect_of(lineage, name, i)))
			return effect_of(lineage, name, i)->number;
	return UINT64_MAX;
}

/* Where a path stops to be that of the same file, before and after an event: it, or a
 * directory above it, becomes the name of something else. */
static void find_span(const struct lineage *lineage, const char *path, uint64_t number,
		      struct span *ret)
{
	char *above = strdupa(path);

	*ret = (struct span){ .end = UINT64_MAX };
	do {
		const struct name *name = find_name(lineage, above);
		uint64_t before = name ? boundary_before(lineage, name, number) : 0;
		uint64_t after =
			name ? boundary_after(lineage, name, number) : UINT64_MAX;

		ret->begin = before > ret->begin ? before : ret->begin;
		ret->end = after < ret->end ? after : ret->end;
	} while (to_parent(above));
}

static int add_span(struct lineage *lineage, const char *path, uint64_t begin,
		    uint64_t end)
{
	struct name *name = get_name(lineage, path);
	struct span *spans = with_room(lineage->spans, lineage->n_spans,
				       &lineage->span_room, sizeof(*spans));

	if (!spans)
		return -ENOMEM;
	lineage->spans = spans;
	if (!name)
		return -ENOMEM;
	spans[lineage->n_spans++] = (struct span){ name, begin, end };
	return 0;
}

/* From the other side of a rename or a link on, in the direction that it leads. */
static int follow_effect(struct lineage *lineage, struct effect *effect,
			 const char *below)
{
	_cleanup_(freep) char *path = NULL;
	struct span span;

	if (asprintf(&path, "%s%s", effect->other->path, below) < 0)
		return -ENOMEM;
	effect->used = true;
	find_span(lineage, path, effect->number, &span);
	if (effect->change == CHANGE_MOVED_IN)
		span.end = effect->number;
	else if (effect->change != CHANGE_LINKED_IN)
		span.begin = effect->number;
	return add_span(lineage, path, span.begin, span.end);
}

/* A move at the edge of a span is the span's own only where it leads on: into the name at
 * its begin, out of it at its end. */
static bool leads_on(const struct effect *effect, const struct span *span)
{
	if (effect->undone || effect->used || !effect->other)
		return false;
	if (effect->change == CHANGE_MOVED_IN || effect->change == CHANGE_LINKED_IN)
		return effect->number < span->end;
	return effect->number > span->begin;
}

static int follow_span(struct lineage *lineage, struct span span)
{
	const char *path = span.name->path;
	char *above = strdupa(path);
	int r = 0;

	do {
		const struct name *name = find_name(lineage, above);
		size_t i = name ? first_from(lineage, name, span.begin) : 0;

		for (; r == 0 && name && i < name->n_effects; i++) {
			struct effect *effect = &lineage->effects[name->effects[i]];

			if (effect->number > span.end)
				break;
			if (leads_on(effect, &span))
				r = follow_effect(lineage, effect, path + strlen(above));
		}
	} while (r == 0 && to_parent(above));
	return r;
}

static int compare_spans(const void *one, const void *other)
{
	const struct span *a = one, *b = other;

	if (a->name != b->name)
		return a->name < b->name ? -1 : 1;
	return a->begin < b->begin ? -1 : a->begin > b->begin;
}

/* Sorts the spans, joins those that overlap, and tells each name where its own are. */
static void order_spans(struct lineage *lineage)
{
	size_t n = 0;

	qsort(lineage->spans, lineage->n_spans, sizeof(struct span), compare_spans);
	for (size_t i = 0; i < lineage->n_spans; i++) {
		struct span span = lineage->spans[i],
			    *last = &lineage->spans[n ? n - 1 : 0];

		if (n > 0 && last->name == span.name && span.begin <= last->end) {
			last->end = span.end > last->end ? span.end : last->end;
			continue;
		}
		if (span.name->n_spans++ == 0)
			span.name->first_span = n;
		lineage->spans[n++] = span;
	}
	lineage->n_spans = n;
}

int lineage_trace(struct lineage *lineage, const char *path)
{
	int r = add_span(lineage, path, 0, UINT64_MAX);

	for (size_t i = 0; r == 0 && i < lineage->n_spans; i++)
		r = follow_span(lineage, lineage->spans[i]);
	if (r == 0)
		order_spans(lineage);
	return r;
}

static bool name_has(const struct lineage *lineage, const struct name *name,
		     uint64_t number)
{
	size_t low = name->first_span, high = low + name->n_spans;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct span *span = &lineage->spans[middle];

		if (number >= span->begin && number <= span->end)
			return true;
		if (number < span->begin)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static bool path_has(const struct lineage *lineage, const char *path, uint64_t number)
{
	char *above = strdupa(path);

	do {
		const struct name *name = find_name(lineage, above);

		if (name && name_has(lineage, name, number))
			return true;
	} while (to_parent(above));
	return false;
}

/* A directory above it was renamed: the path of that event is no name of the file. */
static bool is_on_the_way(const struct lineage *lineage, const char *path,
			  uint64_t number)
{
	const struct name *name = find_name(lineage, path);
	size_t i = name ? first_from(lineage, name, number) : 0;

	for (; name && i < name->n_effects; i++) {
		const struct effect *effect = effect_of(lineage, name, i);

		if (effect->number != number)
			return false;
		if (effect->used)
			return true;
	}
	return false;
}

/* A decision on it, or that modelguardctl has looked at it. */
static bool is_about_a_file(const struct record *record)
{
	return record->path &&
	       (record->kind == RECORD_DECISION || record->kind == RECORD_INTEGRITY ||
		strcmp(record->op, "verify") == 0 || strcmp(record->op, "keep") == 0);
}

bool lineage_has(const struct lineage *lineage, const struct trail_event *event)
{
	const struct record *record = &event->record;

	if (!is_about_a_file(record))
		return false;
	if (path_has(lineage, record->path, event->number) ||
	    is_on_the_way(lineage, record->path, event->number))
		return true;
	return record->new_path && strcmp(record->op, "symlink") != 0 &&
	       (path_has(lineage, record->new_path, event->number) ||
		is_on_the_way(lineage, record->new_path, event->number));
}
