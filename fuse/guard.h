/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: decides and records in one call, so that no callback can do one without the
 * other. The callbacks know neither the policy nor the trail. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "config/grants.h"
#include "config/operation.h"
#include "config/policy.h"

#include "fuse/caller.h"
#include "fuse/node.h"
#include "fuse/place.h"

struct audit;
struct complaints;
struct guard;
struct policy_store;
struct write_run;

/* All outlive the guard. `mountpoint` is how paths begin in records. 0 or -ENOMEM. */
struct guard_parts {
	struct policy_store *policies;
	struct audit *audit;
	struct node_table *nodes;
	const char *mountpoint;
};
int guard_new(const struct guard_parts *parts, struct guard **ret);
struct guard *guard_free(struct guard *guard);

#define HOLD_REASON_MAX 256

/* What a write-once zone asks of a name: version.h. */
struct sealed {
	bool known;	 /* the rest was found out */
	bool in_version; /* its directory lies in what was promoted */
	time_t since;	 /* of the object: when it was promoted, or last changed */
	char hold[HOLD_REASON_MAX]; /* why it is held; "": it is not */
};

/* What something is done to: a node, or a name in a directory (then node is NULL). */
struct target {
	struct node *node;
	struct node *dir;
	const char *name;
	bool exists;  /* owner, dev and ino are those of the object */
	bool is_open; /* somebody has it open: by that alone fstat(2) may tell of it */
	uid_t owner;
	dev_t dev;
	ino_t ino;
	const char
		*zone; /* NULL; or the name of the zone that decides instead of its own */
	struct sealed sealed; /* where guard_is_write_once() */
	uint64_t place;	      /* set by the guard: see struct node */
};

/* Fills in what stat(2) told of an object that exists. */
static inline void target_is(struct target *target, const struct stat *st)
{
	target->exists = true;
	target->owner = st->st_uid;
	target->dev = st->st_dev;
	target->ino = st->st_ino;
}

/* By whose right an open handle is used: its opener's, decided again under each policy.
 */
struct authority {
	struct caller *opener;	      /* a reference */
	uid_t owner;		      /* of the inode, when it was opened */
	char made_in[PLACE_NAME_MAX]; /* the zone in which the handle made the file, which
					     it may write to while it is open; else "" */
	struct node *parent;	      /* a reference: where the file was opened, */
	char *name;	  /* and by which name: ours. Other people may give it others */
	uint32_t n_moves; /* of the node then: a rename shows its new name instead */
	struct write_run *run; /* owned; NULL: the handle cannot write */
};

enum action_detail {
	ACTION_HAS_OFLAG = 1 << 0,
	ACTION_HAS_MODE = 1 << 1,
	ACTION_HAS_RANGE = 1 << 2,
	ACTION_HAS_SIZE = 1 << 3,
	ACTION_HAS_OWNER = 1 << 4,
};

/* How a write is on record (audit-writes = ranges). */
enum write_part {
	WRITE_ALONE,  /* by its own record */
	WRITE_FIRST,  /* too, and others may join it */
	WRITE_JOINED, /* with those before it, once it is done */
};

/* One thing that a caller wants to do. */
struct action {
	enum operation operation;
	struct target on;
	enum operation to_operation; /* OPERATION_NONE: there is no second target */
	struct target to;
	const struct authority *authority; /* NULL: the caller's own */
	const char *made_in; /* the caller holds open the handle that made the object, in
				the zone of this name; else NULL */
	bool page_write; /* the kernel writes back a mapping: nobody asks, the opener did
			    it */
	/* What the record says of it. */
	unsigned has; /* enum action_detail */
	unsigned oflag, mode;
	uint64_t off, len, size;
	uid_t new_uid;
	gid_t new_gid;
	const char *xattr;
	const char *link_target;
	const char *io;
	const char *note;
	const char *digest;    /* of what is promoted, hex */
	const char *approvals; /* by whom it was approved */
	const char *reason;    /* the caller's own, of a hold */
	bool may_join;	       /* a write(2) that may be recorded with those before it */
	enum write_part part;  /* set by the guard */
	uint64_t seqno;	       /* set by the guard: of the record; 0: none was written */
};

/* Decides and records. Returns 0: go on, the record is accepted; -EACCES or -EPERM:
 * denied, and that is recorded; -EIO: it cannot be recorded; -ENAMETOOLONG, -ENOMEM. */
int guard_allow(struct guard *guard, const struct asker *asker, struct action *action);

/* A look-up of a name that the kernel holds was denied: it will ask a second time at
 * once, and that is not another denial. */
void guard_expect_second_look(struct guard *guard, const struct asker *asker,
			      const struct node *dir, const char *name);

/* Records that something is refused whatever is granted (EXDEV, ETXTBSY, ...), provided
 * that guard_allow() would let it pass. Returns a negative errno, never 0. */
int guard_refuse(struct guard *guard, const struct asker *asker, struct action *action,
		 int error, const char *reason);

/* Says how an allowed effect went: a failure gets a second record with the same number,
 * and a denial by the source's modes (`modes = owner`) a record in any case. Returns its
 * argument. */
int guard_settle(struct guard *guard, const struct asker *asker,
		 const struct action *action, int result);

/* The same for an effect on action->len bytes: `result` is how many it was, or -errno. If
 * it fell short, the record is followed by another with the same number that tells how
 * many bytes it really was. 0 or -errno. */
int guard_settle_length(struct guard *guard, const struct asker *asker,
			const struct action *action, ssize_t result);

/* For the authority of a handle that can write. 0 or -ENOMEM. Freeing it records what is
 * pending. NULL is fine there. */
int guard_run_new(struct guard *guard, struct write_run **ret);
struct write_run *guard_run_free(struct write_run *run);

