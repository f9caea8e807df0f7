/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl status: what the guards that run tell of themselves. */
#include <getopt.h>
#include <stdio.h>

#include "fuse/ctl-guards.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl-status.h"
#include "fuse/ctl.h"

enum { OPTION_JSON = CTL_LONG };

static const struct ctl_option options[] = {
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

static json_t *ask(const struct ctl_guard *guard, int *status)
{
	struct ctl_fault fault;
	json_t *answer = ctl_ask_guard(guard, CONTROL_STATUS, &fault);

	if (!answer)
		*status = ctl_no_answer(guard, &fault);
	return answer;
}

static int print_text(const struct ctl_guards *guards)
{
	int status = CTL_OK, paged;

	ctl_pager_start();
	for (size_t i = 0; i < guards->n_items; i++) {
		json_t *answer = ask(&guards->items[i], &status);

		if (i > 0)
			putchar('\n');
		if (answer)
			ctl_print_status(answer);
		json_decref(answer);
	}
	paged = ctl_pager_end();
	return status == CTL_OK ? paged : status;
}

static int print_json(const struct ctl_guards *guards)
{
	json_t *document = json_object(), *list = json_array();
	int status = CTL_OK;

	for (size_t i = 0; i < guards->n_items; i++) {
		const struct ctl_guard *guard = &guards->items[i];
		json_t *answer = ask(guard, &status);

		if (!answer) {
			answer = json_object();
			ctl_json_set_text(answer, "mountpoint", guard->mountpoint);
			ctl_json_set_text(answer, "source", guard->source);
			ctl_json_set(answer, "pid", NULL);
		}
		json_object_del(answer, "version");
		json_array_append_new(list, answer);
	}
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
	if (status != CTL_OK)
		return status;
	return json ? print_json(&guards) : print_text(&guards);
}

const struct ctl_verb ctl_status = {
	.name = "status",
	.arguments = "[MOUNTPOINT]",
	.summary =
		"Show the guards that run: policy, records, who holds what open, rules.",
	.details = "All guards, or the one that is mounted at MOUNTPOINT.\n",
	.options = options,
	.run = run,
};
