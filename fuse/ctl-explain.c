/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: why someone may do something at a path, or may not. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/text.h"

#include "fuse/ctl-ask.h"
#include "fuse/ctl-explain.h"
#include "fuse/ctl-rights.h"
#include "fuse/ctl.h"

enum { OPTION_OWNER = CTL_LONG, OPTION_MOUNT, OPTION_JSON };

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE", "decide by this policy instead of the installed one" },
	{ OPTION_OWNER, "owner", "USER",
	  "the object is owned by USER (else: by nobody asked)" },
	{ OPTION_MOUNT, "mount", "DIR", "PATH begins with the mount point DIR" },
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

/* The command line, as it was typed. */
struct arguments {
	const char *policy, *owner, *mount, *user, *word, *path;
	bool json;
};

/* A verb or an operation; a word that is both is the verb. */
static int resolve_word(struct question *question)
{
	enum verb verb;

	if (verb_from_name(question->word, &verb) < 0)
		return operation_from_name(question->word, &question->operation);
	question->operation = ctl_operation_of(verb, &question->owns);
	return 0;
}

/* Each role that would be enough if the user came to hold it, too: by the decision
 * itself. */
static void find_sufficient(const struct policy *policy, const struct question *question,
			    bool owns, struct answer *answer)
{
	for (unsigned i = 1; i < policy->n_roles; i++) {
		struct role_set roles = answer->roles;
		struct verdict verdict;

		for (size_t j = 0; j < POLICY_ROLES_MAX / 64; j++)
			roles.bits[j] |= policy->roles[i].holds.bits[j];
		policy_decide(policy, &roles, answer->verdict.zone, question->operation,
			      owns, time(NULL), &verdict);
		if (verdict.decision != DECISION_ALLOWED)
			continue;
		role_set_add(&answer->sufficient, i);
		answer->any_sufficient = true;
		answer->sufficient_if_own = owns && !question->owns;
	}
}

static bool is_walking(enum operation operation)
{
	return operation == OPERATION_LOOKUP || operation == OPERATION_READDIR ||
	       operation == OPERATION_CHDIR;
}

static void decide(const struct policy *policy, const struct question *question,
		   struct answer *ret)
{
	time_t now = time(NULL);

	*ret = (struct answer){ 0 };
	policy_roles(policy, &question->subject, &ret->roles);
	policy_decide(policy, &ret->roles, policy_zone(policy, question->path),
		      question->operation, question->owns, now, &ret->verdict);
	ret->rule = ret->verdict;
	if (ret->verdict.decision != DECISION_ALLOWED) {
		ret->way = policy_zone_led_to(policy, &ret->roles, question->path);
		ret->allowed_as_way = ret->way && is_walking(question->operation);
		if (ret->allowed_as_way)
			policy_decide(policy, &ret->roles, ret->way, OPERATION_LOOKUP,
				      false, now, &ret->rule);
		find_sufficient(policy, question, question->owns, ret);
		if (!ret->any_sufficient)
			find_sufficient(policy, question, true, ret);
	}
	if (ret->rule.role)
		policy_role_holding(policy, &question->subject,
				    (unsigned)(ret->rule.role - policy->roles),
				    &ret->holding);
}

/* The question is complete but for the owner. */
static int answer(const struct arguments *arguments, struct question *question)
{
	struct policy *policy __attribute__((cleanup(policy_unrefp))) = NULL;
	struct answer ret;
	int status;

	if (arguments->owner) {
		struct subject owner;
		gid_t *groups = NULL;

		status = ctl_find_user(arguments->owner, &owner, &groups);
		free(groups);
		if (status != CTL_OK)
			return status;
		question->owner = arguments->owner;
		question->owns = owner.uid == question->subject.uid;
	}
	status = ctl_load_policy(arguments->policy, &policy);
	if (status != CTL_OK)
		return status;

	decide(policy, question, &ret);
	if (!arguments->json)
		explain_text(policy, question, &ret);
	else if (explain_json(policy, question, &ret) < 0)
		return ctl_fail("no memory");
	return answer_allowed(&ret) ? CTL_OK : CTL_NO;
}

static int explain(const struct ctl_verb *verb, const struct arguments *arguments)
{
	struct question question = { .user = arguments->user, .word = arguments->word };
	gid_t *groups = NULL;
	const char *fault;
	char *path;
	int status;

	if (resolve_word(&question) < 0)
		return ctl_usage(verb, "no such verb or operation: %s",
				 QUOTED(arguments->word));
	path = ctl_share_path(arguments->path, arguments->mount, &fault);
	if (!path)
		return fault ? ctl_usage(verb, "%s", fault) : ctl_fail("no memory");
	question.path = path;
	status = ctl_find_user(arguments->user, &question.subject, &groups);
	if (status == CTL_OK)
		status = answer(arguments, &question);
	free(groups);
	free(path);
	return status;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { .policy = CTL_POLICY_FILE };
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		switch (code) {
		case 'p':
			arguments.policy = optarg;
			break;
		case OPTION_OWNER:
			arguments.owner = optarg;
			break;
		case OPTION_MOUNT:
			arguments.mount = optarg;
			break;
		case OPTION_JSON:
			arguments.json = true;
			break;
		default:
			return CTL_USAGE;
		}
	}
	if (argc - optind != 3)
		return ctl_usage(verb, "takes a user, a verb or operation, and a path");
	arguments.user = argv[optind];
	arguments.word = argv[optind + 1];
	arguments.path = argv[optind + 2];
	return explain(verb, &arguments);
}

const struct ctl_verb ctl_explain = {
	.name = "explain",
	.arguments = "USER VERB-OR-OPERATION PATH",
	.summary = "Say whether someone may do something, by which line, and why.",
	.details = "USER is a name or a uid. PATH begins at the root of the share, with "
		   "'/'.\n"
		   "Verbs: list, read, create, write, delete, write-own, delete-own, "
		   "promote,\n"
		   "approve, admin. Operations are named as in the records: open-write, "
		   "chmod, ...\n"
		   "The exit status is 0 if it is allowed and 1 if it is denied.\n",
	.options = options,
	.run = run,
};
