/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain --record: a decision of the past, and what it would be now. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/identity.h"
#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-event.h"
#include "fuse/ctl-explain.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl-recorded.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

/* The record's word and what it can have been decided as, at which of its two paths. */
static const struct reading {
	const char *word;
	enum operation operation;
	bool new_path;
} readings[] = {
	{ "rename", OPERATION_RENAME_FROM, false },
	{ "rename", OPERATION_MOVE_OUT, false },
	{ "rename", OPERATION_RENAME_TO, true },
	{ "rename", OPERATION_RENAME_OVER, true },
	{ "rename", OPERATION_RENAME_OVER_DIR, true },
	{ "rename", OPERATION_RENAME_EXCHANGE, false },
	{ "rename", OPERATION_RENAME_EXCHANGE, true },
	{ "promote", OPERATION_PROMOTE, true },
	{ "promote", OPERATION_MOVE_OUT, false },
	{ "link", OPERATION_LINK, true },
	{ "link", OPERATION_LINK, false },
};

#define N_READINGS (sizeof(readings) / sizeof(readings[0]))

/* What is known when the record was found. */
struct past {
	const struct record_question *asked;
	struct recorded found;
	struct policy *policy; /* of now */
	bool same_policy, has_user;
	struct subject subject; /* of now */
	gid_t *groups;
	char user[256];
};

static void past_fini(struct past *past)
{
	recorded_fini(&past->found);
	policy_unref(past->policy);
	free(past->groups);
}

static bool was_allowed(const struct past *past)
{
	return past->found.outcome != TRAIL_DENIED;
}

/* Denied for what no policy says: a move across zones that must be a copy, mode bits ...
 */
static bool was_refused_otherwise(const struct past *past)
{
	const char *reason = past->found.record->reason;
	bool is_denial = false;

	for (int i = DENIAL_NO_ZONE; i <= DENIAL_NOT_OWNER && reason; i++)
		is_denial |=
			strcmp(reason, denial_reason_name((enum denial_reason)i)) == 0;
	return !was_allowed(past) && reason && !is_denial;
}

/* Whether it is answered as it was, by the same line. */
static bool agrees(const struct past *past, const struct answer *answer)
{
	bool was_granted = was_allowed(past) || was_refused_otherwise(past);

	return answer_allowed(answer) == was_granted &&
	       answer->rule.line == past->found.record->rule_line;
}

/* Without its mount point; *ret is the caller's, and NULL if it is not known. */
static int path_in_share(const struct past *past, const char *path, char **ret)
{
	const char *mount =
		past->asked->mount ? past->asked->mount : past->found.mountpoint;
	const char *fault = NULL;

	*ret = path && mount ? ctl_share_path(path, mount, &fault) : NULL;
	return !*ret && path && mount && !fault ? -ENOMEM : 0;
}

/* With an owner who was named, or else, where the old answer does not come of somebody
 * else's object, as the user's own. */
static bool try(const struct past *past, struct question *question, struct answer *answer)
{
	explain_decide(past->policy, question, answer);
	if (question->owner || agrees(past, answer))
		return agrees(past, answer);
	question->owns = true;
	explain_decide(past->policy, question, answer);
	if (agrees(past, answer))
		return true;
	question->owns = false;
	explain_decide(past->policy, question, answer);
	return false;
}

/* Under the same policy it is known which of several ways to read a record is right: the
 * one that comes to the recorded answer. Returns 1, 0 if it cannot be asked, or
 * -ENOMEM. */
static int ask_now(const struct past *past, struct question *question,
		   struct answer *answer, char **path, char **new_path)
{
	const struct record *record = past->found.record;
	int r = path_in_share(past, record->path, path);

	if (r == 0)
		r = path_in_share(past, record->new_path, new_path);
	if (r < 0 || !*path)
		return r;
	question->word = record->op;
	for (size_t i = 0; i < N_READINGS; i++) {
		const struct reading *reading = &readings[i];
		const char *at = reading->new_path ? *new_path : *path;

		if (strcmp(reading->word, record->op) != 0 || !at)
			continue;
		question->operation = reading->operation;
		question->path = at;
		if (!past->same_policy || try(past, question, answer)) {
			explain_decide(past->policy, question, answer);
			return 1;
		}
	}
	question->path = *path;
	if (strcmp(record->op, "rename") == 0)
		question->operation = OPERATION_RENAME_FROM;
	else if (operation_from_name(record->op, &question->operation) < 0)
		return 0;
	if (past->same_policy)
		(void)try(past, question, answer);
	else
		explain_decide(past->policy, question, answer);
	return 1;
}

