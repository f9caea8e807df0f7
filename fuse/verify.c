/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a tree is what it was when it was promoted. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/util.h"
#include "fuse/verify.h"

struct verifying {
	const struct verify_plan *plan;
	struct findings *findings;
	struct manifest kept;
	bool has_kept;
	int error; /* -ENOMEM */
};

const char *difference_name(enum difference difference)
{
	static const char *const names[] = {
		[DIFFERENCE_CHANGED] = "changed",
		[DIFFERENCE_MISSING] = "missing",
		[DIFFERENCE_EXTRA] = "extra",
		[DIFFERENCE_UNREADABLE] = "unreadable",
	};

	return names[difference];
}

bool findings_any(const struct findings *findings)
{
	return findings->n_items > 0 || findings->unlisted;
}

void findings_fini(struct findings *findings)
{
	for (size_t i = 0; i < findings->n_items; i++)
		free(findings->items[i].path);
	free(findings->items);
	manifest_fini(&findings->now);
	*findings = (struct findings){ 0 };
}

static void add(struct verifying *verifying, enum difference difference, const char *path,
		int error)
{
	struct findings *findings = verifying->findings;
	size_t room = findings->room ? 2 * findings->room : 16;
	char *copy = strdup(path);

	if (copy && findings->n_items == findings->room) {
		struct finding *grown =
			reallocarray(findings->items, room, sizeof(*grown));

		if (!grown)
			free(take_ptr(copy));
		else {
			findings->items = grown;
			findings->room = room;
		}
	}
	if (!copy) {
		verifying->error = -ENOMEM;
		return;
	}
	findings->items[findings->n_items++] =
		(struct finding){ difference, copy, -error };
	findings->n[difference]++;
}

static const struct manifest_entry *as_promoted(const struct verifying *verifying,
						const struct manifest_entry *entry)
{
	return verifying->has_kept ? manifest_find(&verifying->kept, entry->path) : NULL;
}

/* What can be told without reading contents. */
static bool looks_same(const struct manifest_entry *kept,
		       const struct manifest_entry *now)
{
	if (kept->type != now->type || kept->size != now->size)
		return false;
	return kept->type != MANIFEST_LINK || digest_equal(&kept->digest, &now->digest);
}

static void compare_lists(struct verifying *verifying)
{
	const struct manifest *now = &verifying->findings->now;

	for (size_t i = 0; i < now->n_entries; i++) {
		const struct manifest_entry *kept =
			as_promoted(verifying, &now->entries[i]);

		if (!kept)
			add(verifying, DIFFERENCE_EXTRA, now->entries[i].path, 0);
		else if (!looks_same(kept, &now->entries[i]))
			add(verifying, DIFFERENCE_CHANGED, now->entries[i].path, 0);
	}
	for (size_t i = 0; i < verifying->kept.n_entries; i++)
		if (!manifest_find(now, verifying->kept.entries[i].path))
			add(verifying, DIFFERENCE_MISSING,
			    verifying->kept.entries[i].path, 0);
}

static bool is_wanted(void *context, const struct manifest_entry *entry)
{
	const struct verifying *verifying = context;
	const struct manifest_entry *kept = as_promoted(verifying, entry);

	if (!verifying->has_kept)
		return true;
	return kept && looks_same(kept, entry) &&
	       !(verifying->plan->is_known &&
		 verifying->plan->is_known(verifying->plan->context, kept, &entry->stat));
}

static void note_hashed(void *context, struct manifest_entry *entry, int error)
{
	struct verifying *verifying = context;
	const struct manifest_entry *kept = as_promoted(verifying, entry);

	if (error == -ECANCELED)
		return;
	if (error < 0)
		add(verifying, DIFFERENCE_UNREADABLE, entry->path, error);
	else if (kept && !digest_equal(&kept->digest, &entry->digest))
		add(verifying, DIFFERENCE_CHANGED, entry->path, 0);
	else if (kept && verifying->plan->is_right)
		verifying->plan->is_right(verifying->plan->context, kept, &entry->stat);
}

static int hash(struct verifying *verifying, int dir_fd, const char *name)
{
	const struct manifest_wish wish = { is_wanted, note_hashed, verifying };

	return manifest_hash(dir_fd, name, &verifying->plan->hashing, &wish,
			     &verifying->findings->now);
}

/* Only the digest is left of what it was. */
static int compare_digest(struct verifying *verifying, const struct promoted *promoted)
{
	struct findings *findings = verifying->findings;
	int r = manifest_seal(&findings->now);

	if (r == 0)
		findings->unlisted =
			findings->now.type != promoted->type ||
			!digest_equal(&findings->now.digest, &promoted->digest);
	return r;
}

static int read_kept(struct verifying *verifying, int dir_fd, const char *name,
		     const struct promoted *promoted)
{
	const struct manifest_entry top = { .path = (char *)"" };
	_cleanup_(closep) int fd = manifest_open(dir_fd, name, &top, O_PATH);
	int r;

	if (fd < 0)
		return fd;
	r = promoted_manifest(fd, promoted, &verifying->kept);
	verifying->has_kept = r == 0;
	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

static int verify(struct verifying *verifying, int dir_fd, const char *name,
		  const struct promoted *promoted)
{
	struct findings *findings = verifying->findings;
	int r = read_kept(verifying, dir_fd, name, promoted);

	if (r < 0)
		return r;
	r = manifest_list(dir_fd, name, &findings->now);
	if ((r == -EINVAL || r == -EXDEV) && findings->now.culprit) {
		add(verifying, DIFFERENCE_EXTRA, findings->now.culprit, 0);
		return 0;
	}
	if (r < 0)
		return r;
	if (verifying->has_kept)
		compare_lists(verifying);
	r = hash(verifying, dir_fd, name);
	return r < 0 || verifying->has_kept ? r : compare_digest(verifying, promoted);
}

static int compare_findings(const void *one, const void *other)
{
	const struct finding *a = one, *b = other;

	return strcmp(a->path, b->path);
}

int verify_tree(int dir_fd, const char *name, const struct promoted *promoted,
		const struct verify_plan *plan, struct findings *ret)
{
	struct verifying verifying = { .plan = plan, .findings = ret };
	int r;

	*ret = (struct findings){ 0 };
	r = verify(&verifying, dir_fd, name, promoted);
	manifest_fini(&verifying.kept);
	if (ret->n_items > 1)
		qsort(ret->items, ret->n_items, sizeof(*ret->items), compare_findings);
	return r < 0 ? r : verifying.error;
}
