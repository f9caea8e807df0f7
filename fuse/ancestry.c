/* SPDX-License-Identifier: Apache-2.0 */
/* Where a model comes from and who has used it, gathered from the trail. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/ancestry.h"
#include "fuse/trail-time.h"
#include "fuse/util.h"

/* A process that shows up longer before has ended: its number is another's. */
#define LIFE_S 86400

static const char *const steps[] = {
	"create",  "mkdir",  "mknod",	"symlink", "rename",
	"link",	   "unlink", "rmdir",	"approve", "unapprove",
	"promote", "hold",   "release", "verify",  "keep",
};
static const char *const writes[] = { "create", "open-write", "open-read-write", "write",
				      "truncate" };
static const char *const reads[] = { "open-read", "open-read-write" };

#define IS_ONE_OF(op, list) is_one_of(op, list, sizeof(list) / sizeof(list[0]))

static bool is_one_of(const char *op, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(op, list[i]) == 0)
			return true;
	return false;
}

/* Room for one more in a list: 1; 0: it is full, which is counted; -ENOMEM. */
static int reserve(void **items, size_t n, size_t *room, uint64_t *more, size_t size)
{
	size_t wanted = *room ? 2 * *room : 16;
	void *grown;

	if (n >= ANCESTRY_MAX) {
		(*more)++;
		return 0;
	}
	if (n < *room)
		return 1;
	grown = reallocarray(*items, wanted, size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*room = wanted;
	return 1;
}

#define RESERVE(list)                                                             \
	reserve((void **)&(list)->items, (list)->n, &(list)->room, &(list)->more, \
		sizeof(*(list)->items))

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

/* A tree of a thousand files is made in one step. */
static bool continues_last(const struct ancestry *ancestry,
			   const struct trail_event *event)
{
	static const char *const small[] = { "create",	"mkdir",  "mknod",
					     "symlink", "unlink", "rmdir" };
	const struct record *record = &event->record;
	const struct ancestry_step *last;

	if (ancestry->steps.n == 0 || !IS_ONE_OF(record->op, small))
		return false;
	last = &ancestry->steps.items[ancestry->steps.n - 1];
	return strcmp(last->op, record->op) == 0 && last->outcome == event->outcome &&
	       record->actor && strcmp(last->acct, record->actor->acct) == 0;
}

static int add_step(struct ancestry *ancestry, const struct trail_event *event)
{
	const struct record *record = &event->record;
	struct ancestry_step *step;
	int r;

	if (continues_last(ancestry, event)) {
		ancestry->steps.items[ancestry->steps.n - 1].n++;
		return 0;
	}
	r = RESERVE(&ancestry->steps);
	if (r <= 0)
		return r;
	step = &ancestry->steps.items[ancestry->steps.n++];
	*step = (struct ancestry_step){
		.time = record->time,
		.outcome = event->outcome,
		.n = 1,
		.op = copy(record->op),
		.acct = copy(record->actor ? record->actor->acct : NULL),
		.path = copy(record->path),
		.new_path = copy(record->new_path),
		.reason = copy(record->reason),
	};
	return step->op && step->acct && step->path && step->new_path && step->reason
		       ? 0
		       : -ENOMEM;
}

static bool same_text(const char *kept, const char *text)
{
	return strcmp(kept, text ? text : "") == 0;
}

static bool is_program_of(const struct ancestry_writer *writer,
			  const struct trail_event *event)
{
	const struct actor *actor = event->record.actor;

	return actor && writer->uid == actor->uid && same_text(writer->exe, actor->exe) &&
	       same_text(writer->node, event->node);
}

/* A number that was seen a day ago is taken for another process. */
static bool is_writer(const struct ancestry_writer *writer,
		      const struct trail_event *event)
{
	return is_program_of(writer, event) && writer->pid == event->record.actor->pid &&
	       event->record.time.tv_sec - writer->last.tv_sec < LIFE_S;
}

static int new_writer(struct ancestry *ancestry, const struct trail_event *event)
{
	const struct actor *actor = event->record.actor;
	struct ancestry_writer *writer;
	int r = RESERVE(&ancestry->writers);

	if (r <= 0)
		return r;
	writer = &ancestry->writers.items[ancestry->writers.n++];
	*writer = (struct ancestry_writer){
		.acct = copy(actor->acct),
		.comm = copy(actor->comm),
		.exe = copy(actor->exe),
		.node = copy(event->node),
		.uid = actor->uid,
		.pid = actor->pid,
		.begin = event->record.time,
		.first = event->record.time,
		.last = event->record.time,
		.n = 1,
	};
	return writer->acct && writer->comm && writer->exe && writer->node ? 0 : -ENOMEM;
}

static int add_write(struct ancestry *ancestry, const struct trail_event *event)
{
	for (size_t i = ancestry->writers.n; i > 0; i--) {
		struct ancestry_writer *writer = &ancestry->writers.items[i - 1];

		if (!is_writer(writer, event))
			continue;
		writer->last = event->record.time;
		writer->n++;
		return 0;
	}
	return new_writer(ancestry, event);
}

int ancestry_find_writers(struct ancestry *ancestry, const struct trail_event *event)
{
	const struct record *record = &event->record;
	int r = 0;

	if (event->corrects || !lineage_has(ancestry->lineage, event))
		return 0;
	if (event->outcome == TRAIL_DENIED)
		ancestry->n_denied++;
	if (IS_ONE_OF(record->op, steps))
		r = add_step(ancestry, event);
	if (r < 0 || event->outcome != TRAIL_OK)
		return r;
	if (strcmp(record->op, "promote") == 0)
		ancestry->promoted = record->time;
	if (record->actor && IS_ONE_OF(record->op, writes))
		r = add_write(ancestry, event);
	return r;
}

int ancestry_find_begins(struct ancestry *ancestry, const struct trail_event *event)
{
	const struct timespec *time = &event->record.time;

	if (!event->record.actor)
		return 0;
	for (size_t i = 0; i < ancestry->writers.n; i++) {
		struct ancestry_writer *writer = &ancestry->writers.items[i];

		if (is_program_of(writer, event) &&
		    writer->pid == event->record.actor->pid &&
		    trail_time_compare(time, &writer->begin) < 0 &&
		    writer->first.tv_sec - time->tv_sec < LIFE_S)
			writer->begin = *time;
	}
	return 0;
}

static int add_input(struct ancestry *ancestry, const struct trail_event *event,
		     size_t writer, bool sibling)
{
	struct ancestry_input *input;
	int r;

	for (size_t i = 0; i < ancestry->inputs.n; i++) {
		input = &ancestry->inputs.items[i];
		if (strcmp(input->path, event->record.path) != 0 ||
		    input->writer != writer)
			continue;
		input->n++;
		input->sibling = input->sibling && sibling;
		return 0;
	}
	r = RESERVE(&ancestry->inputs);
	if (r <= 0)
		return r;
	input = &ancestry->inputs.items[ancestry->inputs.n++];
	*input = (struct ancestry_input){ .path = copy(event->record.path),
					  .writer = writer,
					  .sibling = sibling,
					  .first = event->record.time,
					  .n = 1 };
	return input->path ? 0 : -ENOMEM;
}

static int find_input(struct ancestry *ancestry, const struct trail_event *event)
{
	const struct timespec *time = &event->record.time;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ancestry->writers.n; i++) {
		const struct ancestry_writer *writer = &ancestry->writers.items[i];

		if (is_program_of(writer, event) &&
		    trail_time_compare(time, &writer->begin) >= 0 &&
		    trail_time_compare(time, &writer->last) <= 0)
			r = add_input(ancestry, event, i,
				      writer->pid != event->record.actor->pid);
	}
	return r;
}

