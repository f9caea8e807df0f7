/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain --record: a decision of the past, found in the trail. */
#include <stdlib.h>
#include <string.h>

#include "fuse/ctl-recorded.h"
#include "fuse/ctl-trail.h"
#include "fuse/util.h"

/* What a start of a guard says of itself. */
struct guard_run {
	uint64_t guard;
	char *mountpoint;
	char *policy_file;
	uint64_t gen;
	char hash[65];
};

struct search {
	const struct trail_filter *times;
	uint64_t seqno;
	const char *mount;
	struct guard_run *runs;
	size_t n_runs;
	uint64_t guard; /* that wrote what was found */
	struct recorded *found;
};

static void search_fini(struct search *search)
{
	for (size_t i = 0; i < search->n_runs; i++) {
		free(search->runs[i].mountpoint);
		free(search->runs[i].policy_file);
	}
	free(search->runs);
}

static struct guard_run *find_run(struct search *search, uint64_t guard)
{
	struct guard_run *more;

	for (size_t i = search->n_runs; i > 0; i--) {
		if (search->runs[i - 1].guard == guard)
			return &search->runs[i - 1];
	}
	more = reallocarray(search->runs, search->n_runs + 1, sizeof(*more));
	if (!more)
		return NULL;
	search->runs = more;
	more[search->n_runs] = (struct guard_run){ .guard = guard };
	return &more[search->n_runs++];
}

static int replace(char **text, const char *by)
{
	free(*text);
	*text = strdup(by ? by : "");
	return *text ? 0 : -ENOMEM;
}

/* Policies and starts: they come before the decisions that they are for. */
static int note_run(struct search *search, const struct trail_event *event)
{
	const struct record *record = &event->record;
	struct guard_run *run = find_run(search, event->guard);

	if (!run)
		return -ENOMEM;
	if (strcmp(record->op, "start") == 0)
		return replace(&run->mountpoint, record->path);
	if (record->kind != RECORD_CONFIG || !record->success || !record->hash)
		return 0;
	run->gen = record->gen;
	snprintf(run->hash, sizeof(run->hash), "%s", record->hash);
	return replace(&run->policy_file, record->path);
}

static bool is_below(const char *mount, const char *path)
{
	size_t length = strlen(mount);

	while (length > 1 && mount[length - 1] == '/')
		length--;
	return path && strncmp(path, mount, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

/* A copy of the event, and of what is known of its guard by now. */
static int keep(struct search *search, const struct trail_event *event)
{
	struct recorded *found = search->found;
	struct guard_run *run = find_run(search, event->guard);

	if (found->record)
		found->n_others++;
	free(found->record);
	found->record = record_copy(&event->record);
	if (!found->record || !run || replace(&found->node, event->node) < 0)
		return -ENOMEM;
	search->guard = event->guard;
	found->outcome = event->outcome;
	found->is_decision = event->record.kind == RECORD_DECISION;
	found->hash[0] = '\0';
	free(found->mountpoint);
	free(found->policy_file);
	found->mountpoint = found->policy_file = NULL;
	if (run->gen == event->record.gen)
		memcpy(found->hash, run->hash, sizeof(found->hash));
	if ((run->mountpoint && replace(&found->mountpoint, run->mountpoint) < 0) ||
	    (run->policy_file && replace(&found->policy_file, run->policy_file) < 0))
		return -ENOMEM;
	return 0;
}

static int on_event(struct trail_event *event, void *user)
{
	struct search *search = user;
	const struct record *record = &event->record;
	int r = 0;

	if (record->kind != RECORD_DECISION)
		r = note_run(search, event);
	/* How the effect went is told by a record of the same number. */
	if (r == 0 && record->seqno == search->seqno && !event->corrects &&
	    trail_filter_in_time(search->times, event) &&
	    (!search->mount || is_below(search->mount, record->path)))
		r = keep(search, event);
	return r < 0 ? ctl_fail("no memory") : CTL_OK;
}

int recorded_find(const char *input, const struct trail_filter *times, uint64_t seqno,
		  const char *mount, struct recorded *ret)
{
	_cleanup_(trail_closep) struct trail *trail = NULL;
	_cleanup_(search_fini) struct search search = {
		.times = times,
		.seqno = seqno,
		.mount = mount,
		.found = ret,
	};
	int status;

	*ret = (struct recorded){ 0 };
	status = ctl_trail_open(input, false, &trail);
	return status == CTL_OK ? ctl_trail_each(trail, true, on_event, &search) : status;
}

void recorded_fini(struct recorded *recorded)
{
	free(recorded->record);
	free(recorded->node);
	free(recorded->mountpoint);
	free(recorded->policy_file);
}
