/* SPDX-License-Identifier: Apache-2.0 */
/* As whom the serving thread acts in the source. */
#include <linux/capability.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

#include "fuse/creds.h"
#include "fuse/log.h"
#include "fuse/util.h"

typedef struct __user_cap_data_struct capability_sets[_LINUX_CAPABILITY_U32S_3];

static capability_sets own; /* of every thread while it acts for itself */
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static _Thread_local enum { ACTS_ITSELF, HAS_IDS, HAS_ALL } acting;
static _Thread_local bool has_groups;

/* The calling thread's: pid 0. */
static int cap_call(long number, capability_sets sets)
{
	struct __user_cap_header_struct header = { .version =
							   _LINUX_CAPABILITY_VERSION_3 };

	return (int)RET_ERRNO(syscall(number, &header, sets));
}

static void read_own(void)
{
	if (cap_call(SYS_capget, own) < 0)
		abort(); /* capget(2) cannot fail for the caller itself */
}

/* The wrapper of the C library would change every thread. */
static int set_groups(const gid_t *groups, size_t n_groups)
{
	return (int)RET_ERRNO(syscall(SYS_setgroups, n_groups, groups));
}

/* setfsuid(2) does not say whether it worked; -1 asks for what is. */
static int set_ids(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
	return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid
		       ? 0
		       : -EPERM;
}

/* What is effective of what is permitted. */
static int set_effective(uint64_t capabilities)
{
	capability_sets sets = { own[0], own[1] };

	sets[0].effective = (uint32_t)capabilities & own[0].permitted;
	sets[1].effective = (uint32_t)(capabilities >> 32) & own[1].permitted;
	return cap_call(SYS_capset, sets);
}

void creds_become(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
	acting = HAS_IDS;
}

int creds_assume(const struct creds *creds)
{
	int r;

	/* -1 would leave the thread's own. */
	if (creds->uid == (uid_t)-1 || creds->gid == (gid_t)-1)
		return -EPERM;
	pthread_once(&own_once, read_own);
	/* Each of these calls copies the thread's credentials, 2 us or so. */
	if (creds->n_groups > 0) {
		r = set_groups(creds->groups, creds->n_groups);
		if (r < 0)
			return r;
	}
	has_groups = creds->n_groups > 0;
	acting = HAS_ALL;
	r = set_ids(creds->uid, creds->gid);
	if (r == 0)
		r = set_effective(creds->capabilities & CREDS_CAPABILITIES);
	if (r < 0)
		creds_restore();
	return r;
}

static int give_up_all(void)
{
	int r = set_effective(own[0].effective | (uint64_t)own[1].effective << 32);

	if (r == 0)
		r = set_ids(0, 0);
	if (r == 0 && has_groups)
		r = set_groups(NULL, 0);
	return r;
}

void creds_restore(void)
{
	if (acting == HAS_IDS) {
		setfsuid(0);
		setfsgid(0);
	} else if (acting == HAS_ALL && give_up_all() < 0) {
		/* It would serve others as somebody else. */
		log_error("a thread cannot give up a caller's credentials");
		abort();
	}
	acting = ACTS_ITSELF;
}