static int add_reader(struct ancestry *ancestry, const struct trail_event *event)
{
	const struct actor *actor = event->record.actor;
	struct ancestry_reader *reader;
	int r;

	for (size_t i = 0; i < ancestry->readers.n; i++) {
		reader = &ancestry->readers.items[i];
		if (reader->uid != actor->uid || !same_text(reader->exe, actor->exe))
			continue;
		reader->last = event->record.time;
		reader->n++;
		return 0;
	}
	r = RESERVE(&ancestry->readers);
	if (r <= 0)
		return r;
	reader = &ancestry->readers.items[ancestry->readers.n++];
	*reader = (struct ancestry_reader){ .acct = copy(actor->acct),
					    .exe = copy(actor->exe),
					    .uid = actor->uid,
					    .first = event->record.time,
					    .last = event->record.time,
					    .n = 1 };
	return reader->acct && reader->exe ? 0 : -ENOMEM;
}

int ancestry_find_reads(struct ancestry *ancestry, const struct trail_event *event)
{
	const struct record *record = &event->record;

	if (event->corrects || event->outcome != TRAIL_OK || !record->actor ||
	    !record->path || !IS_ONE_OF(record->op, reads))
		return 0;
	if (!lineage_has(ancestry->lineage, event))
		return find_input(ancestry, event);
	if (trail_time_compare(&record->time, &ancestry->promoted) < 0)
		return 0;
	return add_reader(ancestry, event);
}

bool ancestry_is_empty(const struct ancestry *ancestry)
{
	return ancestry->steps.n == 0 && ancestry->writers.n == 0 &&
	       ancestry->readers.n == 0 && ancestry->n_denied == 0;
}

void ancestry_fini(struct ancestry *ancestry)
{
	for (size_t i = 0; i < ancestry->steps.n; i++) {
		struct ancestry_step *step = &ancestry->steps.items[i];

		free(step->op);
		free(step->acct);
		free(step->path);
		free(step->new_path);
		free(step->reason);
	}
	for (size_t i = 0; i < ancestry->writers.n; i++) {
		struct ancestry_writer *writer = &ancestry->writers.items[i];

		free(writer->acct);
		free(writer->comm);
		free(writer->exe);
		free(writer->node);
	}
	for (size_t i = 0; i < ancestry->inputs.n; i++)
		free(ancestry->inputs.items[i].path);
	for (size_t i = 0; i < ancestry->readers.n; i++) {
		free(ancestry->readers.items[i].acct);
		free(ancestry->readers.items[i].exe);
	}
	free(ancestry->steps.items);
	free(ancestry->writers.items);
	free(ancestry->inputs.items);
	free(ancestry->readers.items);
	*ancestry = (struct ancestry){ 0 };
}
