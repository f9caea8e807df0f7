/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the guards that run, and how one is asked. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "fuse/control-request.h"

struct ctl_guard {
	dev_t device;
	char *mountpoint; /* NULL: mounted where we cannot see it */
	char *source;
};

struct ctl_guards {
	struct ctl_guard *items;
	size_t n_items;
};

/* The guards that are mounted here, and those of other mount namespaces that have a
 * control socket. Returns CTL_OK, also if there is none, or CTL_FAILED, having said why.
 * ctl_guards_fini() in any case. */
int ctl_look_for_guards(struct ctl_guards *ret);

/* The same for a verb that needs one, and root; with a path the one that this is in.
 * Returns CTL_NO if there is none, having said so. */
int ctl_find_guards(const char *path, struct ctl_guards *ret);
void ctl_guards_fini(struct ctl_guards *guards);

/* For verbs that anybody may use: whether a path is in a share that is mounted here.
 * Returns CTL_OK; or CTL_NO or CTL_FAILED, having said why. */
int ctl_check_in_share(const char *path);

/* How it is called in a line for people; borrowed. */
const char *ctl_guard_name(const struct ctl_guard *guard);

/* Why there is no answer: one phrase, which may hold bytes from outside. */
struct ctl_fault {
	char text[256];
};

/* Asks a guard and returns its whole answer, the lists as arrays: a reference. NULL: none
 * came, or it refuses. */
json_t *ctl_ask_guard(const struct ctl_guard *guard, enum control_verb verb,
		      struct ctl_fault *fault);

/* The top directory of its source, behind the mount; a new descriptor, or -1. */
int ctl_guard_source(const struct ctl_guard *guard, struct ctl_fault *fault);

/* Says on stderr that there is none. Returns CTL_FAILED. */
int ctl_no_answer(const struct ctl_guard *guard, const struct ctl_fault *fault);
