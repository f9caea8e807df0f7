/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl replay: the answer for a program. */
#include <errno.h>

#include "fuse/ctl-json.h"
#include "fuse/ctl-replay.h"
#include "fuse/ctl-words.h"

static json_t *time_json(const struct timespec *time)
{
	return json_real((double)time->tv_sec + (double)time->tv_nsec / 1e9);
}

static json_t *operations_json(const struct replay_row *row)
{
	json_t *list = json_array();
	unsigned after = OPERATION_NONE;
	const char *operation;

	while ((operation = ctl_replay_operation(row, &after)))
		json_array_append_new(list, json_string(operation));
	return list;
}

static json_t *row_json(const struct replay_row *row)
{
	static const char *const changes[N_REPLAY_RESULTS] = {
		[REPLAY_SAME] = "none",
		[REPLAY_DENIED] = "denied",
		[REPLAY_ALLOWED] = "allowed",
		[REPLAY_UNTOLD] = "untold",
	};
	json_t *object = json_object();

	ctl_json_set_text(object, "change", changes[row->result]);
	ctl_json_set_text(object, "acct", row->acct);
	ctl_json_set(object, "uid", row->acct ? json_integer(row->uid) : json_null());
	ctl_json_set_text(object, "path", row->path);
	if (row->to_path)
		ctl_json_set_text(object, "name", row->to_path);
	ctl_json_set(object, "operations", operations_json(row));
	ctl_json_set(object, "count", json_integer((json_int_t)row->count));
	ctl_json_set(object, "first", time_json(&row->first));
	ctl_json_set(object, "last", time_json(&row->last));
	ctl_json_set_text(object, "reason", ctl_replay_reason(row));
	if (row->result == REPLAY_UNTOLD)
		return object;
	ctl_json_set(object, "zone", ctl_json_zone(row->zone));
	ctl_json_set_text(object, "role", row->role ? row->role->name : NULL);
	ctl_json_set(object, "line", row->line ? json_integer(row->line) : json_null());
	return object;
}

static json_t *untold_json(const struct replay_answer *answer)
{
	json_t *object = json_object(), *reasons = json_object(), *missing = json_array();

	for (unsigned i = DOUBT_NONE + 1; i < N_DOUBTS; i++)
		if (answer->n_doubts[i] > 0)
			ctl_json_set(reasons, replay_doubt_name((enum replay_doubt)i),
				     json_integer((json_int_t)answer->n_doubts[i]));
	for (size_t i = 0; i < answer->n_missing; i++) {
		const struct replay_missing *policy = &answer->missing[i];
		json_t *item = json_object();

		ctl_json_set_text(item, "sha256", policy->hash[0] ? policy->hash : NULL);
		ctl_json_set(item, "count", json_integer((json_int_t)policy->n_untold));
		json_array_append_new(missing, item);
	}
	ctl_json_set(object, "count",
		     json_integer((json_int_t)answer->n_results[REPLAY_UNTOLD]));
	ctl_json_set(object, "reasons", reasons);
	ctl_json_set(object, "missing_policies", missing);
	return object;
}

static void set_count(json_t *document, const char *name, uint64_t count)
{
	ctl_json_set(document, name, json_integer((json_int_t)count));
}

int ctl_replay_print_json(const struct replay_question *question,
			  const struct replay_answer *answer, const struct trail *trail)
{
	struct trail_counts counts = trail_counts(trail);
	json_t *document = json_object(), *changes = json_array();
	bool any = answer->n_decisions > 0;

	for (size_t i = 0; i < answer->rows.n_items; i++)
		json_array_append_new(changes, row_json(answer->rows.items[i]));
	ctl_json_set_text(document, "policy", question->candidate->file);
	ctl_json_set_text(document, "sha256", question->candidate->hash);
	set_count(document, "decisions", answer->n_decisions);
	set_count(document, "same", answer->n_results[REPLAY_SAME]);
	set_count(document, "denied", answer->n_results[REPLAY_DENIED]);
	set_count(document, "allowed", answer->n_results[REPLAY_ALLOWED]);
	ctl_json_set(document, "untold", untold_json(answer));
	ctl_json_set(document, "first", any ? time_json(&answer->first) : json_null());
	ctl_json_set(document, "last", any ? time_json(&answer->last) : json_null());
	ctl_json_set(document, "changes", changes);
	set_count(document, "unrecorded", answer->n_unrecorded);
	set_count(document, "refused_unrecorded", answer->n_refused);
	set_count(document, "of_other_shares", answer->n_elsewhere);
	set_count(document, "broken", counts.broken + counts.halves);
	set_count(document, "foreign", counts.foreign);
	return ctl_json_print(document);
}
