/* SPDX-License-Identifier: Apache-2.0 */
/* The decisions of the past, decided again under a candidate policy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/replay-guards.h"
#include "fuse/replay-makers.h"
#include "fuse/replay-people.h"
#include "fuse/replay.h"
#include "fuse/trail-time.h"
#include "fuse/util.h"

struct replay {
	const struct replay_question *question;
	const struct policy *policies[REPLAY_POLICIES_MAX]; /* the candidate first */
	struct replay_guards *guards;
	struct replay_makers *makers;
	struct replay_people *people;
	struct replay_answer answer;
};

/* One decision under judgement. */
struct hearing {
	const struct past *past;
	const struct replay_roles *roles; /* by each policy */
	struct guess guesses[GUESSES_MAX];
	size_t n_guesses;
	const struct policy *candidate;
	struct past_place place; /* by the candidate */
	/* The policy that was in force decides as is on record, by the groups of now. */
	bool reproduced;
	bool policy_at_hand;
	bool modes_counted; /* by that policy */
};

struct replay *replay_new(const struct replay_question *question)
{
	_cleanup_(replay_freep) struct replay *replay = calloc(1, sizeof(*replay));

	if (!replay)
		return NULL;
	replay->question = question;
	replay->policies[0] = question->candidate;
	for (size_t i = 0; i < question->n_old; i++)
		replay->policies[i + 1] = question->old[i];
	replay->guards = replay_guards_new();
	replay->makers = replay_makers_new();
	replay->people = replay_people_new(replay->policies, question->n_old + 1);
	if (!replay->guards || !replay->makers || !replay->people ||
	    replay_rows_init(&replay->answer.rows) < 0)
		return NULL;
	return take_ptr(replay);
}

struct replay *replay_free(struct replay *replay)
{
	if (!replay)
		return NULL;
	replay_guards_free(replay->guards);
	replay_makers_free(replay->makers);
	replay_people_free(replay->people);
	replay_rows_fini(&replay->answer.rows);
	free(replay->answer.mountpoint);
	free(replay->answer.other_mountpoint);
	free(replay);
	return NULL;
}

/* Keeps the guesses by which a policy that may have been in force decides as is on
 * record. False, and all are kept, if there is none. */
static bool reproduce(struct hearing *hearing, const struct policy *policy,
		      const struct role_set *roles)
{
	struct guess kept[GUESSES_MAX];
	struct past_place place;
	size_t n = 0;

	past_find_place(policy, hearing->past, &place);
	for (size_t i = 0; i < hearing->n_guesses; i++) {
		struct decided decided;

		past_decide(policy, roles, hearing->past, &place, &hearing->guesses[i],
			    &decided);
		if (past_is_as_recorded(hearing->past, &decided))
			kept[n++] = hearing->guesses[i];
	}
	if (n == 0)
		return false;
	memcpy(hearing->guesses, kept, n * sizeof(kept[0]));
	hearing->n_guesses = n;
	hearing->modes_counted = place.modes_count;
	return true;
}

/* `hash`: of the policy that was in force; NULL: the trail does not tell, so that any
 * that decides as is on record will do. */
static void look_back(const struct replay *replay, const char *hash,
		      struct hearing *hearing)
{
	for (size_t i = 0; i < replay->question->n_old && !hearing->reproduced; i++) {
		const struct policy *policy = replay->question->old[i];

		if (hash && strcmp(policy->hash, hash) != 0)
			continue;
		hearing->reproduced =
			reproduce(hearing, policy, &hearing->roles[i + 1].now);
		hearing->policy_at_hand |= hash || hearing->reproduced;
	}
}

/* Whether the candidate decides the same by all guesses; *ret is the first. */
static bool decide_all(const struct hearing *hearing, const struct role_set *roles,
		       struct decided *ret)
{
	bool same = true;

	for (size_t i = 0; i < hearing->n_guesses; i++) {
		struct decided decided;

		past_decide(hearing->candidate, roles, hearing->past, &hearing->place,
			    &hearing->guesses[i], &decided);
		if (i == 0)
			*ret = decided;
		same = same && decided.done == ret->done;
	}
	return same;
}

static struct role_set all_roles(const struct policy *policy)
{
	struct role_set all = { 0 };

	for (unsigned i = 0; i < policy->n_roles; i++)
		role_set_add(&all, i);
	return all;
}

/* Whoever they were: roles only add to each other, so between nothing but the ids and
 * every role lies what they held. */
static bool groups_matter(const struct hearing *hearing)
{
	struct role_set most = all_roles(hearing->candidate);
	struct decided low, high;

	return !decide_all(hearing, &hearing->roles[0].least, &low) ||
	       !decide_all(hearing, &most, &high) || low.done != high.done;
}

/* The first guesses that differ in nothing but this. */
static enum replay_doubt doubt_between(const struct hearing *hearing)
{
	struct guess first = hearing->guesses[0];

