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

enum need { ALWAYS, FOR_AUDITD, USEFUL };

/* Each with what needs it; see capabilities(7). */
static const struct {
	unsigned int capability;
	enum need need;
	const char *without; /* of a useful one: what is lost */
	bool idle;	     /* only ever in effect while acting as a caller who has it */
} kept[] = {
	/* mount(2), umount2(2), FUSE_DEV_IOC_BACKING_OPEN */
	{ CAP_SYS_ADMIN, ALWAYS, NULL, false },
	/* The source belongs to those who made its files. */
	{ CAP_DAC_OVERRIDE, ALWAYS, NULL, false },
	{ CAP_CHOWN, ALWAYS, NULL, false },
	{ CAP_FOWNER, ALWAYS, NULL, false },
	/* setfsuid(2) and setfsgid(2): files are made as the caller. */
	{ CAP_SETUID, ALWAYS, NULL, false },
	{ CAP_SETGID, ALWAYS, NULL, false },
	/* Records, and AUDIT_GET: whether they are kept. */
	{ CAP_AUDIT_WRITE, FOR_AUDITD, NULL, false },
	{ CAP_AUDIT_CONTROL, FOR_AUDITD, NULL, false },
	/* open_by_handle_at(2); source.h falls back to descriptors. */
	{ CAP_DAC_READ_SEARCH, USEFUL, "each file that is looked at takes a descriptor",
	  false },
	/* readlink(2) of /proc/PID/exe */
	{ CAP_SYS_PTRACE, USEFUL, "records do not name programs of other users", false },
	/* In effect it would keep suid and sgid bits on a write, which the source's
	 * filesystem shall clear. */
	{ CAP_FSETID, USEFUL,
	  "with modes = owner root's chmod may lose the set-group-ID bit", true },
};

#define N_KEPT (sizeof(kept) / sizeof(kept[0]))

/* Names what is missing: in a container root may have less. */
static int check_kept(bool for_auditd)
{
	capng_get_caps_process();
	for (size_t i = 0; i < N_KEPT; i++) {
		const char *name = capng_capability_to_name(kept[i].capability);

		if (capng_have_capability(CAPNG_PERMITTED, kept[i].capability) ||
		    (kept[i].need == FOR_AUDITD && !for_auditd))
			continue;
		if (kept[i].need == USEFUL) {
			log_warning("without the capability cap_%s %s", name,
				    kept[i].without);
			continue;
		}
		log_error("the capability cap_%s is missing: run it as root, and in a "
			  "container grant it%s",
			  name,
			  kept[i].need == FOR_AUDITD ? ", or use -o audit=file:PATH"
						     : "");
		return -EPERM;
	}
	return 0;
}

static int apply_kept(bool for_auditd)
{
	bool had[N_KEPT];
	int r;

	for (size_t i = 0; i < N_KEPT; i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i].capability) &&
			 (kept[i].need != FOR_AUDITD || for_auditd);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < N_KEPT; i++)
		if (had[i])
			capng_update(CAPNG_ADD,
				     (kept[i].idle ? 0 : CAPNG_EFFECTIVE) |
					     CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				     kept[i].capability);
	r = capng_apply(CAPNG_SELECT_BOTH);
	if (r < 0)
		log_error("cannot reduce the capabilities (capng_apply: %d): run it as "
			  "root",
			  r);
	return r < 0 ? -EPERM : 0;
}

int privilege_reduce(bool for_auditd)
{
	int r = check_kept(for_auditd);

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
	r = apply_kept(for_auditd);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		r = -errno;
		log_error("cannot give up gaining privileges: %s", strerror(-r));
		return r;
	}
	return 0;
}

int privilege_reduce_to_mounting(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	/* DAC_READ_SEARCH: the mount point may lie in a closed directory. */
	if (capng_updatev(CAPNG_ADD,
			  CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			  CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH, -1) < 0 ||
	    setgroups(0, NULL) < 0 || capng_apply(CAPNG_SELECT_BOTH) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		log_error("the process that mounts cannot give up its other privileges: "
			  "run it as root");
		return -EPERM;
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
