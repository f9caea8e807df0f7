/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl verify: whether models are what they were when they were promoted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-event.h"
#include "fuse/ctl-json.h"
#include "fuse/ctl-progress.h"
#include "fuse/ctl-record.h"
#include "fuse/ctl-source.h"
#include "fuse/ctl.h"
#include "fuse/promoted.h"
#include "fuse/util.h"
#include "fuse/verify-state.h"
#include "fuse/verify.h"

enum { OPTION_ALL = CTL_LONG, OPTION_KEEP, OPTION_STATE, OPTION_JSON };

static const struct ctl_option options[] = {
	{ OPTION_ALL, "all", NULL, "verify all that was promoted in all shares" },
	{ OPTION_STATE, "state", "FILE", "go on where an interrupted run left FILE" },
	{ OPTION_KEEP, "keep", NULL,
	  "write down what PATH is now, to verify it later: for\n"
	  "                           what was never promoted" },
	{ OPTION_JSON, "json", NULL, "print the result as one JSON object" },
	{ 0, NULL, NULL, NULL },
};

struct verifier {
	struct verify_state *state;
	json_t *list; /* --json, or NULL */
	bool keep;
	size_t n_verified;
};

static bool is_known(void *context, const struct manifest_entry *kept,
		     const struct stat *now)
{
	const struct verifier *verifier = context;

	return verify_state_has(verifier->state, &kept->digest, now);
}

static void is_right(void *context, const struct manifest_entry *kept,
		     const struct stat *now)
{
	struct verifier *verifier = context;

	verify_state_add(verifier->state, &kept->digest, now);
}

/* "2 changed, 1 missing". */
static void count_findings(const struct findings *findings, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (unsigned i = 0; i < N_DIFFERENCES && used < size; i++)
		if (findings->n[i] > 0)
			used += (size_t)snprintf(buffer + used, size - used, "%s%zu %s",
						 used ? ", " : "", findings->n[i],
						 difference_name((enum difference)i));
	if (findings->unlisted && used < size)
		snprintf(buffer + used, size - used,
			 "%sanother digest, and no list of "
			 "what it was is left",
			 used ? ", " : "");
}

static void warn_unrecorded(int error)
{
	fprintf(stderr,
		"modelguardctl: this could not be recorded in the trail (%s): is auditd "
		"running?\n",
		strerrordesc_np(-error));
}

static void record(const char *op, const char *path, const struct promoted *promoted,
		   const struct findings *findings)
{
	bool bad = findings && findings_any(findings);
	char hex[DIGEST_HEX_SIZE], reason[256] = "";
	struct record record = {
		.kind = bad ? RECORD_INTEGRITY : RECORD_LIFECYCLE,
		.success = !bad,
		.op = op,
		.path = path,
		.hash = hex,
		.size = promoted->n_bytes,
		.count = findings ? findings->n_items : 0,
		.present = RECORD_SIZE | (bad ? RECORD_COUNT : 0),
	};
	int r;

	digest_hex(&promoted->digest, hex);
	if (bad) {
		count_findings(findings, reason, sizeof(reason));
		record.reason = reason;
	}
	r = ctl_record(&record);
	if (r < 0)
		warn_unrecorded(r);
}

static void print_when(const struct promoted *promoted)
{
	char size[CTL_SIZE_TEXT], when[CTL_TIME_SIZE];

	printf(" %zu file%s, %s, promoted %s\n", promoted->n_files,
	       promoted->n_files == 1 ? "" : "s", ctl_size(promoted->n_bytes, size),
	       ctl_time(promoted->when, when));
}

static void print_findings(const char *path, const struct promoted *promoted,
			   const struct findings *findings)
{
	bool bad = findings_any(findings);
	char counts[256];

	fputs(ctl_colour(stdout, CTL_BOLD), stdout);
	ctl_puts_safe(stdout, path);
	count_findings(findings, counts, sizeof(counts));
	printf("%s: %s%s%s%s%s,", ctl_colour(stdout, CTL_PLAIN),
	       ctl_colour(stdout, bad ? CTL_RED : CTL_GREEN),
	       bad ? "NOT as it was: " : "as it was", counts,
	       ctl_colour(stdout, CTL_PLAIN), bad ? "" : "");
	print_when(promoted);
	for (size_t i = 0; i < findings->n_items; i++) {
		const struct finding *finding = &findings->items[i];

		printf("  %-10s  ", difference_name(finding->difference));
		ctl_puts_safe(stdout, finding->path[0] ? finding->path : ".");
		if (finding->error)
			printf(" (%s)", strerrordesc_np(finding->error));
		putchar('\n');
	}
}