	if (hearing->past->kind != PAST_OPERATION)
		return DOUBT_MOVE;
	for (size_t i = 1; i < hearing->n_guesses; i++)
		if (hearing->guesses[i].owns != first.owns)
			return DOUBT_OWNER;
	return DOUBT_HANDLE;
}

static bool was_done(const struct past *past)
{
	return past->outcome == PAST_ALLOWED;
}

/* What the source's modes make of it: they are not known, but where they were asked then
 * and are asked again, they answer the same. */
static enum replay_result result_of(const struct hearing *hearing, bool done,
				    enum replay_doubt *ret_doubt)
{
	enum past_outcome outcome = hearing->past->outcome;
	bool modes_count = done && hearing->place.modes_count;

	if (outcome == PAST_BARRED)
		return REPLAY_SAME;
	if (outcome == PAST_BY_MODES)
		return done && !modes_count ? REPLAY_ALLOWED : REPLAY_SAME;
	if (modes_count && (outcome != PAST_ALLOWED || !hearing->modes_counted)) {
		*ret_doubt = DOUBT_MODES;
		return REPLAY_UNTOLD;
	}
	if (done == was_done(hearing->past))
		return REPLAY_SAME;
	return done ? REPLAY_ALLOWED : REPLAY_DENIED;
}

static struct judgement untold(enum replay_doubt doubt)
{
	return (struct judgement){ .result = REPLAY_UNTOLD, .doubt = doubt };
}

/* The groups of the past are not on record: those of now are taken if by them the policy
 * of then decides as is on record. */
static struct judgement judge(const struct hearing *hearing)
{
	struct judgement judgement = { 0 };
	bool sure = decide_all(hearing, &hearing->roles[0].now, &judgement.decided);
	bool same = sure && judgement.decided.done == was_done(hearing->past);
	bool matter = !hearing->reproduced && groups_matter(hearing);

	if (matter && (hearing->policy_at_hand || !same))
		return untold(hearing->policy_at_hand ? DOUBT_GROUPS : DOUBT_POLICY);
	if (!sure)
		return untold(doubt_between(hearing));
	judgement.result = result_of(hearing, judgement.decided.done, &judgement.doubt);
	return judgement;
}

/* Who is let through is so by the zone on the way to which it is. */
static void find_rule(const struct hearing *hearing, struct judgement *judgement)
{
	struct decided *decided = &judgement->decided;
	const struct role_set *roles = &hearing->roles[0].now;
	const struct zone *way;

	if (judgement->result != REPLAY_ALLOWED || !decided->on_the_way)
		return;
	way = policy_zone_led_to(hearing->candidate, roles, hearing->past->path);
	if (way)
		policy_decide(hearing->candidate, roles, way, OPERATION_LOOKUP, false,
			      time(NULL), &decided->verdict);
}

static int hear(struct replay *replay, const struct trail_event *event,
		const struct past *past, struct judgement *ret)
{
	struct hearing hearing = { .past = past,
				   .candidate = replay->question->candidate };
	enum making making = MAKING_UNKNOWN;

	hearing.roles = replay_people_roles(replay->people, &event->record);
	if (!hearing.roles)
		return -ENOMEM;
	if (past->is_handles)
		making = replay_makers_ask(replay->makers, event);
	hearing.n_guesses = guesses_make(past, making, hearing.guesses);
	if (hearing.n_guesses == 0) {
		*ret = untold(DOUBT_RECORD);
		return 0;
	}
	look_back(replay, replay_guards_policy(replay->guards, event), &hearing);
	past_find_place(hearing.candidate, past, &hearing.place);
	*ret = judge(&hearing);
	find_rule(&hearing, ret);
	return 0;
}

static void note_missing(struct replay_answer *answer, const char *hash, uint64_t count)
{
	size_t i;

	for (i = 0; i < answer->n_missing; i++)
		if (strcmp(answer->missing[i].hash, hash ? hash : "") == 0)
			break;
	if (i == REPLAY_MISSING_MAX)
		return;
	if (i == answer->n_missing) {
		(void)snprintf(answer->missing[i].hash, sizeof(answer->missing[i].hash),
			       "%s", hash ? hash : "");
		answer->n_missing++;
	}
	answer->missing[i].n_untold += count;
}

static void note_time(struct replay_answer *answer, const struct timespec *time)
{
	if (answer->n_decisions == 0 || trail_time_compare(time, &answer->first) < 0)
		answer->first = *time;
	if (answer->n_decisions == 0 || trail_time_compare(time, &answer->last) > 0)
		answer->last = *time;
}

/* Repeated denials are one record that counts them. */
static uint64_t count_of(const struct record *record)
{
	return record->present & RECORD_COUNT ? record->count : 1;
}

