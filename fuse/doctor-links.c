/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: files with names in two zones, or outside of the share. */
#include <fcntl.h>
#include <fts.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#include "config/decide.h"

#include "fuse/doctor.h"
#include "fuse/util.h"

enum { ACROSS, OUTSIDE };

static const struct doctor_check checks[] = {
	[ACROSS] = { "link-across-zones", DOCTOR_CRITICAL,
		     "one file has names in two zones: what is granted in either of them "
		     "can be done to it",
		     "replace one of the names by a copy" },
	[OUTSIDE] = { "link-outside", DOCTOR_CRITICAL,
		      "a file of the share has a name outside of it, around the guard",
		      "find the name with 'find MOUNT -xdev -inum INODE', then remove "
		      "it; "
		      "or replace {} by a copy" },
};

/* A file with several names. */
struct linked {
	dev_t dev;
	ino_t ino;
	nlink_t n_links, n_seen;
	char *path; /* the first name, in the share */
	const struct zone *zone;
	bool reported;
};

struct walk {
	struct doctor *doctor;
	void *files;   /* tsearch(3) tree of struct linked */
	size_t prefix; /* of the walked path, which is no part of the share's */
};

static int compare(const void *one, const void *other)
{
	const struct linked *a = one, *b = other;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static void linked_free(void *data)
{
	struct linked *linked = data;

	free(linked->path);
	free(linked);
}

/* NULL without memory. */
static struct linked *find_linked(struct walk *walk, const struct stat *st,
				  const char *path)
{
	struct linked *linked = calloc(1, sizeof(*linked)), **found;

	if (!linked)
		return NULL;
	linked->dev = st->st_dev;
	linked->ino = st->st_ino;
	linked->n_links = st->st_nlink;
	linked->path = strdup(path);
	found = linked->path ? tsearch(linked, &walk->files, compare) : NULL;
	if (!found || *found != linked)
		linked_free(linked);
	return found ? *found : NULL;
}

static void on_file(struct walk *walk, const struct stat *st, const char *path)
{
	struct doctor *doctor = walk->doctor;
	const struct zone *zone =
		doctor->policy ? policy_zone(doctor->policy, path) : NULL;
	struct linked *linked = find_linked(walk, st, path);

	if (!linked) {
		doctor->no_memory = true;
		return;
	}
	if (linked->n_seen++ == 0)
		linked->zone = zone;
	if (linked->zone == zone || linked->reported)
		return;
	linked->reported = true;
	doctor_found(doctor, &checks[ACROSS], path, "in %s%s, and as %s in %s%s",
		     zone ? "zone " : "no zone", zone ? zone->name : "", linked->path,
		     linked->zone ? "zone " : "no zone",
		     linked->zone ? linked->zone->name : "");
}

static void report_outside(const void *node, VISIT visit, void *data)
{
	const struct linked *linked = *(const struct linked *const *)node;

	if ((visit == postorder || visit == leaf) && linked->n_seen < linked->n_links)
		doctor_found(data, &checks[OUTSIDE], linked->path,
			     "inode %ju has %ju names, and %ju of them are in the share",
			     (uintmax_t)linked->ino, (uintmax_t)linked->n_links,
			     (uintmax_t)linked->n_seen);
}

static void walk_share(struct walk *walk, const struct share *share)
{
	struct fd_path fd;
	char *const tops[] = { (char *)fd_path(share->fd, &fd), NULL };
	FTS *fts = fts_open(tops, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	FTSENT *entry;

	walk->prefix = strlen(tops[0]);
	errno = 0;
	while (fts && (entry = fts_read(fts))) {
		if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
		    entry->fts_info == FTS_NS)
			doctor_unreadable(walk->doctor, &checks[ACROSS],
					  entry->fts_path + walk->prefix,
					  -entry->fts_errno);
		else if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP &&
			 entry->fts_info != FTS_DC && entry->fts_statp->st_nlink > 1)
			on_file(walk, entry->fts_statp, entry->fts_path + walk->prefix);
		errno = 0;
	}
	if (!fts || errno != 0)
		doctor_unreadable(walk->doctor, &checks[ACROSS], share->source, -errno);
	if (fts)
		fts_close(fts);
}

static void look(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->shares.n_items; i++) {
		const struct share *share = &doctor->shares.items[i];
		struct walk walk = { .doctor = doctor };

		if (share->fd < 0) {
			doctor_unreadable(doctor, &checks[ACROSS], share->source,
					  share->fd);
			continue;
		}
		walk_share(&walk, share);
		twalk_r(walk.files, report_outside, doctor);
		tdestroy(walk.files, linked_free);
	}
	if (doctor->shares.n_items > 0 && !doctor->policy)
		doctor_unknown(doctor, &checks[ACROSS], doctor->policy_file,
			       "without a policy there are no zones to compare");
}

const struct doctor_area doctor_links = { DOCTOR_CHECKS(checks), false, look };