static void add_json(json_t *list, const char *path, const struct promoted *promoted,
		     const struct findings *findings)
{
	json_t *item = json_object(), *items = json_array();
	char hex[DIGEST_HEX_SIZE];

	digest_hex(&promoted->digest, hex);
	ctl_json_set_text(item, "path", path);
	ctl_json_set(item, "verified", json_boolean(!findings_any(findings)));
	ctl_json_set_text(item, "type",
			  promoted->type == MANIFEST_FILE ? "file" : "directory");
	ctl_json_set_text(item, "sha256", hex);
	ctl_json_set(item, "files", json_integer((json_int_t)promoted->n_files));
	ctl_json_set(item, "bytes", json_integer((json_int_t)promoted->n_bytes));
	ctl_json_set(item, "promoted", json_integer(promoted->when));
	for (size_t i = 0; i < findings->n_items; i++) {
		json_t *one = json_object();

		ctl_json_set_text(one, "difference",
				  difference_name(findings->items[i].difference));
		ctl_json_set_text(one, "path", findings->items[i].path);
		json_array_append_new(items, one);
	}
	ctl_json_set(item, "findings", items);
	ctl_json_set(item, "list-lost", json_boolean(findings->unlisted));
	json_array_append_new(list, item);
}

static int fail_at(const char *path, const char *culprit, int error)
{
	fputs("modelguardctl: ", stderr);
	ctl_puts_safe(stderr, path);
	if (culprit && culprit[0]) {
		fputs(": ", stderr);
		ctl_puts_safe(stderr, culprit);
	}
	fprintf(stderr, ": %s\n",
		error == -EBUSY	    ? "it changes meanwhile: try again"
		: error == -EBADMSG ? "what is kept of its promotion is not understood"
				    : strerrordesc_np(-error));
	return CTL_FAILED;
}

/* What was promoted, with its path as users see it. */
static int verify_top(struct verifier *verifier, const struct ctl_place *place,
		      const char *below, const struct promoted *promoted)
{
	_cleanup_(freep) char *path = ctl_place_path(place, below);
	_cleanup_(findings_fini) struct findings findings = { 0 };
	struct ctl_progress progress;
	const struct verify_plan plan = {
		.hashing = { .progress = ctl_progress_show, .context = &progress },
		.is_known = verifier->state ? is_known : NULL,
		.is_right = verifier->state ? is_right : NULL,
		.context = verifier,
	};
	int r;

	if (!path)
		return ctl_fail("no memory");
	ctl_progress_begin(&progress, "verifying");
	r = verify_tree(place->fd, below, promoted, &plan, &findings);
	ctl_progress_end(&progress);
	if (r < 0)
		return fail_at(path, findings.now.culprit, r);
	verifier->n_verified++;
	record("verify", path, promoted, &findings);
	if (verifier->list)
		add_json(verifier->list, path, promoted, &findings);
	else
		print_findings(path, promoted, &findings);
	return findings_any(&findings) ? CTL_NO : CTL_OK;
}

static int open_below(const struct ctl_place *place, const char *below)
{
	const struct manifest_entry top = { .path = (char *)"" };

	return manifest_open(place->fd, below, &top, O_PATH);
}

/* -ENODATA also of what no attribute can be on. */
static int read_promoted(const struct ctl_place *place, const char *below,
			 struct promoted *ret)
{
	_cleanup_(closep) int fd = open_below(place, below);

	return fd < 0 ? fd : promoted_read(fd, ret);
}

static int worse(int one, int other)
{
	return one > other ? one : other;
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static int walk(struct verifier *verifier, const struct ctl_place *place,
		const char *below);

static int walk_names(struct verifier *verifier, const struct ctl_place *place,
		      const char *below, DIR *directory)
{
	struct dirent *entry;
	int status = CTL_OK;

	while ((entry = readdir(directory))) {
		_cleanup_(freep) char *path = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_REG &&
		     entry->d_type != DT_UNKNOWN))
			continue;
		if (asprintf(&path, "%s%s%s", strcmp(below, ".") == 0 ? "" : below,
			     strcmp(below, ".") == 0 ? "" : "/", entry->d_name) < 0)
			return ctl_fail("no memory");
		status = worse(status, walk(verifier, place, path));
	}
	return status;
}

/* All that was promoted at or below a path. What is gone meanwhile, or too deep to have
 * been promoted, is passed by. */
static int walk(struct verifier *verifier, const struct ctl_place *place,
		const char *below)
{
	const struct manifest_entry top = { .path = (char *)"" };
	_cleanup_(closedirp) DIR *directory = NULL;
	struct promoted promoted;
	int fd, r = read_promoted(place, below, &promoted);

	if (r == 0)
		return verify_top(verifier, place, below, &promoted);
	if (r == -EBADMSG)
		return fail_at(below, NULL, r);
	fd = manifest_open(place->fd, below, &top, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return CTL_OK;
	directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return ctl_fail("no memory");
	}
	return walk_names(verifier, place, below, directory);
}

/* The promoted thing that a path lies in, if not itself; cuts `below`. */
static bool find_above(const struct ctl_place *place, char *below,
		       struct promoted *promoted)
{
	for (;;) {
		char *slash = strrchr(below, '/');

		if (read_promoted(place, below, promoted) == 0)
			return true;
		if (!slash)
			return false;
		*slash = '\0';
	}
}

