/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl inspect: what model files are, by their content. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "fuse/ctl-json.h"
#include "fuse/ctl.h"
#include "fuse/format.h"
#include "fuse/util.h"

enum { OPTION_JSON = CTL_LONG };

static const struct ctl_option options[] = {
	{ OPTION_JSON, "json", NULL, "print the result as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

/* O_NONBLOCK: a FIFO would keep it waiting; it is refused once it is open. */
static int inspect_path(const char *path, struct format_verdict *ret_verdict)
{
	_cleanup_(closep) int fd =
		RET_ERRNO(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	return fd < 0 ? fd : format_inspect(fd, ret_verdict);
}

static void print_verdict(const char *path, const struct format_verdict *verdict)
{
	fputs(ctl_colour(stdout, CTL_BOLD), stdout);
	ctl_puts_safe(stdout, path);
	printf("%s: %s, %s%s%s", ctl_colour(stdout, CTL_PLAIN),
	       format_name(verdict->format),
	       ctl_colour(stdout, verdict->sound ? CTL_GREEN : CTL_RED),
	       verdict->sound ? "sound" : "not sound", ctl_colour(stdout, CTL_PLAIN));
	if (!verdict->sound)
		printf(": %s", verdict->reason);
	if (verdict->sound && verdict->n_external > 0)
		printf("; it refers %u time%s to data in other files",
		       verdict->n_external, verdict->n_external == 1 ? "" : "s");
	putchar('\n');
}

static json_t *json_verdict(const char *path, const struct format_verdict *verdict)
{
	json_t *item = json_object();

	ctl_json_set_text(item, "file", path);
	ctl_json_set_text(item, "format", format_name(verdict->format));
	ctl_json_set(item, "sound", json_boolean(verdict->sound));
	ctl_json_set_text(item, "reason", verdict->reason);
	ctl_json_set(item, "external", json_integer(verdict->n_external));
	return item;
}

/* Prints, or appends to the list if there is one. */
static int inspect(const char *path, json_t *list)
{
	struct format_verdict verdict = { 0 };
	int r = inspect_path(path, &verdict);

	if (r < 0) {
		fputs("modelguardctl: ", stderr);
		ctl_puts_safe(stderr, path);
		fprintf(stderr, ": %s\n",
			r == -EINVAL ? "not a regular file" : strerror(-r));
		return CTL_FAILED;
	}
	if (!list)
		print_verdict(path, &verdict);
	else if (json_array_append_new(list, json_verdict(path, &verdict)) < 0)
		return ctl_fail("no memory");
	return verdict.sound ? CTL_OK : CTL_NO;
}

static int inspect_all(char *const *paths, json_t *list)
{
	int status = CTL_OK;

	for (; *paths; paths++) {
		int one = inspect(*paths, list);

		status = one > status ? one : status;
	}
	return status;
}

static int inspect_json(char *const *paths)
{
	json_t *document = json_object(), *list = json_array();
	int status;

	if (!document || !list) {
		json_decref(document);
		json_decref(list);
		return ctl_fail("no memory");
	}
	status = inspect_all(paths, list);
	ctl_json_set(document, "sound", json_boolean(status == CTL_OK));
	ctl_json_set(document, "files", list);
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : status;
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
	if (optind == argc)
		return ctl_usage(verb, "a FILE is missing");
	return json ? inspect_json(argv + optind) : inspect_all(argv + optind, NULL);
}

const struct ctl_verb ctl_inspect = {
	.name = "inspect",
	.arguments = "FILE...",
	.summary =
		"Say what model files are by their content, and whether they are sound.",
	.details = "Checked are safetensors, GGUF and ONNX; a pickle runs code when it "
		   "is loaded,\n"
		   "and is never sound.\n",
	.options = options,
	.run = run,
};
