/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: why someone may do something at a path, or may not. */
#include <getopt.h>
#include <string.h>

#include "config/identity.h"
#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-explain.h"
#include "fuse/ctl-grants.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl-rights.h"
#include "fuse/ctl-trail.h"
#include "fuse/ctl.h"
#include "fuse/moment.h"
#include "fuse/util.h"

enum {
	OPTION_OWNER = CTL_LONG,
	OPTION_MOUNT,
	OPTION_PID,
	OPTION_RECORD,
	OPTION_JSON,
};

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE", "decide by this policy instead of the installed one" },
	{ OPTION_OWNER, "owner", "USER",
	  "the object is owned by USER (else: by nobody asked)" },
	{ OPTION_MOUNT, "mount", "DIR",
	  "PATH begins with the mount point DIR; the record is of its guard" },
	{ OPTION_PID, "pid", "PID", "of a running process: [OPERATION] PATH follow" },
	{ OPTION_RECORD, "record", "SEQNO", "of the decision that has this seqno=" },
	CTL_TRAIL_OPTION_SINCE,
	CTL_TRAIL_OPTION_UNTIL,
	CTL_TRAIL_OPTION_INPUT,
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

/* The command line, as it was typed. */
struct arguments {
	const char *policy, *owner, *mount, *user, *word, *path, *input;
	const char *pid, *record;
	struct trail_filter filter; /* its times only */
	bool json;
};

int explain_word(struct question *question)
{
	enum verb verb;

	if (verb_from_name(question->word, &verb) < 0)
		return operation_from_name(question->word, &question->operation);
	question->operation = ctl_operation_of(verb, &question->owns);
	return 0;
}

/* Whether the object is the user's own, if it was said whose it is. Returns CTL_OK, or
 * the exit status, having said why. */
static int set_owner(const struct arguments *arguments, struct question *question)
{
	_cleanup_(freep) gid_t *groups = NULL;
	struct subject owner;
	int status;

	if (!arguments->owner)
		return CTL_OK;
	status = ctl_find_user(arguments->owner, &owner, &groups);
	if (status != CTL_OK)
		return status;
	question->owner = arguments->owner;
	question->owns = owner.uid == question->subject.uid;
	return CTL_OK;
}

static int decide_and_show(const struct arguments *arguments, const struct policy *policy,
			   const struct question *question, struct answer *answer)
{
	if (!arguments->json)
		explain_text(policy, question, answer);
	else if (ctl_json_print(explain_json(policy, question, answer)) < 0)
		return ctl_fail("no memory");
	return answer_allowed(answer) ? CTL_OK : CTL_NO;
}

/* What the name service says now of the user whom a process has. */
static int find_login(uid_t uid, struct subject *ret, gid_t **ret_groups)
{
	int r;

	*ret = (struct subject){ .uid = uid, .any_program = true };
	ctl_patience_start();
	r = identity_groups(uid, &ret->gid, ret_groups, &ret->n_groups);
	ctl_patience_stop();
	ret->groups = *ret_groups;
	return r;
}

static void set_groups(struct subject *subject, const struct subject *from)
{
	subject->gid = from->gid;
	subject->groups = from->groups;
	subject->n_groups = from->n_groups;
}

/* A process keeps the groups that it was started with, and the guard takes those, unless
 * the policy has it ask the name service. */
static int answer_process(const struct arguments *arguments, const struct policy *policy,
			  struct question *question)
{
	_cleanup_(freep) gid_t *groups = NULL;
	struct question login = *question;
	struct answer answer, after;
	int r = find_login(question->subject.uid, &login.subject, &groups);

	login.subject.grants = question->subject.grants;
	login.subject.now = question->subject.now;
	if (policy->groups_from == GROUPS_FROM_DATABASE) {
		if (r == 0)
			set_groups(&question->subject, &login.subject);
		else
			question->subject.n_groups = 0; /* as the guard has it */
	}
	explain_decide(policy, question, &answer);
	if (r == 0) {
		explain_decide(policy, &login, &after);
		answer.login_differs = answer_allowed(&answer) != answer_allowed(&after);
	}
	return decide_and_show(arguments, policy, question, &answer);
}

/* The question is complete but for the owner. */
static int answer_question(const struct arguments *arguments, struct question *question)
{
	struct policy *policy __attribute__((cleanup(policy_unrefp))) = NULL;
	struct grants *grants __attribute__((cleanup(grants_unrefp))) = NULL;
	struct answer answer;
	int status = set_owner(arguments, question);

	if (status == CTL_OK)
		status = ctl_load_policy(arguments->policy, &policy);
	if (status == CTL_OK)
		status = ctl_load_valid_grants(policy, &grants);
	if (status != CTL_OK)
		return status;
	question->subject.grants = grants;
	question->subject.now = moment_now();
	if (question->process)
		return answer_process(arguments, policy, question);
	explain_decide(policy, question, &answer);
	return decide_and_show(arguments, policy, question, &answer);
}

/* A number that is not 0 and fits. */
static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *ret > 0 &&
	       *ret <= max;
}

static int of_process(const struct ctl_verb *verb, const struct arguments *arguments,
		      struct question *question)
{
	_cleanup_(process_fini) struct process process = { 0 };
	char name[256];
	uint64_t pid;
	int r;

