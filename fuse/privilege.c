/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon may do. */
#include <cap-ng.h>
#include <grp.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "fuse/log.h"
#include "fuse/privilege.h"
#include "fuse/util.h"

/* Each with what needs it; see capabilities(7). CAP_FSETID is missing on purpose: without
 * it the source's filesystem clears suid and sgid bits on a write. */
static const unsigned int kept[] = {
	CAP_SYS_ADMIN,	     /* mount(2), umount2(2), FUSE_DEV_IOC_BACKING_OPEN */
	CAP_DAC_READ_SEARCH, /* open_by_handle_at(2) */
	CAP_DAC_OVERRIDE,    /* the source belongs to those who made its files */
	CAP_CHOWN,	     /* chown by the role that may */
	CAP_FOWNER,	     /* chmod and utimes of files that belong to others */
	CAP_SETUID,	     /* setfsuid(2): files are made as the caller */
	CAP_SETGID,	     /* setfsgid(2) */
	CAP_SYS_PTRACE,	     /* readlink of /proc/PID/exe */
	CAP_AUDIT_WRITE,     /* records */
	CAP_AUDIT_CONTROL,   /* AUDIT_GET: whether they are kept */
};

/* Names the first that is missing: in a container root may have fewer. */
static int check_kept(void)
{
	capng_get_caps_process();
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (capng_have_capability(CAPNG_PERMITTED, kept[i]) == 0) {
			log_error("the capability cap_%s is missing: run it as root, and "
				  "in a "
				  "container grant it",
				  capng_capability_to_name(kept[i]));
			return -EPERM;
		}
	}
	return 0;
}

int privilege_reduce(void)
{
	int r = check_kept();

	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0) {
		r = -errno;
		log_error("cannot give up supplementary groups: %s (run it as root)",
			  strerror(-r));
		return r;
	}
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0) {
		r = -errno;
		log_error("cannot set the secure bits: %s (CAP_SETPCAP is needed at the "
			  "start)",
			  strerror(-r));
		return r;
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		capng_update(CAPNG_ADD,
			     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			     kept[i]);
	r = capng_apply(CAPNG_SELECT_BOTH);
	if (r < 0) {
		log_error("cannot reduce the capabilities (capng_apply: %d): run it as "
			  "root",
			  r);
		return -EPERM;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		r = -errno;
		log_error("cannot give up gaining privileges: %s", strerror(-r));
		return r;
	}
	return 0;
}

void privilege_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
