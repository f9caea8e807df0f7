/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl explain: why someone may do something at a path, or may not. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/identity.h"
#include "config/policy-load.h"
#include "config/text.h"

#include "fuse/ctl-explain.h"
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

/* The operation that stands for a verb: it takes this verb and no other. An -own form is
 * the plain verb on an object of the user's own. */
static const enum operation operation_of_verb[N_VERBS] = {
	[VERB_LIST] = OPERATION_LOOKUP,	      [VERB_READ] = OPERATION_OPEN_READ,
	[VERB_CREATE] = OPERATION_CREATE,     [VERB_WRITE] = OPERATION_OPEN_WRITE,
	[VERB_DELETE] = OPERATION_UNLINK,     [VERB_WRITE_OWN] = OPERATION_OPEN_WRITE,
	[VERB_DELETE_OWN] = OPERATION_UNLINK, [VERB_PROMOTE] = OPERATION_PROMOTE,
	[VERB_APPROVE] = OPERATION_APPROVE,   [VERB_ADMIN] = OPERATION_SETXATTR,
};

/* A verb or an operation; a word that is both is the verb. */
static int resolve_word(struct question *question)
{
	enum verb verb;

	if (verb_from_name(question->word, &verb) < 0)
		return operation_from_name(question->word, &question->operation);
	question->operation = operation_of_verb[verb];
	if (verb == VERB_WRITE_OWN || verb == VERB_DELETE_OWN)
		question->owns = true;
	return 0;
}

/* Drops repeated and trailing slashes and "." components. Returns a new string, or NULL
 * with *ret_fault, which is NULL if there is no memory. */
static char *normalise(const char *path, const char **ret_fault)
{
	char *copy = malloc(strlen(path) + 2), *out = copy;

	*ret_fault = NULL;
	if (!copy)
		return NULL;
	while (*path) {
		size_t length;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (length == 2 && memcmp(path, "..", 2) == 0) {
			*ret_fault = "'..' in the path: write it without";
			free(copy);
			return NULL;
		}
		if (length > 0 && !(length == 1 && *path == '.')) {
			*out++ = '/';
			memcpy(out, path, length);
			out += length;
		}
		path += length;
	}
	if (out == copy)
		*out++ = '/';
	*out = '\0';
	return copy;
}

/* The path in the share: below --mount, or as it is. Returns as normalise(). */
static char *share_path(const struct arguments *arguments, const char **ret_fault)
{
	char *path, *mount;
	size_t length;

	*ret_fault = "the path must begin with '/', the root of the share";
	if (arguments->path[0] != '/')
		return NULL;
	path = normalise(arguments->path, ret_fault);
	if (!path || !arguments->mount)
		return path;
	if (arguments->mount[0] != '/') {
		*ret_fault = "the mount point must begin with '/'";
		free(path);
		return NULL;
	}
	mount = normalise(arguments->mount, ret_fault);
	if (!mount) {
		free(path);
		return NULL;
	}
	length = strcmp(mount, "/") == 0 ? 0 : strlen(mount);
	if (strncmp(path, mount, length) != 0 ||
	    (path[length] != '/' && path[length] != '\0')) {
		*ret_fault = "the path is not below the mount point";
		free(path);
		path = NULL;
	} else if (path[length] == '\0') {
		strcpy(path, "/");
	} else {
		memmove(path, path + length, strlen(path + length) + 1);
	}
	free(mount);
	return path;
}

/* Asks NSS for a user. Returns CTL_OK or the exit status, having said why. */
static int find_user(const char *name, struct subject *ret, gid_t **ret_groups)
{
	int r = identity_user(name, &ret->uid, &ret->gid, ret_groups, &ret->n_groups);

	ret->groups = *ret_groups;
	if (r == 0)
		return CTL_OK;
	if (r == -ENOENT) {
		ctl_fail("no such user: %s", QUOTED(name));
		return CTL_NO_USER;
	}
	return ctl_fail("cannot look up the user %s: %s", QUOTED(name),
			strerrordesc_np(-r));
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

static int load(const char *file, struct policy **ret)
{
	struct complaints complaints __attribute__((cleanup(complaints_fini))) = { 0 };
	int r = policy_load(file, &identity_names, &complaints, ret);

	if (r == -ENOMEM)
		return ctl_fail("no memory");
	ctl_print_complaints(file, &complaints);
	if (r < 0)
		return r == -EINVAL ? CTL_POLICY : CTL_FAILED;
	if (policy_unenforceable(*ret, &complaints) > 0)
		ctl_fail("note: the guard would not mount this policy yet; see "
			 "'modelguardctl "
			 "check'");
	return CTL_OK;
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

		status = find_user(arguments->owner, &owner, &groups);
		free(groups);
		if (status != CTL_OK)
			return status;
		question->owner = arguments->owner;
		question->owns = owner.uid == question->subject.uid;
	}
	status = load(arguments->policy, &policy);
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
	path = share_path(arguments, &fault);
	if (!path)
		return fault ? ctl_usage(verb, "%s", fault) : ctl_fail("no memory");
	question.path = path;
	status = find_user(arguments->user, &question.subject, &groups);
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