	if (!parse_number(arguments->pid, INT32_MAX, &pid))
		return ctl_usage(verb, "--pid takes the number of a process, not %s",
				 QUOTED(arguments->pid));
	r = process_read((pid_t)pid, &process);
	if (r == -ESRCH) {
		ctl_fail("no such process: %s", arguments->pid);
		return CTL_NO_USER;
	}
	if (r < 0)
		return ctl_fail("cannot look at process %s: %s", arguments->pid,
				strerrordesc_np(-r));
	ctl_patience_start();
	identity_user_name(process.subject.uid, name, sizeof(name));
	ctl_patience_stop();
	question->user = name;
	question->subject = process.subject;
	question->process = &process;
	return answer_question(arguments, question);
}

static int of_user(const struct arguments *arguments, struct question *question)
{
	_cleanup_(freep) gid_t *groups = NULL;
	int status = ctl_find_user(arguments->user, &question->subject, &groups);

	question->user = arguments->user;
	return status == CTL_OK ? answer_question(arguments, question) : status;
}

static int explain(const struct ctl_verb *verb, const struct arguments *arguments)
{
	struct question question = { .word = arguments->word };
	_cleanup_(freep) char *path = NULL;
	const char *fault;

	if (explain_word(&question) < 0)
		return ctl_usage(verb, "no such verb or operation: %s",
				 QUOTED(arguments->word));
	path = ctl_share_path(arguments->path, arguments->mount, &fault);
	if (!path)
		return fault ? ctl_usage(verb, "%s", fault) : ctl_fail("no memory");
	question.path = path;
	return arguments->pid ? of_process(verb, arguments, &question)
			      : of_user(arguments, &question);
}

static int of_record(const struct ctl_verb *verb, const struct arguments *arguments)
{
	struct record_question question = {
		.input = arguments->input,
		.filter = arguments->filter,
		.policy = arguments->policy,
		.owner = arguments->owner,
		.mount = arguments->mount,
		.json = arguments->json,
	};
	int status = ctl_trail_check_times(verb, &arguments->filter);

	if (status != CTL_OK)
		return status;
	if (!parse_number(arguments->record, UINT64_MAX, &question.seqno))
		return ctl_usage(verb, "--record takes the seqno= of a record, not %s",
				 QUOTED(arguments->record));
	return explain_record(&question);
}

/* Takes one option. Returns CTL_OK or CTL_USAGE. */
static int take(const struct ctl_verb *verb, int code, struct arguments *arguments)
{
	switch (code) {
	case 'p':
		arguments->policy = optarg;
		return CTL_OK;
	case OPTION_OWNER:
		arguments->owner = optarg;
		return CTL_OK;
	case OPTION_MOUNT:
		arguments->mount = optarg;
		return CTL_OK;
	case OPTION_PID:
		arguments->pid = optarg;
		return CTL_OK;
	case OPTION_RECORD:
		arguments->record = optarg;
		return CTL_OK;
	case OPTION_JSON:
		arguments->json = true;
		return CTL_OK;
	default:
		return ctl_trail_option(verb, code, &arguments->input,
					&arguments->filter);
	}
}

/* USER OPERATION PATH; of a process [OPERATION] PATH; of a record nothing. */
static int run_with(const struct ctl_verb *verb, struct arguments *arguments, int n,
		    char **words)
{
	if (arguments->record && arguments->pid)
		return ctl_usage(verb, "--record and --pid exclude each other");
	if (arguments->record)
		return n == 0 ? of_record(verb, arguments)
			      : ctl_usage(verb, "with --record, takes options only");
	if (!arguments->policy)
		arguments->policy = CTL_POLICY_FILE;
	if (arguments->pid && (n == 1 || n == 2)) {
		arguments->word = n == 2 ? words[0] : "read";
		arguments->path = words[n - 1];
		return explain(verb, arguments);
	}
	if (arguments->pid)
		return ctl_usage(verb, "with --pid, takes [OPERATION] PATH");
	if (n != 3)
		return ctl_usage(verb, "takes a user, a verb or operation, and a path");
	arguments->user = words[0];
	arguments->word = words[1];
	arguments->path = words[2];
	return explain(verb, arguments);
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (take(verb, code, &arguments) != CTL_OK)
			return CTL_USAGE;
	}
	return run_with(verb, &arguments, argc - optind, argv + optind);
}

const struct ctl_verb ctl_explain = {
	.name = "explain",
	.arguments = "USER VERB-OR-OPERATION PATH | --pid=PID [OPERATION] PATH | "
		     "--record=SEQNO",
	.summary = "Say whether someone may do something, by which line, and why.",
	.details =
		"USER is a name or a uid. PATH begins at the root of the share, with "
		"'/'.\n"
		"Verbs: list, read, create, write, delete, write-own, delete-own, "
		"promote,\n"
		"approve, admin. Operations are named as in the records: open-write, "
		"chmod, ...\n"
		"With --pid instead of USER: as the process is, with the groups that "
		"it holds; read,\nif no operation is named. With --record: a decision of "
		"the past, and now; --since,\n--until and --mount choose among records "
		"of the same number, else it is the latest.\n"
		"The exit status is 0 if it is (or was) allowed and 1 if it is denied.\n",
	.options = options,
	.run = run,
};
