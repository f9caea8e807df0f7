/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl lineage: where a model comes from, and who has used it. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ancestry.h"
#include "fuse/ctl-event.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-trail.h"
#include "fuse/util.h"

enum { OPTION_JSON = CTL_LONG, OPTION_SVG };

static const struct ctl_option options[] = {
	{ OPTION_SVG, "svg", "FILE", "write it as a picture to FILE, too" },
	{ OPTION_JSON, "json", NULL, "print it as one JSON object" },
	CTL_TRAIL_OPTION_INPUT,
	{ 0, NULL, NULL, NULL },
};

struct pass {
	int (*take)(struct ancestry *ancestry, const struct trail_event *event);
	struct ancestry *ancestry;
};

static int note_event(struct trail_event *event, void *user)
{
	return lineage_note(user, event) < 0 ? ctl_fail("no memory") : CTL_OK;
}

static int take_event(struct trail_event *event, void *user)
{
	const struct pass *pass = user;

	return pass->take(pass->ancestry, event) < 0 ? ctl_fail("no memory") : CTL_OK;
}

static int gather(struct trail *trail, struct ancestry *ancestry)
{
	struct pass passes[] = { { ancestry_find_writers, ancestry },
				 { ancestry_find_begins, ancestry },
				 { ancestry_find_reads, ancestry } };
	int status = ctl_trail_each(trail, true, note_event, ancestry->lineage);

	if (status != CTL_OK)
		return status;
	if (lineage_trace(ancestry->lineage, ancestry->path) < 0)
		return ctl_fail("no memory");
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		if (trail_rewind(trail) < 0)
			return ctl_fail("cannot read the trail again: %m");
		status = ctl_trail_each(trail, true, take_event, &passes[i]);
		if (status != CTL_OK)
			return status;
	}
	return CTL_OK;
}

static void print_time(const struct timespec *time)
{
	char text[CTL_TIME_SIZE];

	printf("  %s  ", ctl_time(time->tv_sec, text));
}

static void print_title(const char *title)
{
	printf("%s%s%s\n", ctl_colour(stdout, CTL_BOLD), title,
	       ctl_colour(stdout, CTL_PLAIN));
}

static void print_more(uint64_t more)
{
	if (more > 0)
		printf("  and %" PRIu64 " more\n", more);
}

static void print_steps(const struct ancestry *ancestry)
{
	print_title("What became of it:");
	for (size_t i = 0; i < ancestry->steps.n; i++) {
		const struct ancestry_step *step = &ancestry->steps.items[i];

		print_time(&step->time);
		ctl_puts_safe(stdout, step->op);
		if (step->outcome != TRAIL_OK)
			printf(" %s%s%s", ctl_colour(stdout, CTL_RED),
			       ctl_outcome_name(step->outcome),
			       ctl_colour(stdout, CTL_PLAIN));
		fputs(" by ", stdout);
		ctl_puts_safe(stdout, step->acct[0] ? step->acct : "(guard)");
		fputs(": ", stdout);
		ctl_puts_safe(stdout, step->path);
		if (step->new_path[0]) {
			fputs(" -> ", stdout);
			ctl_puts_safe(stdout, step->new_path);
		}
		if (step->n > 1)
			printf(", and %" PRIu64 " more", step->n - 1);
		if (step->reason[0]) {
			fputs(" (", stdout);
			ctl_puts_safe(stdout, step->reason);
			putchar(')');
		}
		putchar('\n');
	}
	print_more(ancestry->steps.more);
}

static void print_inputs(const struct ancestry *ancestry, size_t writer)
{
	for (size_t i = 0; i < ancestry->inputs.n; i++) {
		const struct ancestry_input *input = &ancestry->inputs.items[i];

		if (input->writer != writer)
			continue;
		fputs("      which read ", stdout);
		ctl_puts_safe(stdout, input->path);
		puts(input->sibling ? " (another process of the same user and program)"
				    : "");
	}
}

