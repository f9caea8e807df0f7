/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: what an auditor would object to, each with its remedy. */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-doctor.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

enum { OPTION_ROOT = CTL_LONG, OPTION_INPUT, OPTION_JSON };

static const struct ctl_option options[] = {
	{ 'p', "policy", "FILE", "look at this policy instead of the guard's" },
	{ OPTION_INPUT, "input", "FILE", "the trail is FILE instead of auditd's" },
	{ OPTION_ROOT, "root", "DIR", "look at the system below DIR, as from outside" },
	{ OPTION_JSON, "json", NULL, "print the answer as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

/* The policy first: it is loaded for the others. */
static const struct doctor_area *const areas[] = {
	&doctor_policy,	 &doctor_source, &doctor_namespaces,  &doctor_exports,
	&doctor_network, &doctor_links,	 &doctor_writable,    &doctor_people,
	&doctor_roots,	 &doctor_auditd, &doctor_rotation,    &doctor_boot,
	&doctor_rules,	 &doctor_kernel, &doctor_callers,     &doctor_clock,
	&doctor_swap,	 &doctor_cores,	 &doctor_passthrough,
};

#define N_AREAS	   (sizeof(areas) / sizeof(areas[0]))
#define CHECKS_MAX 64

struct arguments {
	const char *policy, *input, *root, *path;
	bool json;
};

/* Critical outweighs a warning, and that what could not be told. */
static int status_of(const struct doctor *doctor)
{
	if (ctl_doctor_count(doctor, DOCTOR_CRITICAL) > 0)
		return CTL_NO;
	if (ctl_doctor_count(doctor, DOCTOR_WARNING) > 0)
		return CTL_WARNED;
	return ctl_doctor_count(doctor, DOCTOR_UNKNOWN) > 0 ? CTL_UNTOLD : CTL_OK;
}

/* What only the running kernel can tell is left out of another root. */
static void look(struct doctor *doctor, const char *skipped[static CHECKS_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < N_AREAS; i++) {
		const struct doctor_area *area = areas[i];

		if (!area->live || *doctor->root == '\0')
			area->look(doctor);
		else
			for (size_t j = 0; j < area->n_checks && n < CHECKS_MAX; j++)
				skipped[n++] = area->checks[j].name;
	}
}

static int print(const struct doctor *doctor, const char *const *skipped, bool json)
{
	int status;

	if (json)
		return ctl_doctor_print_json(doctor, skipped) < 0 ? ctl_fail("no memory")
								  : CTL_OK;
	ctl_pager_start();
	ctl_doctor_print(doctor, skipped);
	status = ctl_pager_end();
	return status;
}

static int examine(const struct arguments *arguments)
{
	_cleanup_(doctor_fini) struct doctor doctor = {
		.root = arguments->root ? arguments->root : "",
		.policy_file = arguments->policy,
		.input = arguments->input,
	};
	_cleanup_(closep) int root = -1;
	const char *skipped[CHECKS_MAX + 1] = { NULL };
	int status;

	root = RET_ERRNO(open(arguments->root ? arguments->root : "/",
			      O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (root < 0)
		return ctl_fail("%s: %s", QUOTED(arguments->root),
				strerrordesc_np(-root));
	doctor.root_fd = root;
	if (shares_find(&doctor, arguments->path, &doctor.shares) < 0)
		return ctl_fail("no memory");
	look(&doctor, skipped);
	if (doctor.no_memory)
		return ctl_fail("no memory");
	status = print(&doctor, skipped, arguments->json);
	return status == CTL_OK ? status_of(&doctor) : status;
}

/* An absolute root without slashes at its end. */
static int set_root(const struct ctl_verb *verb, struct arguments *arguments)
{
	static char root[4096];
	size_t length = strlen(optarg);

	if (optarg[0] != '/' || length >= sizeof(root))
		return ctl_usage(verb, "--root takes a directory that begins with '/'");
	memcpy(root, optarg, length + 1);
	while (length > 0 && root[length - 1] == '/')
		root[--length] = '\0';
	arguments->root = length > 0 ? root : NULL;
	return CTL_OK;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int code;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		switch (code) {
		case 'p':
			arguments.policy = optarg;
			break;
		case OPTION_INPUT:
			arguments.input = optarg;
			break;
		case OPTION_ROOT:
			if (set_root(verb, &arguments) != CTL_OK)
				return CTL_USAGE;
			break;
		case OPTION_JSON:
			arguments.json = true;
			break;
		default:
			return CTL_USAGE;
		}
	}
	if (argc - optind > 1)
		return ctl_usage(verb, "too many arguments: one SOURCE at a time");
	arguments.path = optind < argc ? argv[optind] : NULL;
	if (arguments.path && arguments.path[0] != '/')
		return ctl_usage(verb, "SOURCE must begin with '/'");
	return examine(&arguments);
}

const struct ctl_verb ctl_doctor = {
	.name = "doctor",
	.arguments = "[SOURCE]",
	.summary = "Say what an auditor would object to, each with its remedy.",
	.details = "All shares that are mounted, or the one of SOURCE (or of its mount "
		   "point), also if\nit is not mounted. The exit status is 1 if anything "
		   "critical was found, 6 for\nwarnings, 7 if something could not be "
		   "told, and 0 for notes or nothing.\n",
	.options = options,
	.run = run,
};
