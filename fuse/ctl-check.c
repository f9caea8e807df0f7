/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl check: everything that is wrong with a policy. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "config/identity.h"
#include "config/policy-load.h"

#include "fuse/ctl-json.h"
#include "fuse/ctl.h"

enum { OPTION_JSON = CTL_LONG };

static const struct ctl_option options[] = {
	{ OPTION_JSON, "json", NULL, "print the result as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

static void print_sound(const char *file, const struct policy *policy)
{
	size_t n_roles = policy->n_roles - 1; /* without `everyone` */

	ctl_puts_safe(stdout, file);
	printf(": %spolicy is sound%s: %zu role%s, %zu zone%s (sha256 %.12s)\n",
	       ctl_colour(stdout, CTL_GREEN), ctl_colour(stdout, CTL_PLAIN), n_roles,
	       n_roles == 1 ? "" : "s", policy->n_zones, policy->n_zones == 1 ? "" : "s",
	       policy->hash);
}

static int print_json(const char *file, const struct policy *policy,
		      const struct complaints *complaints)
{
	json_t *document = json_object(), *list = json_array();

	ctl_json_set_text(document, "file", file);
	ctl_json_set(document, "sound", json_boolean(complaints->n_items == 0));
	for (size_t i = 0; i < complaints->n_items; i++) {
		json_t *item = json_object();

		ctl_json_set(item, "line", json_integer(complaints->items[i].line));
		ctl_json_set_text(item, "text", complaints->items[i].text);
		json_array_append_new(list, item);
	}
	ctl_json_set(document, "complaints", list);
	if (policy) {
		ctl_json_set(document, "roles",
			     json_integer((json_int_t)policy->n_roles - 1));
		ctl_json_set(document, "zones",
			     json_integer((json_int_t)policy->n_zones));
		ctl_json_set_text(document, "sha256", policy->hash);
	}
	return ctl_json_print(document);
}

/* r is what loading came to; the file could not be read, it is refused, or it is sound.
 */
static int status_of(int r, const struct complaints *complaints)
{
	if (r < 0 && r != -EINVAL)
		return CTL_FAILED;
	return complaints->n_items > 0 ? CTL_NO : CTL_OK;
}

static int check(const char *file, bool json)
{
	struct policy *policy __attribute__((cleanup(policy_unrefp))) = NULL;
	struct complaints complaints __attribute__((cleanup(complaints_fini))) = { 0 };
	int r;

	r = policy_load(file, &identity_names, &complaints, &policy);
	/* The guard refuses what it cannot enforce, so it is wrong here as well. */
	if (r == 0)
		r = policy_unenforceable(policy, &complaints);
	if (r == -ENOMEM)
		return ctl_fail("no memory");
	if (r > 0)
		r = -EINVAL;

	if (json) {
		if (print_json(file, policy, &complaints) < 0)
			return ctl_fail("no memory");
		return status_of(r, &complaints);
	}
	ctl_print_complaints(file, &complaints);
	if (complaints.n_items == 0) {
		print_sound(file, policy);
	} else if (status_of(r, &complaints) == CTL_NO) {
		ctl_puts_safe(stderr, file);
		fprintf(stderr, ": %spolicy is refused%s: %zu complaint%s\n",
			ctl_colour(stderr, CTL_RED), ctl_colour(stderr, CTL_PLAIN),
			complaints.n_items, complaints.n_items == 1 ? "" : "s");
	}
	return status_of(r, &complaints);
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	bool json = false;
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code != OPTION_JSON)
			return CTL_USAGE;
		json = true;
	}
	if (argc - optind > 1)
		return ctl_usage(verb, "too many arguments: one FILE at a time");
	return check(optind < argc ? argv[optind] : CTL_POLICY_FILE, json);
}

const struct ctl_verb ctl_check = {
	.name = "check",
	.arguments = "[FILE]",
	.summary = "Report everything that is wrong with a policy, with its lines.",
	.details = "FILE is " CTL_POLICY_FILE " if none is named.\n",
	.options = options,
	.run = run,
};