static int verify_place(struct verifier *verifier, const struct ctl_place *place)
{
	_cleanup_(freep) char *above = strdup(place->below);
	struct promoted promoted;
	int fd;

	if (!above)
		return ctl_fail("no memory");
	if (find_above(place, above, &promoted))
		return verify_top(verifier, place, above, &promoted);
	fd = open_below(place, place->below);
	if (fd < 0)
		return fail_at(place->below, NULL, fd);
	close(fd);
	return walk(verifier, place, place->below);
}

/* --keep: as if it were promoted now, by whoever may write to the source anyway. */
static int keep(const struct ctl_place *place)
{
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	_cleanup_(freep) char *path = ctl_place_path(place, place->below);
	_cleanup_(closep) int fd = open_below(place, place->below);
	struct ctl_progress progress;
	const struct manifest_plan plan = { .progress = ctl_progress_show,
					    .context = &progress };
	struct promoted promoted = { .when = time(NULL) };
	int r = fd < 0 ? fd : 0;

	if (!path)
		return ctl_fail("no memory");
	ctl_progress_begin(&progress, "hashing");
	if (r == 0)
		r = manifest_read(place->fd, place->below, &plan, &manifest);
	ctl_progress_end(&progress);
	if (r == 0)
		r = promoted_write(fd, &manifest, promoted.when);
	if (r < 0)
		return fail_at(path, manifest.culprit, r);
	promoted.digest = manifest.digest;
	promoted.n_bytes = manifest.n_bytes;
	promoted.n_files = manifest.n_files;
	record("keep", path, &promoted, NULL);
	ctl_puts_safe(stdout, path);
	fputs(": kept,", stdout);
	print_when(&promoted);
	return CTL_OK;
}

static int run_path(struct verifier *verifier, const char *path)
{
	_cleanup_(ctl_place_fini) struct ctl_place place = { .fd = -1 };
	size_t before = verifier->n_verified;
	int status = ctl_place_find(path, &place);

	if (status != CTL_OK)
		return status;
	if (verifier->keep)
		return keep(&place);
	status = verify_place(verifier, &place);
	if (status == CTL_OK && verifier->n_verified == before)
		return ctl_fail("%s: nothing was promoted there; --keep writes down what "
				"it is now",
				QUOTED(path));
	return status;
}

static int run_all(struct verifier *verifier)
{
	struct ctl_place *places = NULL;
	size_t n = 0;
	int status = ctl_place_all(&places, &n);

	for (size_t i = 0; i < n; i++) {
		if (places[i].fd >= 0)
			status = worse(status, walk(verifier, &places[i], "."));
		ctl_place_fini(&places[i]);
	}
	free(places);
	if (status == CTL_OK && verifier->n_verified == 0)
		fputs("nothing was promoted\n", stderr);
	return status;
}

static int run_verifier(struct verifier *verifier, bool all, char *const *paths)
{
	int status = all ? run_all(verifier) : CTL_OK;

	for (; *paths; paths++)
		status = worse(status, run_path(verifier, *paths));
	return status;
}

static int print_list(struct verifier *verifier, int status)
{
	json_t *document = json_object();

	ctl_json_set(document, "verified", json_boolean(status == CTL_OK));
	ctl_json_set(document, "promoted", take_ptr(verifier->list));
	return ctl_json_print(document) < 0 ? ctl_fail("no memory") : status;
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct verifier verifier = { 0 };
	const char *state = NULL;
	bool all = false, json = false;
	int code, status, r;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code == '?')
			return CTL_USAGE;
		all = all || code == OPTION_ALL;
		json = json || code == OPTION_JSON;
		verifier.keep = verifier.keep || code == OPTION_KEEP;
		if (code == OPTION_STATE)
			state = optarg;
	}
	if (all == (optind < argc))
		return ctl_usage(verb, "takes a PATH, or --all");
	if (verifier.keep && (all || json || state))
		return ctl_usage(verb, "--keep takes a PATH and no other option");
	r = state ? verify_state_open(state, &verifier.state) : 0;
	if (r < 0)
		return ctl_fail("%s: %s", QUOTED(state),
				r == -EPERM ? "it must be a file that only root can write"
					    : strerrordesc_np(-r));
	verifier.list = json ? json_array() : NULL;
	status = run_verifier(&verifier, all, argv + optind);
	verify_state_close(verifier.state, status <= CTL_NO);
	return json ? print_list(&verifier, status) : status;
}

const struct ctl_verb ctl_verify = {
	.name = "verify",
	.arguments = "PATH...",
	.summary = "Say whether models are what they were when they were promoted.",
	.details = "Reads all files again, behind the guard, and compares; what is "
		   "missing or was\n"
		   "added is found, too. A difference is recorded in the trail "
		   "(ANOM_RBAC_INTEGRITY_FAIL),\n"
		   "and the exit status is 1. For root.\n",
	.options = options,
	.run = run,
};
