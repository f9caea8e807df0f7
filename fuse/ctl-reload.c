/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl reload: guards that run read their policy again. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/ctl-guards.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-reload.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

enum { OPTION_JSON = CTL_LONG };

static const struct ctl_option options[] = {
	{ OPTION_JSON, "json", NULL, "print the outcome as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

static void print_complaints(const char *file, const json_t *list)
{
	size_t index;
	json_t *item;

	json_array_foreach(list, index, item)
	{
		json_int_t line = json_integer_value(json_object_get(item, "line"));
		const char *text = json_string_value(json_object_get(item, "text"));

		fputs(ctl_colour(stderr, CTL_BOLD), stderr);
		ctl_puts_safe(stderr, file);
		if (line != 0)
			fprintf(stderr, ":%lld", (long long)line);
		fprintf(stderr, ":%s ", ctl_colour(stderr, CTL_PLAIN));
		ctl_puts_safe(stderr, text ? text : "?");
		fputc('\n', stderr);
	}
}

/* Grants that the policy does not allow (any more) are kept, and said. */
static void print_void_grants(const json_t *list)
{
	size_t index;
	json_t *item;

	json_array_foreach(list, index, item)
	{
		const char *state = json_string_value(json_object_get(item, "state"));
		const char *user = json_string_value(json_object_get(item, "user"));
		const char *role = json_string_value(json_object_get(item, "role"));
		const char *why = json_string_value(json_object_get(item, "why"));

		if (!state || strcmp(state, "void") != 0)
			continue;
		fputs("  void: the grant of ", stdout);
		ctl_puts_safe(stdout, role ? role : "?");
		fputs(" to ", stdout);
		ctl_puts_safe(stdout, user ? user : "?");
		fputs(": ", stdout);
		ctl_puts_safe(stdout, why ? why : "?");
		putchar('\n');
	}
}

/* "/srv/models: loaded as generation 4 (sha256 ...)", or what is wrong before it. */
static int print_outcome(const struct ctl_guard *guard, const json_t *answer)
{
	bool loaded = json_is_true(json_object_get(answer, "loaded"));
	const json_t *policy = json_object_get(answer, "policy");
	const char *file = json_string_value(json_object_get(policy, "file"));
	const char *hash = json_string_value(json_object_get(policy, "sha256"));
	FILE *stream = loaded ? stdout : stderr;

	if (!loaded)
		print_complaints(file ? file : "?",
				 json_object_get(answer, "complaints"));
	fflush(stdout); /* in the order of what happened */
	ctl_puts_safe(stream, ctl_guard_name(guard));
	fprintf(stream, ": %s%s%s generation %lld",
		ctl_colour(stream, loaded ? CTL_GREEN : CTL_RED),
		loaded ? "loaded as" : "refused, keeping", ctl_colour(stream, CTL_PLAIN),
		(long long)json_integer_value(json_object_get(policy, "generation")));
	fputs(" (sha256 ", stream);
	ctl_print_safe(stream, hash ? hash : "?", hash ? strnlen(hash, 12) : 1);
	fputs(")\n", stream);
	if (loaded)
		print_void_grants(json_object_get(answer, "grants"));
	return loaded ? CTL_OK : CTL_NO;
}

static int reload_one(const struct ctl_guard *guard)
{
	struct ctl_fault fault;
	json_t *answer = ctl_ask_guard(guard, CONTROL_RELOAD, &fault);
	int status;

	if (!answer)
		return ctl_no_answer(guard, &fault);
	status = print_outcome(guard, answer);
	json_decref(answer);
	return status;
}

/* Whether the guard runs by this file. -1: it does not say. */
static int uses(const struct ctl_guard *guard, const char *file, struct ctl_fault *fault)
{
	json_t *answer = ctl_ask_guard(guard, CONTROL_POLICY, fault);
	const json_t *policy = json_object_get(answer, "policy");
	const char *its = json_string_value(json_object_get(policy, "file"));
	struct stat one, other;
	int r;

	if (!answer)
		return -1;
	r = its && stat(its, &one) == 0 && stat(file, &other) == 0 &&
	    one.st_dev == other.st_dev && one.st_ino == other.st_ino;
	json_decref(answer);
	return r;
}

/* The worst counts. */
static int worse(int status, int other)
{
	return other > status ? other : status;
}

int ctl_reload_guards(const char *file)
{
	struct ctl_guards guards __attribute__((cleanup(ctl_guards_fini))) = { 0 };
	size_t n = 0;
	int status;

	if (geteuid() != 0) {
		puts("Guards that run by it keep what they have read until root says "
		     "'modelguardctl reload'.");
		return CTL_OK;
	}
	status = ctl_look_for_guards(&guards);
	for (size_t i = 0; i < guards.n_items; i++) {
		struct ctl_fault fault;
		int r = uses(&guards.items[i], file, &fault);

		if (r < 0)
			status = worse(status, ctl_no_answer(&guards.items[i], &fault));
		else if (r > 0)
			status = worse(status, reload_one(&guards.items[i]));
		n += r != 0;
	}
	if (status == CTL_OK && n == 0)
		puts("No guard runs by it here: the next one to be mounted reads it.");
	return status;
}

static json_t *outcome_json(const struct ctl_guard *guard, int *status)
{
	struct ctl_fault fault;
	json_t *answer = ctl_ask_guard(guard, CONTROL_RELOAD, &fault);

	if (answer && !json_is_true(json_object_get(answer, "loaded")))
		*status = worse(*status, CTL_NO);
	if (!answer) {
		*status = worse(*status, ctl_no_answer(guard, &fault));
		answer = json_object();
		ctl_json_set_text(answer, "mountpoint", guard->mountpoint);
		ctl_json_set_text(answer, "source", guard->source);
		ctl_json_set(answer, "pid", NULL);
		ctl_json_set(answer, "loaded", json_false());
	}
	json_object_del(answer, "version");
	return answer;
}

static int reload_as_json(const struct ctl_guards *guards)
{
	json_t *document = json_object(), *list = json_array();
	int status = CTL_OK;

	for (size_t i = 0; i < guards->n_items; i++)
		json_array_append_new(list, outcome_json(&guards->items[i], &status));
	ctl_json_set(document, "guards", list);
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : status;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct ctl_guards guards __attribute__((cleanup(ctl_guards_fini))) = { 0 };
	bool json = false;
	int code, status;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code != OPTION_JSON)
			return CTL_USAGE;
		json = true;
	}
	if (argc - optind > 1)
		return ctl_usage(verb, "too many arguments: one MOUNTPOINT at a time");
	status = ctl_find_guards(optind < argc ? argv[optind] : NULL, &guards);
	if (json && status == CTL_OK)
		return reload_as_json(&guards);
	for (size_t i = 0; i < guards.n_items; i++)
		status = worse(status, reload_one(&guards.items[i]));
	return status;
}

const struct ctl_verb ctl_reload = {
	.name = "reload",
	.arguments = "[MOUNTPOINT]",
	.summary =
		"Have guards that run read their policy again, and say what came of it.",
	.details = "All guards, or the one that is mounted at MOUNTPOINT.\n",
	.options = options,
	.run = run,
};
