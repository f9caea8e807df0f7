/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: can users get to the source around the guard, on this path or on
 * another mount of it? */
#include <libgen.h>
#include <string.h>

#include "fuse/doctor-files.h"
#include "fuse/doctor-mounts.h"
#include "fuse/doctor.h"
#include "fuse/searchers.h"
#include "fuse/util.h"

enum { OPEN, BARE, ELSEWHERE };

static const struct doctor_check checks[] = {
	[OPEN] = { "source-open", DOCTOR_CRITICAL,
		   "users can reach the source around the guard",
		   "chown root {} && chmod 700 {} && setfacl -b {}" },
	[BARE] = { "source-bare", DOCTOR_WARNING,
		   "the source is open to users whenever the guard is not mounted over "
		   "it: "
		   "before it starts, and after it has ended",
		   "close it under the guard: unmount, chown root {} && chmod 700 {} && "
		   "setfacl -b {}, mount; the guard shows modes of its own" },
	[ELSEWHERE] = { "source-elsewhere", DOCTOR_CRITICAL,
			"the source, or a part of it, is mounted a second time, where "
			"users can reach it around the guard",
			"umount {}, and take it out of /etc/fstab and what else mounts "
			"it" },
};

/* 1: nobody but root can search the directory itself or one above it. */
static int is_closed(const struct doctor *doctor, const struct share *share,
		     struct searchers *ret)
{
	_cleanup_(freep) char *path = doctor_path(doctor, share->source);
	struct searchers above;
	struct fd_path fd;
	int r = path ? searchers_of(fd_path(share->fd, &fd), ret) : -ENOMEM;

	if (r < 0 || !ret->any)
		return r < 0 ? r : 1;
	return searchers_reach(dirname(path), doctor->root, &above);
}

static void look_at_source(struct doctor *doctor, const struct share *share)
{
	const struct doctor_check *check = &checks[share->over_source ? BARE : OPEN];
	struct searchers searchers;
	int r;

	if (share->fd < 0) {
		doctor_unreadable(doctor, check, share->source, share->fd);
		return;
	}
	r = is_closed(doctor, share, &searchers);
	if (r < 0)
		doctor_unreadable(doctor, check, share->source, r);
	else if (r == 0)
		doctor_found(doctor, check, share->source, "it can be searched by %s",
			     searchers.text);
}

static void look_at_mount(struct doctor *doctor, const struct share *share,
			  const struct mount_entry *entry)
{
	_cleanup_(freep) char *point = NULL, *path = NULL;
	struct searchers searchers;
	int r;

	if (!mounts_shows(&doctor->shares.mounts, entry, share, &point)) {
		doctor->no_memory |= errno == ENOMEM;
		return;
	}
	if (strcmp(point, share->source) == 0)
		return;
	path = doctor_path(doctor, point);
	r = path ? searchers_reach(path, doctor->root, &searchers) : -ENOMEM;
	if (r < 0)
		doctor_unreadable(doctor, &checks[ELSEWHERE], point, r);
	else if (r == 0)
		doctor_found(doctor, &checks[ELSEWHERE], point, "shows %s to %s",
			     share->source, searchers.text);
}

static void look(struct doctor *doctor)
{
	const struct shares *shares = &doctor->shares;

	if (shares->mounts_error < 0)
		doctor_unreadable(doctor, &checks[ELSEWHERE], "/proc/self/mountinfo",
				  shares->mounts_error);
	if (shares->n_items == 0)
		doctor_unknown(
			doctor, &checks[OPEN], "the source",
			"no guard is mounted: name the source on the command line");
	for (size_t i = 0; i < shares->n_items; i++) {
		look_at_source(doctor, &shares->items[i]);
		for (size_t j = 0; j < shares->mounts.n_items; j++)
			look_at_mount(doctor, &shares->items[i],
				      &shares->mounts.items[j]);
	}
}

const struct doctor_area doctor_source = { DOCTOR_CHECKS(checks), false, look };