static void label(const char *word)
{
	printf("  %s%-9s%s ", ctl_colour(stdout, CTL_DIM), word,
	       ctl_colour(stdout, CTL_PLAIN));
}

static void put(const char *before, const char *text)
{
	fputs(before, stdout);
	ctl_puts_safe(stdout, text);
}

static void print_who(const struct actor *actor)
{
	char name[256];

	label("who");
	ctl_puts_safe(stdout, actor->acct);
	printf(" (uid %u, gid %u)", actor->uid, actor->gid);
	if (actor->login_uid != (uid_t)-1) {
		identity_user_name(actor->login_uid, name, sizeof(name));
		put(", logged in as ", name);
	}
	if (actor->comm)
		put(", ", actor->comm);
	if (actor->exe)
		put(" ", actor->exe);
	if (actor->pid != 0)
		printf(", pid %d", actor->pid);
	putchar('\n');
}

static void print_line(const struct past *past)
{
	const struct record *record = past->found.record;
	const char *line = NULL;
	size_t length;

	label("decided");
	ctl_puts_safe(stdout, record->rule_file ? record->rule_file : "?");
	if (record->rule_line != 0)
		printf(":%u", record->rule_line);
	printf(" of generation %" PRIu64, record->gen);
	if (past->same_policy)
		line = policy_line(past->policy, record->rule_line, &length);
	if (line) {
		fputs(": ", stdout);
		ctl_print_safe(stdout, line, length);
	}
	putchar('\n');
}

static void print_policy(const struct past *past)
{
	label("policy");
	if (past->found.hash[0] == '\0')
		puts("the trail does not have it any more: whether it has changed "
		     "since\n            cannot be told");
	else if (!past->policy)
		printf("sha256 %.12s; what is there now cannot be read\n",
		       past->found.hash);
	else if (past->same_policy)
		printf("unchanged since (sha256 %.12s)\n", past->found.hash);
	else
		printf("has changed since: it was sha256 %.12s, and is %.12s now\n",
		       past->found.hash, past->policy->hash);
}

static void print_then(const struct past *past)
{
	const struct recorded *found = &past->found;
	const struct record *record = found->record;
	char time[CTL_TIME_SIZE];

	printf("%s%s%s  ", ctl_colour(stdout, was_allowed(past) ? CTL_GREEN : CTL_RED),
	       was_allowed(past) ? "ALLOWED" : "DENIED", ctl_colour(stdout, CTL_PLAIN));
	ctl_puts_safe(stdout, record->actor ? record->actor->acct : "the guard");
	put(": ", record->op);
	put(" ", record->path ? record->path : "");
	if (record->new_path)
		put(" -> ", record->new_path);
	printf("\n\n");
	label("record");
	printf("%" PRIu64 " of %s", record->seqno, ctl_time(record->time.tv_sec, time));
	if (found->mountpoint)
		put(", guard of ", found->mountpoint);
	if (*found->node)
		put(" on ", found->node);
	if (found->n_others > 0)
		printf("; %" PRIu64 " older: see --since, --until, --mount",
		       found->n_others);
	putchar('\n');
	if (record->actor)
		print_who(record->actor);
	label("zone");
	ctl_puts_safe(stdout, record->zone ? record->zone : "none");
	putchar('\n');
	label("role");
	put("", record->role ? record->role : "none that is granted anything there");
	puts(" (as held then; the groups are not on record)");
	print_line(past);
	label("because");
	ctl_puts_safe(stdout, record->reason	  ? record->reason
			      : was_allowed(past) ? "it is granted"
						  : "?");
	if (found->outcome == TRAIL_REFUSED)
		fputs("; but it could not be recorded, so it did not happen", stdout);
	putchar('\n');
	if (was_refused_otherwise(past)) {
		label("");
		puts("(that is refused whatever a policy grants)");
	}
	print_policy(past);
}