static void print_writers(const struct ancestry *ancestry)
{
	print_title("Written by:");
	for (size_t i = 0; i < ancestry->writers.n; i++) {
		const struct ancestry_writer *writer = &ancestry->writers.items[i];

		print_time(&writer->first);
		ctl_puts_safe(stdout, writer->acct);
		fputs(" with ", stdout);
		ctl_puts_safe(stdout, writer->exe[0] ? writer->exe : writer->comm);
		printf(", process %jd\n", (intmax_t)writer->pid);
		print_inputs(ancestry, i);
	}
	print_more(ancestry->writers.more);
	if (ancestry->inputs.more > 0)
		printf("  and %" PRIu64 " more opens of other files\n",
		       ancestry->inputs.more);
}

static void print_readers(const struct ancestry *ancestry)
{
	print_title(ancestry->promoted.tv_sec ? "Read since it was promoted by:"
					      : "Read by:");
	for (size_t i = 0; i < ancestry->readers.n; i++) {
		const struct ancestry_reader *reader = &ancestry->readers.items[i];

		print_time(&reader->first);
		ctl_puts_safe(stdout, reader->acct);
		fputs(" with ", stdout);
		ctl_puts_safe(stdout, reader->exe);
		printf(", %" PRIu64 " time%s\n", reader->n, reader->n == 1 ? "" : "s");
	}
	print_more(ancestry->readers.more);
	if (ancestry->n_denied > 0)
		printf("%" PRIu64 " attempt%s denied: see 'modelguardctl history'\n",
		       ancestry->n_denied, ancestry->n_denied == 1 ? " was" : "s were");
}

/* Readable to its owner only: it tells who did what. */
static int write_svg(const char *file, const struct ancestry *ancestry)
{
	_cleanup_(freep) char *temporary = NULL;
	FILE *out = NULL;
	bool failed;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return ctl_fail("no memory");
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd >= 0)
		out = fdopen(fd, "w");
	if (!out)
		return ctl_fail("cannot make a file beside %s: %m", QUOTED(file));
	ancestry_write_svg(out, ancestry);
	failed = ferror(out);
	if (fclose(out) == 0 && !failed && rename(temporary, file) == 0)
		return CTL_OK;
	(void)unlink(temporary);
	return ctl_fail("cannot write %s: %m", QUOTED(file));
}

static int show(const struct ancestry *ancestry, bool json, const char *svg)
{
	int status = svg ? write_svg(svg, ancestry) : CTL_OK;

	if (status != CTL_OK)
		return status;
	if (json) {
		if (ctl_json_print(ancestry_json(ancestry)) < 0)
			return ctl_fail("no memory");
	} else {
		print_writers(ancestry);
		print_steps(ancestry);
		print_readers(ancestry);
	}
	return ancestry_is_empty(ancestry) ? CTL_NO : CTL_OK;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	_cleanup_(trail_closep) struct trail *trail = NULL;
	_cleanup_(lineage_freep) struct lineage *lineage = lineage_new();
	_cleanup_(ancestry_fini) struct ancestry ancestry = { .lineage = lineage };
	struct trail_filter filter = { 0 };
	const char *input = NULL, *svg = NULL;
	bool json = false;
	int code, status;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code == OPTION_JSON)
			json = true;
		else if (code == OPTION_SVG)
			svg = optarg;
		else if (ctl_trail_option(verb, code, &input, &filter) != CTL_OK)
			return CTL_USAGE;
	}
	if (argc - optind != 1 || argv[optind][0] != '/')
		return ctl_usage(verb, "takes one PATH, from '/' on, as users see it");
	ancestry.path = argv[optind];
	for (size_t n = strlen(argv[optind]); n > 1 && argv[optind][n - 1] == '/'; n--)
		argv[optind][n - 1] = '\0';
	if (!lineage)
		return ctl_fail("no memory");
	status = ctl_trail_open(input, false, &trail);
	if (status == CTL_OK)
		status = gather(trail, &ancestry);
	if (status != CTL_OK)
		return status;
	ctl_trail_print_skipped(trail);
	return show(&ancestry, json, svg);
}

const struct ctl_verb ctl_lineage = {
	.name = "lineage",
	.arguments = "PATH",
	.summary = "Say where a model comes from, and who has used it.",
	.details =
		"Who wrote it, and what the writing process had read in the share until "
		"then;\n"
		"renames, approvals, promotions and verifications; who has read it "
		"since. The\n"
		"exit status is 1 if the trail has nothing of it.\n",
	.options = options,
	.run = run,
};
