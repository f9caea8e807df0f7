/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that serving takes; see syscalls(2). */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "fuse/call-filter.h"
#include "fuse/util.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif

#define CLONE_NAMESPACES                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

/* Whatever their arguments. */
/* clang-format off */
static const char *const calls[] = {
	/* the source and the device: op-*.c, source.c, libfuse */
	"open", "openat", "openat2", "open_by_handle_at", "name_to_handle_at", "close",
	"read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64",
	"pwritev", "pwritev2", "lseek", "splice", "vmsplice", "tee", "sendfile",
	"copy_file_range", "fallocate", "truncate", "ftruncate", "fsync", "fdatasync",
	"syncfs", "sync_file_range", "fadvise64", "readahead", "flock", "ioctl",
	"fcntl", "dup", "dup2", "dup3", "pipe", "pipe2", "stat", "lstat", "fstat",
	"newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
	"readlink", "readlinkat", "getdents64", "getcwd", "mkdir", "mkdirat", "mknod",
	"mknodat", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat",
	"rmdir", "rename", "renameat", "renameat2", "chmod", "fchmod", "fchmodat",
	"fchmodat2", "chown", "lchown", "fchown", "fchownat", "utimensat", "umask",
	"getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr",
	"listxattr", "llistxattr", "flistxattr", "removexattr", "lremovexattr",
	"fremovexattr",
	/* as whom: creds.c, modes = owner */
	"setfsuid", "setfsgid", "setgroups", "getgroups", "capget", "capset", "getuid",
	"geteuid", "getgid", "getegid", "getresuid", "getresgid",
	/* records, NSS modules that ask a daemon, syslog(3), a control socket */
	"connect", "bind", "listen", "accept", "accept4", "send", "sendto", "sendmsg",
	"sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "shutdown",
	"getsockname", "getpeername", "getsockopt", "setsockopt", "pidfd_open",
	/* waiting */
	"poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1",
	"epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
	"timerfd_create", "timerfd_settime", "timerfd_gettime", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch", "nanosleep", "clock_nanosleep",
	"clock_gettime", "clock_getres", "gettimeofday", "time",
	/* threads, memory, the C library */
	"futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
	"sched_yield", "sched_getaffinity", "getcpu", "membarrier", "gettid", "getpid",
	"getppid", "tgkill", "exit", "exit_group", "restart_syscall", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending",
	"rt_sigsuspend", "sigaltstack", "brk", "munmap", "mremap", "madvise",
	"getrandom", "getrlimit", "uname", "sysinfo",
	/* the end: main.c, mounter.c */
	"umount2", "wait4", "waitid",
};
/* clang-format on */

/* Only with such an argument: (argument & mask) == value. */
static const struct {
	const char *call;
	unsigned int argument;
	unsigned long mask, value;
} limited[] = {
	/* Threads, not processes. clone3(2) cannot be looked into: without it the C
	 * library takes clone(2). */
	{ "clone", CLONE_FLAGS_ARGUMENT, CLONE_THREAD | CLONE_NAMESPACES, CLONE_THREAD },
	/* NSS modules are loaded when they are needed first. Nothing may be both written
	 * and run. */
	{ "mmap", 2, PROT_EXEC, 0 },
	{ "mmap", 2, PROT_WRITE | PROT_EXEC, PROT_EXEC },
	{ "mprotect", 2, PROT_EXEC, 0 },
	/* libaudit's place, and where NSS asks: sss, systemd and nscd by AF_UNIX, others
	 * by the network. */
	{ "socket", 0, ~0UL, AF_NETLINK },
	{ "socket", 0, ~0UL, AF_UNIX },
	{ "socket", 0, ~0UL, AF_INET },
	{ "socket", 0, ~0UL, AF_INET6 },
	{ "prctl", 0, ~0UL, PR_SET_NAME },
	/* getrlimit(2) by its newer name */
	{ "prlimit64", 2, ~0UL, 0 },
};

static void releasep(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int allow(scmp_filter_ctx filter, const char *name, unsigned int n_conditions,
		 const struct scmp_arg_cmp *conditions)
{
	int call = seccomp_syscall_resolve_name(name);

	if (call == __NR_SCMP_ERROR) /* newer than this libseccomp */
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, n_conditions,
				      conditions);
}

static int allow_all(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(calls); i++)
		r = allow(filter, calls[i], 0, NULL);
	for (size_t i = 0; r == 0 && i < COUNT(limited); i++) {
		const struct scmp_arg_cmp condition =
			SCMP_CMP64(limited[i].argument, SCMP_CMP_MASKED_EQ,
				   limited[i].mask, limited[i].value);

		r = allow(filter, limited[i].call, 1, &condition);
	}
	return r;
}

/* seccomp_attr_set(3). */
static int set_attributes(scmp_filter_ctx filter)
{
	static const struct {
		enum scmp_filter_attr attribute;
		uint32_t value;
	} wanted[] = {
		/* Calls of another architecture than the program's own. */
		{ SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS },
		{ SCMP_FLTATR_CTL_TSYNC, 1 }, /* every thread that runs already, too */
		/* No code of strangers runs here that a slower processor would stop. */
		{ SCMP_FLTATR_CTL_SSB, 1 },
		{ SCMP_FLTATR_CTL_OPTIMIZE, 2 }, /* a tree instead of a list */
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(wanted); i++)
		r = seccomp_attr_set(filter, wanted[i].attribute, wanted[i].value);
	return r;
}

int call_filter_install(void)
{
	_cleanup_(releasep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (!filter)
		return -ENOMEM;
	r = set_attributes(filter);
	if (r == 0)
		r = allow_all(filter);
	return r == 0 ? seccomp_load(filter) : r;
}
