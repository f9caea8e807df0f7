/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: do containers and services have the source among their mounts? */
#include <ctype.h>
#include <search.h>
#include <string.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor-mounts.h"
#include "fuse/doctor.h"
#include "fuse/searchers.h"
#include "fuse/util.h"

enum { NAMESPACE };

static const struct doctor_check checks[] = {
	[NAMESPACE] = { "source-in-namespace", DOCTOR_CRITICAL,
			"a container or a service has the source itself among its "
			"mounts: "
			"whoever is in there, and root in there, is not guarded",
			"give it the mount point of the guard instead, and restart it" },
};

#define NAMESPACE_SIZE 64

/* Namespaces that were looked at: each once, by the first process in it. */
struct seen {
	char (*names)[NAMESPACE_SIZE];
	size_t n;
};

static bool is_seen(const struct seen *seen, const char *name)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (strcmp(seen->names[i], name) == 0)
			return true;
	}
	return false;
}

static int see(struct seen *seen, const char *name)
{
	char(*more)[NAMESPACE_SIZE] =
		reallocarray(seen->names, seen->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	seen->names = more;
	strcpy(more[seen->n++], name);
	return 0;
}

static int namespace_of(const struct doctor *doctor, const char *process,
			const char *kind, char name[static NAMESPACE_SIZE])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/ns/%s", process, kind);
	return doctor_readlink(doctor, path, name, NAMESPACE_SIZE);
}

/* Mounted there on purpose; or else as each namespace has a copy of our mounts, or ours
 * is a piece of theirs. */
static bool is_made(const struct share *share, const struct mount_entry *entry,
		    const char *point)
{
	return strcmp(point, share->source) != 0 ||
	       !path_covers(entry->root, share->on->root);
}

/* Its root is a user like others to the source: by unshare(1) anyone can have that. */
static bool has_users_only(const struct doctor *doctor, const char *process)
{
	char ours[NAMESPACE_SIZE], theirs[NAMESPACE_SIZE];

	return namespace_of(doctor, "self", "user", ours) == 0 &&
	       namespace_of(doctor, process, "user", theirs) == 0 &&
	       strcmp(ours, theirs) != 0;
}

/* 1: nobody but root gets there. */
static int is_closed(const struct doctor *doctor, const char *process, const char *point)
{
	_cleanup_(freep) char *top = NULL, *path = NULL;
	struct searchers searchers;

	if (asprintf(&top, "%s/proc/%s/root", doctor->root, process) < 0)
		top = NULL;
	if (!top || asprintf(&path, "%s%s", top, point) < 0)
		return -ENOMEM;
	return searchers_reach(path, top, &searchers);
}

static void print_comm(const struct doctor *doctor, const char *process, char *buffer,
		       size_t size)
{
	_cleanup_(freep) char *comm = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/comm", process);
	if (doctor_read(doctor, path, &comm) == 0)
		comm[strcspn(comm, "\n")] = '\0';
	snprintf(buffer, size, "%s", comm ? comm : "?");
}

static void look_at_mount(struct doctor *doctor, const char *process,
			  const struct mounts *mounts, const struct mount_entry *entry,
			  const struct share *share)
{
	_cleanup_(freep) char *point = NULL;
	char comm[32], object[64];
	int closed;

	if (!mounts_shows(mounts, entry, share, &point)) {
		doctor->no_memory |= errno == ENOMEM;
		return;
	}
	if (!is_made(share, entry, point) || has_users_only(doctor, process)) {
		closed = is_closed(doctor, process, point);
		if (closed == -ENOENT || closed > 0)
			return;
	}
	snprintf(object, sizeof(object), "process %.20s", process);
	print_comm(doctor, process, comm, sizeof(comm));
	doctor_found(doctor, &checks[NAMESPACE], object, "%s has %s at %s", comm,
		     share->source, point);
}

static void look_at_process(struct doctor *doctor, const char *process)
{
	const struct shares *shares = &doctor->shares;
	struct mounts mounts __attribute__((cleanup(mounts_fini))) = { 0 };
	char path[64], *text = NULL;
	int r;

	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", process);
	r = doctor_read(doctor, path, &text);
	if (r < 0) {
		if (r != -ENOENT && r != -EINVAL) /* it has ended meanwhile */
			doctor_unreadable(doctor, &checks[NAMESPACE], path, r);
		return;
	}
	if (mounts_parse(text, &mounts) < 0) {
		doctor->no_memory = true;
		return;
	}
	for (size_t i = 0; i < shares->n_items; i++) {
		for (size_t j = 0; j < mounts.n_items; j++)
			look_at_mount(doctor, process, &mounts, &mounts.items[j],
				      &shares->items[i]);
	}
}

static void on_process(struct doctor *doctor, const char *directory, const char *name,
		       void *data)
{
	char namespace[NAMESPACE_SIZE];
	struct seen *seen = data;

	(void)directory;
	if (!isdigit((unsigned char)*name) ||
	    namespace_of(doctor, name, "mnt", namespace) < 0 || is_seen(seen, namespace))
		return;
	if (see(seen, namespace) < 0)
		doctor->no_memory = true;
	else
		look_at_process(doctor, name);
}

/* A guard in a service of its own needs the source there. */
static void pass_over_guards(struct doctor *doctor, struct seen *seen)
{
	for (size_t i = 0; i < doctor->shares.n_items; i++) {
		const json_t *status = doctor->shares.items[i].status;
		char process[32], namespace[NAMESPACE_SIZE];

		snprintf(process, sizeof(process), "%lld",
			 (long long)json_integer_value(json_object_get(status, "pid")));
		if (status && namespace_of(doctor, process, "mnt", namespace) == 0 &&
		    see(seen, namespace) < 0)
			doctor->no_memory = true;
	}
}

static void look(struct doctor *doctor)
{
	struct seen seen = { 0 };
	char ours[NAMESPACE_SIZE];
	int r = namespace_of(doctor, "self", "mnt", ours);

	if (r == 0)
		r = see(&seen, ours);
	pass_over_guards(doctor, &seen);
	if (r == 0)
		r = doctor_each_name(doctor, "/proc", on_process, &seen);
	if (r < 0)
		doctor_unreadable(doctor, &checks[NAMESPACE], "/proc", r);
	else if (*doctor->root == '\0' && geteuid() != 0)
		doctor_unknown(doctor, &checks[NAMESPACE], "/proc",
			       "mounts of other people's processes are shown to root "
			       "only: run it as root");
	free(seen.names);
}

const struct doctor_area doctor_namespaces = { DOCTOR_CHECKS(checks), false, look };