static int print_text(const struct past *past, const struct question *question,
		      const struct answer *answer)
{
	print_then(past);
	if (answer) {
		printf("\n%sNow%s, with the groups that the name service has:\n\n",
		       ctl_colour(stdout, CTL_BOLD), ctl_colour(stdout, CTL_PLAIN));
		explain_text(past->policy, question, answer);
		return CTL_OK;
	}
	printf("\nWhat it would be now cannot be told: %s.\n",
	       !past->policy	 ? "there is no policy that can be read"
	       : !past->has_user ? "the name service does not know the user"
				 : "it is not known where the share was mounted "
				   "(--mount)");
	return CTL_OK;
}

static int print_json(const struct past *past, const struct question *question,
		      const struct answer *answer)
{
	json_t *document = json_object(), *policy = json_object();
	const struct recorded *found = &past->found;
	_cleanup_(freep) char *line = NULL;

	if (record_format_json(found->record, &line) < 0) {
		json_decref(document);
		json_decref(policy);
		return ctl_fail("no memory");
	}
	ctl_json_set(document, "allowed", json_boolean(was_allowed(past)));
	ctl_json_set(document, "refused_otherwise",
		     json_boolean(was_refused_otherwise(past)));
	ctl_json_set(document, "record", json_loads(line, 0, NULL));
	ctl_json_set_text(document, "guard", found->mountpoint);
	ctl_json_set(document, "older", json_integer((json_int_t)found->n_others));
	ctl_json_set_text(policy, "sha256_then", *found->hash ? found->hash : NULL);
	ctl_json_set_text(policy, "sha256_now", past->policy ? past->policy->hash : NULL);
	ctl_json_set(policy, "changed",
		     *found->hash && past->policy ? json_boolean(!past->same_policy)
						  : NULL);
	ctl_json_set(document, "policy", policy);
	ctl_json_set(document, "now",
		     answer ? explain_json(past->policy, question, answer) : NULL);
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : CTL_OK;
}

/* Who it was, as the name service has them now. */
static void find_user(struct past *past)
{
	const struct actor *actor = past->found.record->actor;

	past->subject.uid = actor->uid;
	past->subject.any_program = true; /* a record has no unit, and a program's name */
	ctl_patience_start();
	past->has_user =
		identity_user_name(actor->uid, past->user, sizeof(past->user)) == 0 &&
		identity_groups(actor->uid, &past->subject.gid, &past->groups,
				&past->subject.n_groups) == 0;
	ctl_patience_stop();
	past->subject.groups = past->groups;
}

/* Without a policy the record is shown all the same. */
static void load_policy(struct past *past)
{
	const char *file = past->asked->policy	     ? past->asked->policy
			   : past->found.policy_file ? past->found.policy_file
						     : CTL_POLICY_FILE;

	(void)ctl_load_policy(file, &past->policy);
	past->same_policy =
		past->policy && strcmp(past->found.hash, past->policy->hash) == 0;
}

static int show(struct past *past)
{
	_cleanup_(freep) char *path = NULL, *new_path = NULL;
	_cleanup_(freep) gid_t *groups = NULL;
	struct question question = { .user = past->user, .owner = past->asked->owner };
	struct subject owner;
	struct answer answer;
	int status = CTL_OK, r = 0;

	load_policy(past);
	find_user(past);
	question.subject = past->subject;
	if (question.owner) {
		status = ctl_find_user(question.owner, &owner, &groups);
		if (status != CTL_OK)
			return status;
		question.owns = owner.uid == question.subject.uid;
	}
	if (past->policy && past->has_user)
		r = ask_now(past, &question, &answer, &path, &new_path);
	if (r < 0)
		return ctl_fail("no memory");
	status = past->asked->json ? print_json(past, &question, r > 0 ? &answer : NULL)
				   : print_text(past, &question, r > 0 ? &answer : NULL);
	if (status != CTL_OK)
		return status;
	return was_allowed(past) ? CTL_OK : CTL_NO;
}

int explain_record(const struct record_question *question)
{
	_cleanup_(past_fini) struct past past = { .asked = question };
	int status = recorded_find(question->input, &question->filter, question->seqno,
				   question->mount, &past.found);

	if (status != CTL_OK)
		return status;
	if (!past.found.record)
		return ctl_fail("the trail has no record %" PRIu64
				" there: see --since, --until, --mount and --input",
				question->seqno);
	if (!past.found.is_decision || !past.found.record->actor)
		return ctl_fail("record %" PRIu64 " is no decision: 'modelguardctl log' "
				"shows it",
				question->seqno);
	return show(&past);
}
