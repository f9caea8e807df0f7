/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl edit: a policy is changed on a copy, and installed when it is sound. */
#include <ctype.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config/identity.h"
#include "config/policy-load.h"
#include "config/text.h"

#include "fuse/ctl-edit-copy.h"
#include "fuse/ctl-editor.h"
#include "fuse/ctl-effect.h"
#include "fuse/ctl-install.h"
#include "fuse/ctl-lock.h"
#include "fuse/ctl-pager.h"
#include "fuse/ctl-patience.h"
#include "fuse/ctl-reload.h"
#include "fuse/ctl.h"
#include "fuse/util.h"

static const struct ctl_option options[] = {
	{ 0, NULL, NULL, NULL },
};

struct edit {
	const char *file;
	struct policy_text before; /* of the file when it was locked */
	struct edit_copy copy;
	struct policy *old; /* NULL: it was refused */
	struct policy *new; /* what would be installed */
};

/* What comes after a round in the editor. */
enum next { NEXT_EDIT, NEXT_INSTALL, NEXT_DISCARD, NEXT_UNCHANGED, NEXT_KEEP };

static void edit_fini(struct edit *edit)
{
	policy_text_fini(&edit->before);
	edit_copy_fini(&edit->copy);
	policy_unref(edit->old);
	policy_unref(edit->new);
}

/* One of the letters, or '\0' at the end of the input. */
static char ask(const char *question, const char *letters)
{
	_cleanup_(freep) char *line = NULL;
	size_t room = 0;

	for (;;) {
		printf("%s%s%s ", ctl_colour(stdout, CTL_BOLD), question,
		       ctl_colour(stdout, CTL_PLAIN));
		fflush(stdout);
		if (getline(&line, &room, stdin) <= 0) {
			putchar('\n');
			return '\0';
		}
		if (*line && strchr(letters, tolower((unsigned char)*line)))
			return (char)tolower((unsigned char)*line);
	}
}

static enum next next_of(char letter)
{
	switch (letter) {
	case 'y':
		return NEXT_INSTALL;
	case 'e':
		return NEXT_EDIT;
	case 'd':
		return NEXT_DISCARD;
	default:
		return NEXT_KEEP;
	}
}

/* Parses bytes as the policy that they would be. Returns 0, -EINVAL with complaints, or
 * -ENOMEM. */
static int parse(const struct edit *edit, const struct policy_text *text,
		 struct complaints *complaints, struct policy **ret)
{
	int r;

	ctl_patience_start();
	r = policy_parse(edit->file, text->bytes, text->length, &identity_names,
			 complaints, ret);
	ctl_patience_stop();
	if (r == 0)
		r = policy_unenforceable(*ret, complaints);
	return r > 0 ? -EINVAL : r;
}

static int show_effect(const struct edit *edit)
{
	_cleanup_(people_fini) struct people people = { 0 };
	_cleanup_(effect_fini) struct effect effect = { 0 };
	int status = ctl_find_effect(edit->old, edit->new, &people, &effect);

	if (status != CTL_OK)
		return status;
	ctl_pager_start();
	if (!edit->old)
		puts("The policy as it was is refused, so this is all that is granted:");
	effect_print(&effect);
	return ctl_pager_end();
}

/* The copy differs from the file: is it sound, what does it mean, and what is next? */
static enum next judge(struct edit *edit, const struct policy_text *text)
{
	struct complaints complaints _cleanup_(complaints_fini) = { 0 };
	int r;

	edit->new = policy_unref(edit->new);
	r = parse(edit, text, &complaints, &edit->new);
	if (r == -ENOMEM) {
		ctl_fail("no memory");
		return NEXT_KEEP;
	}
	if (r < 0) {
		ctl_print_complaints(edit->file, &complaints);
		return next_of(ask(
			"It would be refused. (e)dit it again or (d)iscard it?", "ed"));
	}
	if (show_effect(edit) != CTL_OK)
		return NEXT_KEEP;
	return next_of(ask("Install it? (y)es, (e)dit it again or (d)iscard it?", "yed"));
}

/* One round. *ret_status is what the exit status is, unless the next is another. */
static enum next edit_once(struct edit *edit, int *ret_status)
{
	_cleanup_(policy_text_fini) struct policy_text text = { 0 };
	int status = ctl_run_editor(edit->copy.path);
	int r = policy_text_read(edit->copy.path, &text);
	bool same = r == 0 && text.length == edit->before.length &&
		    memcmp(text.bytes, edit->before.bytes, text.length) == 0;

	*ret_status = CTL_NO;
	if (r < 0) {
		*ret_status = ctl_fail("cannot read what was edited: %s: %s",
				       QUOTED(edit->copy.path), strerrordesc_np(-r));
		return NEXT_KEEP;
	}
	if (status != CTL_OK)
		*ret_status = status;
	if (same)
		return NEXT_UNCHANGED;
	return status == CTL_OK ? judge(edit, &text) : NEXT_KEEP;
}

