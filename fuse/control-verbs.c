/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard does when root asks over the control socket. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config/policy-load.h"

#include "fuse/control-verbs.h"
#include "fuse/control.h"
#include "fuse/log.h"
#include "fuse/util.h"

struct control_verbs {
	struct control_parts parts;
	struct status *status;
	struct control *control;
};

static int append(json_t *list, unsigned line, const char *text)
{
	return json_array_append_new(
		list, json_pack("{s:I, s:s}", "line", (json_int_t)line, "text", text));
}

/* There is always one, if it failed. */
static json_t *list_complaints(int error, const struct complaints *complaints)
{
	json_t *list = json_array();

	for (size_t i = 0; i < complaints->n_items; i++)
		append(list, complaints->items[i].line, complaints->items[i].text);
	if (error == -EIO && complaints->n_items == 0)
		append(list, 0,
		       "sound, but that it is to be in force cannot be recorded: see "
		       "'modelguardctl status'");
	else if (error < 0 && complaints->n_items == 0)
		append(list, 0, strerrordesc_np(-error));
	return list;
}

/* Under reload_lock, so that what is told to be in force is what was loaded. */
static json_t *answer_reload(struct control_verbs *verbs)
{
	_cleanup_(complaints_fini) struct complaints complaints = { 0 };
	int r = verbs->parts.reload(verbs->parts.data, &complaints);
	json_t *document = status_policy(verbs->status);

	if (!document)
		return NULL;
	if (json_object_set_new(document, "loaded", json_boolean(r == 0)) < 0 ||
	    json_object_set_new(document, "complaints", list_complaints(r, &complaints)) <
		    0 ||
	    status_set_grants(verbs->status, document) < 0) {
		json_decref(document);
		return NULL;
	}
	return document;
}

static json_t *answer(void *data, enum control_verb verb, int *ret_fd)
{
	struct control_verbs *verbs = data;
	json_t *document = NULL;

	switch (verb) {
	case CONTROL_STATUS:
		return status_all(verbs->status);
	case CONTROL_POLICY:
		return status_policy(verbs->status);
	case CONTROL_RELOAD:
		pthread_mutex_lock(verbs->parts.reload_lock);
		document = answer_reload(verbs);
		pthread_mutex_unlock(verbs->parts.reload_lock);
		break;
	case CONTROL_SOURCE:
		*ret_fd = verbs->parts.status.fs->source.root_fd;
		return status_policy(verbs->status);
	case N_CONTROL_VERBS:
		break;
	}
	return document;
}

static void tick(void *data)
{
	struct control_verbs *verbs = data;

	status_tick(verbs->status);
}

struct control_verbs *control_verbs_start(const struct control_parts *parts)
{
	struct control_verbs *verbs = calloc(1, sizeof(*verbs));
	const struct control_actions actions = { answer, tick, verbs };
	struct statx stx;

	if (!verbs || !(verbs->status = status_new(&parts->status))) {
		log_warning("no memory: this guard serves without control");
		return control_verbs_stop(verbs);
	}
	verbs->parts = *parts;
	/* The mount's device number, which the kernel tells without asking us. */
	if (statx(AT_FDCWD, parts->status.mountpoint, AT_STATX_DONT_SYNC, 0, &stx) < 0) {
		log_warning("cannot look at '%s': %m; this guard serves without control",
			    parts->status.mountpoint);
		return control_verbs_stop(verbs);
	}
	/* In a mount namespace that mounts do not reach (mount-namespace=) it is not
	 * there, and the number would be another's. */
	if (!(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
		log_warning(
			"'%s' is not mounted where this guard runs: it serves without "
			"control",
			parts->status.mountpoint);
		return control_verbs_stop(verbs);
	}
	if (control_start(makedev(stx.stx_dev_major, stx.stx_dev_minor), &actions,
			  &verbs->control) < 0)
		return control_verbs_stop(verbs);
	return verbs;
}

struct control_verbs *control_verbs_stop(struct control_verbs *verbs)
{
	if (!verbs)
		return NULL;
	control_stop(verbs->control);
	status_free(verbs->status);
	free(verbs);
	return NULL;
}