static int add(struct replay *replay, const struct trail_event *event,
	       const struct past *past, const struct judgement *judgement)
{
	struct replay_answer *answer = &replay->answer;
	uint64_t count = count_of(&event->record);

	note_time(answer, &event->record.time);
	answer->n_decisions += count;
	answer->n_results[judgement->result] += count;
	if (judgement->result == REPLAY_SAME)
		return 0;
	if (judgement->result == REPLAY_UNTOLD)
		answer->n_doubts[judgement->doubt] += count;
	if (judgement->doubt == DOUBT_POLICY)
		note_missing(answer, replay_guards_policy(replay->guards, event), count);
	return replay_rows_add(&answer->rows, past, judgement, count);
}

/* The record before said that it was allowed, and was counted so. */
static int take_back(struct replay *replay, const struct trail_event *event,
		     const struct past *past)
{
	struct replay_answer *answer = &replay->answer;
	struct past before = *past;
	struct judgement judgement;
	int r;

	before.outcome = PAST_ALLOWED;
	r = hear(replay, event, &before, &judgement);
	if (r < 0 || answer->n_results[judgement.result] == 0)
		return r;
	answer->n_decisions--;
	answer->n_results[judgement.result]--;
	if (judgement.result == REPLAY_UNTOLD)
		answer->n_doubts[judgement.doubt]--;
	if (judgement.result != REPLAY_SAME)
		replay_rows_take_back(&answer->rows, &before, &judgement);
	return 0;
}

/* Of the guards mounted now, the one that a path is below: the innermost. */
static const char *mounted_above(const struct replay_question *question, const char *path)
{
	const char *best = NULL;

	for (size_t i = 0; path && i < question->n_mounted; i++) {
		const char *mountpoint = question->mounted[i];

		if (past_share_path(path, mountpoint) &&
		    (!best || strlen(mountpoint) > strlen(best)))
			best = mountpoint;
	}
	return best;
}

/* Where the share of a record was mounted; NULL: it cannot be told. */
static const char *mount_of(const struct replay *replay, const struct trail_event *event)
{
	const struct replay_question *question = replay->question;
	const char *path = event->record.path;
	const char *mountpoint = replay_guards_mount(replay->guards, event);

	if (!mountpoint && question->mountpoint && path &&
	    past_share_path(path, question->mountpoint))
		mountpoint = question->mountpoint;
	return mountpoint ? mountpoint : mounted_above(question, path);
}

/* One policy is for one share. 1: the event is of the one that is asked about, 0: of
 * another; or -errno. */
static int is_of_share(struct replay *replay, const char *mountpoint)
{
	struct replay_answer *answer = &replay->answer;
	const char *asked = replay->question->mountpoint;
	char **to = answer->mountpoint ? &answer->other_mountpoint : &answer->mountpoint;

	if (asked)
		return mountpoint && strcmp(mountpoint, asked) == 0;
	if (!mountpoint)
		return 1; /* it will be untold */
	if (answer->mountpoint && strcmp(answer->mountpoint, mountpoint) == 0)
		return 1;
	*to = strdup(mountpoint);
	if (!*to)
		return -ENOMEM;
	return answer->other_mountpoint ? -EXDEV : 1;
}

static int judge_event(struct replay *replay, const struct trail_event *event)
{
	const char *mountpoint = mount_of(replay, event);
	struct judgement judgement;
	struct past past;
	int r;

	r = is_of_share(replay, mountpoint);
	if (r <= 0) {
		replay->answer.n_elsewhere += r == 0;
		return r;
	}
	judgement = untold(past_read(event, mountpoint ? mountpoint : "", &past));
	if (!mountpoint)
		judgement.doubt = DOUBT_MOUNT;
	if (judgement.doubt == DOUBT_NONE)
		r = hear(replay, event, &past, &judgement);
	if (r >= 0 && past_takes_back(event))
		r = take_back(replay, event, &past);
	return r < 0 ? r : add(replay, event, &past, &judgement);
}

static void note_gap(struct replay_answer *answer, const struct record *record)
{
	if (record->kind != RECORD_LIFECYCLE || strcmp(record->op, "gap") != 0)
		return;
	if (record->note && strcmp(record->note, "unrecorded") == 0)
		answer->n_unrecorded += record->count;
	else
		answer->n_refused += record->count;
}

int replay_add(struct replay *replay, const struct trail_event *event)
{
	int r = replay_guards_note(replay->guards, event);

	if (r == 0 && trail_filter_in_time(&replay->question->filter, event)) {
		note_gap(&replay->answer, &event->record);
		if (past_is_decision(event) || past_takes_back(event))
			r = judge_event(replay, event);
	}
	if (r >= 0)
		replay_makers_note(replay->makers, event);
	return r;
}

const struct replay_answer *replay_answer(struct replay *replay)
{
	replay_rows_sort(&replay->answer.rows);
	return &replay->answer;
}
