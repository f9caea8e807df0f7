/* SPDX-License-Identifier: Apache-2.0 */
/* Where a model comes from, as JSON. */
#include "fuse/ancestry.h"
#include "fuse/ctl-event.h"
#include "fuse/ctl-json.h"

static void set_time(json_t *object, const char *name, const struct timespec *time)
{
	ctl_json_set(object, name,
		     json_real((double)time->tv_sec + (double)time->tv_nsec / 1e9));
}

static json_t *json_step(const struct ancestry_step *step)
{
	json_t *item = json_object();

	set_time(item, "time", &step->time);
	ctl_json_set_text(item, "op", step->op);
	ctl_json_set_text(item, "outcome",
			  step->outcome == TRAIL_DENIED
				  ? "denied"
				  : ctl_outcome_name(step->outcome));
	ctl_json_set_text(item, "acct", step->acct);
	ctl_json_set(item, "times", json_integer((json_int_t)step->n));
	ctl_json_set_text(item, "path", step->path);
	if (step->new_path[0])
		ctl_json_set_text(item, "name", step->new_path);
	if (step->reason[0])
		ctl_json_set_text(item, "reason", step->reason);
	return item;
}

static json_t *json_inputs(const struct ancestry *ancestry, size_t writer)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ancestry->inputs.n; i++) {
		const struct ancestry_input *input = &ancestry->inputs.items[i];
		json_t *item;

		if (input->writer != writer)
			continue;
		item = json_object();
		ctl_json_set_text(item, "path", input->path);
		ctl_json_set(item, "same_process", json_boolean(!input->sibling));
		ctl_json_set(item, "opens", json_integer((json_int_t)input->n));
		set_time(item, "first", &input->first);
		json_array_append_new(list, item);
	}
	return list;
}

static json_t *json_writer(const struct ancestry *ancestry, size_t index)
{
	const struct ancestry_writer *writer = &ancestry->writers.items[index];
	json_t *item = json_object();

	ctl_json_set_text(item, "acct", writer->acct);
	ctl_json_set(item, "uid", json_integer(writer->uid));
	ctl_json_set(item, "pid", json_integer(writer->pid));
	ctl_json_set_text(item, "comm", writer->comm);
	ctl_json_set_text(item, "exe", writer->exe);
	set_time(item, "begin", &writer->begin);
	set_time(item, "first", &writer->first);
	set_time(item, "last", &writer->last);
	ctl_json_set(item, "read", json_inputs(ancestry, index));
	return item;
}

static json_t *json_reader(const struct ancestry_reader *reader)
{
	json_t *item = json_object();

	ctl_json_set_text(item, "acct", reader->acct);
	ctl_json_set(item, "uid", json_integer(reader->uid));
	ctl_json_set_text(item, "exe", reader->exe);
	ctl_json_set(item, "opens", json_integer((json_int_t)reader->n));
	set_time(item, "first", &reader->first);
	set_time(item, "last", &reader->last);
	return item;
}

json_t *ancestry_json(const struct ancestry *ancestry)
{
	json_t *document = json_object(), *list = json_array();

	ctl_json_set_text(document, "path", ancestry->path);
	for (size_t i = 0; i < ancestry->steps.n; i++)
		json_array_append_new(list, json_step(&ancestry->steps.items[i]));
	ctl_json_set(document, "steps", list);
	list = json_array();
	for (size_t i = 0; i < ancestry->writers.n; i++)
		json_array_append_new(list, json_writer(ancestry, i));
	ctl_json_set(document, "writers", list);
	list = json_array();
	for (size_t i = 0; i < ancestry->readers.n; i++)
		json_array_append_new(list, json_reader(&ancestry->readers.items[i]));
	ctl_json_set(document, "readers", list);
	ctl_json_set(document, "denied", json_integer((json_int_t)ancestry->n_denied));
	ctl_json_set(document, "not_listed",
		     json_pack("{s:I, s:I, s:I, s:I}", "steps",
			       (json_int_t)ancestry->steps.more, "writers",
			       (json_int_t)ancestry->writers.more, "read",
			       (json_int_t)ancestry->inputs.more, "readers",
			       (json_int_t)ancestry->readers.more));
	return document;
}