/* Returns CTL_OK, or the exit status, having said why. */
static int check_unchanged(const struct edit *edit)
{
	_cleanup_(policy_text_fini) struct policy_text now = { 0 };
	int r = policy_text_read(edit->file, &now);

	if (r < 0)
		return ctl_fail("cannot read %s any more: %s", QUOTED(edit->file),
				strerrordesc_np(-r));
	if (now.length != edit->before.length ||
	    memcmp(now.bytes, edit->before.bytes, now.length) != 0)
		return ctl_fail("%s was changed by somebody else meanwhile: it is not "
				"overwritten",
				QUOTED(edit->file));
	return CTL_OK;
}

/* A directory or a file that others may write is refused by guards, whatever is in it. */
static int check_installed(const struct edit *edit)
{
	struct complaints complaints _cleanup_(complaints_fini) = { 0 };
	_cleanup_(policy_unrefp) struct policy *policy = NULL;

	ctl_patience_start();
	policy_load(edit->file, &identity_names, &complaints, &policy);
	ctl_patience_stop();
	if (complaints.n_items > 0) {
		ctl_print_complaints(edit->file, &complaints);
		ctl_fail("it is installed, but guards refuse it");
		return CTL_NO;
	}
	ctl_puts_safe(stdout, edit->file);
	printf(": installed (sha256 %.12s)\n", edit->new->hash);
	return ctl_reload_guards(edit->file);
}

static int install(struct edit *edit)
{
	sigset_t ends, before;
	int status;

	/* What the last words say has to stay true. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, &before);
	status = check_unchanged(edit);
	if (status == CTL_OK)
		status = policy_text_install(edit->file, edit->file, edit->new->text,
					     edit->new->length);
	if (status == CTL_OK)
		edit_copy_remove(&edit->copy);
	else
		edit_copy_keep(&edit->copy);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status == CTL_OK ? check_installed(edit) : status;
}

static int finish(struct edit *edit, enum next next, int status)
{
	switch (next) {
	case NEXT_INSTALL:
		return install(edit);
	case NEXT_UNCHANGED:
		edit_copy_remove(&edit->copy);
		ctl_puts_safe(stdout, edit->file);
		puts(": unchanged");
		return status == CTL_NO ? CTL_OK : status;
	case NEXT_DISCARD:
		edit_copy_remove(&edit->copy);
		ctl_puts_safe(stdout, edit->file);
		puts(": unchanged; what was edited is discarded");
		return status;
	default:
		edit_copy_keep(&edit->copy);
		return status;
	}
}

/* What to do about a policy that cannot be read. */
static const char *way_out(int error)
{
	switch (error) {
	case -ELOOP:
		return ": name the file that the link points to";
	case -EINVAL:
		return ": it is not a regular file";
	case -ENOENT:
		return ": copy a first policy there, such as the one in "
		       "/usr/share/modelguard";
	case -EAGAIN:
		return ": somebody is writing to it";
	default:
		return "";
	}
}

static int edit_locked(struct edit *edit)
{
	struct complaints complaints _cleanup_(complaints_fini) = { 0 };
	int r = policy_text_read(edit->file, &edit->before);
	int status;
	enum next next;

	if (r < 0)
		return ctl_fail("cannot edit %s: %s%s", QUOTED(edit->file),
				strerrordesc_np(-r), way_out(r));
	if (parse(edit, &edit->before, &complaints, &edit->old) == -ENOMEM)
		return ctl_fail("no memory");
	status = edit_copy_make(edit->file, &edit->before, &edit->copy);
	if (status != CTL_OK)
		return status;
	do {
		next = edit_once(edit, &status);
	} while (next == NEXT_EDIT);
	return finish(edit, next, status);
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	_cleanup_(edit_fini) struct edit edit = { .file = CTL_POLICY_FILE };
	_cleanup_(policy_unlock) struct policy_lock lock = { .fd = -1 };
	int status;

	if (ctl_getopt(verb, argc, argv) != -1)
		return CTL_USAGE;
	if (argc - optind > 1)
		return ctl_usage(verb, "too many arguments: one FILE at a time");
	if (optind < argc)
		edit.file = argv[optind];
	status = policy_lock(edit.file, &lock);
	return status == CTL_OK ? edit_locked(&edit) : status;
}

const struct ctl_verb ctl_edit = {
	.name = "edit",
	.arguments = "[FILE]",
	.summary = "Change a policy: on a copy, checked, shown by its effect, installed.",
	.details =
		"FILE is " CTL_POLICY_FILE " if none is named. It is opened in $VISUAL "
		"or $EDITOR.\n",
	.options = options,
	.run = run,
};