/* Records what was written through the handle and is not on record yet. NULL is fine. */
void guard_run_flush(struct write_run *run);

/* Like guard_allow(), for a rename and a link: finds out which operations it takes by the
 * zones of both names. -EXDEV, recorded, where mv(1) and ln(1) must copy instead: a link
 * across zones, a directory that is or holds part of another zone, a file with further
 * names. `on_type` and `to_type` are S_IFMT bits; `n_links` of the object. */
struct rename_facts {
	mode_t on_type, to_type;
	nlink_t n_links;
	bool exchange;
};
int guard_rename(struct guard *guard, const struct asker *asker, struct action *action,
		 const struct rename_facts *facts);
/* Whether a rename would be a promotion as things are: from below the promote-from of the
 * other name's zone. Then it sets both operations, and guard_rename() is not asked. */
bool guard_is_promotion(struct guard *guard, struct action *action);

/* Whether a promotion may go on to be looked at: what does not take the tree itself. 0;
 * what is refused is recorded, as by guard_allow() and guard_refuse(). Nothing is
 * recorded of what may go on: guard_allow() still has to be asked. */
int guard_check_promotion(struct guard *guard, const struct asker *asker,
			  struct action *action, const struct rename_facts *facts);

int guard_link(struct guard *guard, const struct asker *asker, struct action *action);

/* A reference to the caller of a request, for the authority of a handle. 0 or -ENOMEM. */
int guard_caller(struct guard *guard, const struct asker *asker, struct caller **ret);

/* The name of the zone of a place, for struct authority; "" if there is none. */
void guard_zone_name(struct guard *guard, uint64_t place, char name[PLACE_NAME_MAX]);

/* Whether shared mappings may be stored to unseen where a node is (mapped-writes). */
bool guard_mapped_writes(struct guard *guard, struct node *node);

/* Whether the zone of a name in a directory is write-once; of the node itself without
 * one. */
bool guard_is_write_once(struct guard *guard, struct node *node, const char *name);

/* The zone that something at a node could be promoted to and approved for: of those that
 * it is below the promote-from of and that want approvals, one where the caller holds
 * `approve` if there is any. False: there is none. */
bool guard_approval_zone(struct guard *guard, const struct asker *asker,
			 struct node *node, char zone[PLACE_NAME_MAX]);

/* The gates of the zone of a place, and its name. False: of an older policy, or in no
 * zone. */
bool guard_gates(struct guard *guard, uint64_t place, struct gates *ret,
		 char zone[PLACE_NAME_MAX]);

/* Whether it has to be kept who writes a file: some zone's gates ask for it. */
bool guard_keeps_writers(struct guard *guard);

/* Which names of a directory the caller may see: not recorded, omission is no denial. */
struct guard_view;
int guard_view_new(struct guard *guard, const struct asker *asker, struct node *dir,
		   struct guard_view **ret);
struct guard_view *guard_view_free(struct guard_view *view);
bool guard_view_shows(struct guard_view *view, const char *name);
/* The place of a name that is shown. */
uint64_t guard_view_place(struct guard_view *view, const char *name);

/* The place of a node under the policy in force. 0 if its path is too long. */
uint64_t guard_place(struct guard *guard, struct node *node);

/* Whether the kernel may keep a name of a directory for a while and show it to everyone
 * who gets to the directory: it is no gate (DESIGN, Cache). The first component below the
 * mount point and every zone's boundary are gates, and so is all that lies above another
 * zone, since some may only walk through there; unless everyone may list the name's zone.
 * In a directory with `modes = owner` each name is one: who may search it differs, and
 * chmod(2) takes effect at once. `place` is the name's, whether there is something or
 * not. */
bool guard_may_cache(struct guard *guard, struct node *dir, uint64_t place);

/* Whether the kernel may keep the listing of a directory: it is the same for everyone who
 * may open it, and each open is decided. */
bool guard_may_cache_listing(struct guard *guard, struct node *dir);

/* Whether the modes and ACLs of the source are enforced on a node, and on the names in it
 * if it is a directory (`modes = owner`), under the policy in force. */
bool guard_modes_count(struct guard *guard, struct node *node);

/* Turns the mode that the source has into what the roles of the place make of it. */
void guard_show(struct guard *guard, uint64_t place, struct stat *st);

/* The access ACL that the roles of the place make, as the value of the xattr
 * system.posix_acl_access; the caller frees it. 0 or -ENOMEM. */
int guard_acl(struct guard *guard, uint64_t place, const struct stat *st, void **ret,
	      size_t *ret_size);

/* Whether an ACL to be set is one that guard_acl() shows somewhere: view.h. */
bool guard_made_acl(struct guard *guard, const struct stat *st, const void *acl,
		    size_t size);

/* A record of the guard's own life: "start", "end", "policy-load". 0 or -EIO. */
int guard_record_start(struct guard *guard);
int guard_record_end(struct guard *guard, const char *reason);

/* Loads the policy anew and puts it in force; the old one stays on any error: 0 or
 * -errno. Recorded. What is wrong with it is logged, and in *complaints unless it is
 * NULL. One at a time. */
int guard_reload(struct guard *guard, struct complaints *complaints);

/* Puts in force the grants that have begun and takes out those that have ended, both on
 * record; *ret_next is when to look again. Returns whether there is a new generation, as
 * after a reload. One at a time, and not while one reloads. */
bool guard_review_grants(struct guard *guard, struct moment *ret_next);

/* For status: how many requests were denied, by the policy or by the source's modes. */
uint64_t guard_denials(struct guard *guard);

/* For status: whether who opened a file may still read it, under the policy in force and
 * where the file is now. Not recorded. `authority` need not tell a parent and a name. */
bool guard_may_still_read(struct guard *guard, const struct authority *authority,
			  struct node *node);
