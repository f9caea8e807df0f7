/* SPDX-License-Identifier: Apache-2.0 */
/* Promotions: renames into a zone that says where models come from.
 *
 * While a rename is under way the kernel holds both directories and lets no other rename
 * from one directory to another in the mount happen, so nothing long is done here. A
 * digest is recalled where it is kept, and computed only within DIGEST_SECONDS; what
 * takes longer is asked for in advance (WORD_DIGEST). The gates look before tree_lock is
 * taken; under it, and in a moment, it is only made sure that nothing has changed since.
 */
#include <string.h>
#include <time.h>

#include "fuse/gates.h"
#include "fuse/log.h"
#include "fuse/op.h"
#include "fuse/promoted.h"
#include "fuse/promotion.h"
#include "fuse/renaming.h"
#include "fuse/util.h"
#include "fuse/version.h"

#define DIGEST_SECONDS 2

struct promoting {
	fuse_req_t req;
	struct renaming *renaming;
	int fd; /* O_PATH, of the tree */
	struct promotion promotion;
	struct manifest manifest;
	bool has_digest;
	char hex[DIGEST_HEX_SIZE];
	uint64_t chosen_by; /* the place by which it is a promotion */
};

static void promoting_fini(struct promoting *promoting)
{
	manifest_fini(&promoting->manifest);
	closep(&promoting->fd);
}

/* Where nothing is sealed it does not matter whether the mark can be kept. */
static int keep_marks(const struct promoting *promoting)
{
	const struct target *to = &promoting->renaming->action.to;
	int r = version_begin(promoting->fd);

	if (r < 0 && guard_is_write_once(fs_of(promoting->req)->guard, to->dir, to->name))
		return r;
	if (!promoting->has_digest)
		return 0;
	r = promoted_write(promoting->fd, &promoting->manifest, time(NULL));
	if (r < 0)
		log_warning("the digest of a promotion is recorded and not kept: %s; "
			    "verification cannot use it",
			    strerrordesc_np(-r));
	return 0;
}

static int move_tree(const struct promoting *promoting)
{
	int r = keep_marks(promoting);

	if (r == 0)
		r = rename_in_source(promoting->req, promoting->renaming);
	if (r < 0)
		version_undo(promoting->fd);
	return r;
}

static int refuse(const struct promoting *promoting)
{
	const struct target *on = &promoting->renaming->action.on;

	refusals_keep(&fs_of(promoting->req)->refusals, asker_of(promoting->req).uid,
		      on->dev, on->ino, promoting->promotion.reason);
	return fs_refuse(promoting->req, &promoting->renaming->action,
			 promoting->promotion.error, promoting->promotion.reason);
}

/* Under tree_lock, alone. */
static int promote_now(struct promoting *promoting)
{
	struct renaming *renaming = promoting->renaming;
	struct action *action = &renaming->action;
	fuse_req_t req = promoting->req;
	int r = promotion_look(fs_of(req)->handles, promoting->fd, &promoting->manifest,
			       &promoting->promotion);

	if (r < 0)
		return r;
	if (promoting->promotion.error)
		return refuse(promoting);
	action->has |= ACTION_HAS_SIZE;
	action->size = promoting->promotion.size;
	action->digest = promoting->has_digest ? promoting->hex : NULL;
	action->approvals =
		promoting->promotion.approvals[0] ? promoting->promotion.approvals : NULL;
	version_look(fs_of(req), &renaming->new_dir, renaming->new_name, &action->to);
	r = fs_allow(req, action);
	if (r < 0)
		return r;
	/* Under another policy it may be something else. */
	if (!place_same_generation(promoting->chosen_by, action->on.place))
		return fs_settle(req, action, -EAGAIN);
	return fs_settle(req, action, move_tree(promoting));
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static int check_patience(void *context, const struct manifest_progress *progress)
{
	(void)progress;
	return now_s() - *(const time_t *)context > DIGEST_SECONDS ? -ETIMEDOUT : 0;
}

/* What it consists of, with the digests if they are known or soon found. */
static int list_tree(struct promoting *promoting)
{
	const struct renaming *renaming = promoting->renaming;
	time_t begun = now_s();
	const struct manifest_plan plan = { .progress = check_patience,
					    .context = &begun,
					    .recall = true };
	int r = manifest_read(renaming->dir.fd, renaming->name, &plan,
			      &promoting->manifest);

	promoting->has_digest = r == 0;
	if (r == 0)
		digest_hex(&promoting->manifest.digest, promoting->hex);
	if (r != -ETIMEDOUT)
		return r;
	manifest_fini(&promoting->manifest);
	promoting->manifest = (struct manifest){ 0 };
	return manifest_list(renaming->dir.fd, renaming->name, &promoting->manifest);
}

static int ask_gates(struct promoting *promoting)
{
	const struct renaming *renaming = promoting->renaming;
	struct gates gates;
	char zone[PLACE_NAME_MAX];
	const struct gate_question question = {
		.gates = &gates,
		.dir_fd = renaming->dir.fd,
		.name = renaming->name,
		.fd = promoting->fd,
		.zone = zone,
		.promoter = asker_of(promoting->req).uid,
		.manifest = &promoting->manifest,
		.digest = promoting->has_digest ? promoting->hex : NULL,
	};

	if (!guard_gates(fs_of(promoting->req)->guard, renaming->action.to.place, &gates,
			 zone))
		return -EAGAIN;
	return gates_check(&question, &promoting->promotion);
}

/* The first look refuses what is hopeless before it costs anything. */
static int prepare(struct promoting *promoting)
{
	int r = promotion_look(fs_of(promoting->req)->handles, promoting->fd, NULL,
			       &promoting->promotion);

	if (r == 0 && !promoting->promotion.error)
		r = list_tree(promoting);
	if (r == -EBUSY) { /* it changes as we look */
		promotion_refuse(&promoting->promotion, EBUSY,
				 "it changed while it was looked at: try again");
		r = 0;
	}
	if (r == 0 && !promoting->promotion.error)
		r = ask_gates(promoting);
	return r;
}

int promote(fuse_req_t req, struct renaming *renaming)
{
	_cleanup_(promoting_fini) struct promoting promoting = {
		.req = req,
		.renaming = renaming,
		.fd = -1,
		.chosen_by = renaming->action.on.place,
	};
	const struct rename_facts facts = rename_facts_of(renaming);
	struct filesystem *fs = fs_of(req);
	struct asker asker = asker_of(req);
	int r;

	/* What was said of the last attempt is not the answer to this one. */
	refusals_keep(&fs->refusals, asker.uid, renaming->action.on.dev,
		      renaming->action.on.ino, "");
	r = guard_check_promotion(fs->guard, &asker, &renaming->action, &facts);
	if (r < 0)
		return r;
	promoting.fd = r = source_open_name(renaming->dir.fd, renaming->name);
	if (r >= 0)
		r = prepare(&promoting);
	if (r == 0 && promoting.promotion.error)
		return refuse(&promoting);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&fs->tree_lock);
	r = promote_now(&promoting);
	pthread_rwlock_unlock(&fs->tree_lock);
	return r;
}
