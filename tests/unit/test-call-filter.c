/* SPDX-License-Identifier: Apache-2.0 */
/* What the filter of system calls promises: the daemon can do what serving takes, and
 * what whoever took it over would want next does not work. Each call is made in a process
 * of its own that has the filter. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fuse/call-filter.h"

#define PAGE 4096

static long run_program(void)
{
	char *arguments[] = { (char *)"/bin/true", NULL };

	return execv(arguments[0], arguments);
}

static long start_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static void *nothing(void *data)
{
	return data;
}

static long start_thread(void)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, nothing, NULL);

	errno = r;
	return r == 0 ? pthread_join(thread, NULL) : -1;
}

static long map(int protection)
{
	void *memory = mmap(NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? -1 : 0;
}

static long map_writable(void)
{
	return map(PROT_READ | PROT_WRITE);
}

static long map_code(void)
{
	return map(PROT_READ | PROT_EXEC);
}

static long map_writable_code(void)
{
	return map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static char page[PAGE] __attribute__((aligned(PAGE)));

static long protect(void)
{
	return mprotect(page, sizeof(page), PROT_READ);
}

static long make_code(void)
{
	return mprotect(page, sizeof(page), PROT_READ | PROT_EXEC);
}

static long local_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long audit_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 9 /* NETLINK_AUDIT */);
}

static long packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long crypto_socket(void)
{
	return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static long look_at_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit);
}

static long set_limit(void)
{
	const struct rlimit limit = { 64, 64 };

	return setrlimit(RLIMIT_NOFILE, &limit);
}

static long name_thread(void)
{
	return prctl(PR_SET_NAME, "guard");
}

static long set_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

static long unmount_nothing(void)
{
	long r = umount2("/nonexistent", MNT_DETACH);

	return r < 0 && errno != ENOSYS ? 0 : r;
}

static long mount_something(void)
{
	return mount("none", "/nonexistent", "tmpfs", 0, NULL);
}

static long be_a_caller(void)
{
	return syscall(SYS_setfsuid, getuid()) < 0 || syscall(SYS_setfsgid, getgid()) < 0
		       ? -1
		       : 0;
}

static long become(void)
{
	return syscall(SYS_setresuid, getuid(), getuid(), getuid());
}

static long signal_oneself(void)
{
	return syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0);
}

static long signal_others(void)
{
	return kill(getppid(), 0);
}

static long trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long enter_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long set_namespace(void)
{
	return syscall(SYS_setns, -1, CLONE_NEWNS);
}

static long change_root(void)
{
	return chroot("/");
}

static long load_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long load_module(void)
{
	return syscall(SYS_finit_module, -1, "", 0);
}

static long set_up_ring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long read_other_memory(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long open_tree_of_mounts(void)
{
	return syscall(SYS_open_tree, AT_FDCWD, "/", 0);
}

/* Each that is refused stands below its neighbour that is not. */
static const struct {
	const char *what;
	long (*call)(void);
	bool works;
} table[] = {
	{ "a thread", start_thread, true },
	{ "a process", start_process, false },
	{ "a program", run_program, false },
	{ "memory", map_writable, true },
	{ "code", map_code, true },
	{ "code that can be changed", map_writable_code, false },
	{ "memory made read-only", protect, true },
	{ "data made code", make_code, false },
	{ "a local socket", local_socket, true },
	{ "the audit socket", audit_socket, true },
	{ "a packet socket", packet_socket, false },
	{ "a crypto socket", crypto_socket, false },
	{ "a limit read", look_at_limit, true },
	{ "a limit set", set_limit, false },
	{ "a thread's name", name_thread, true },
	{ "the dumpable flag", set_dumpable, false },
	{ "unmounting", unmount_nothing, true },
	{ "mounting", mount_something, false },
	{ "another mount interface", open_tree_of_mounts, false },
	{ "file-system ids", be_a_caller, true },
	{ "all ids", become, false },
	{ "a signal to itself", signal_oneself, true },
	{ "a signal to others", signal_others, false },
	{ "tracing", trace, false },
	{ "others' memory", read_other_memory, false },
	{ "a new namespace", enter_namespace, false },
	{ "another namespace", set_namespace, false },
	{ "another root", change_root, false },
	{ "BPF", load_bpf, false },
	{ "a module", load_module, false },
	{ "an I/O ring", set_up_ring, false },
};

/* What a call comes to in a process with the filter: 0, or an errno. */
static int outcome(long (*call)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (call_filter_install() < 0)
			_exit(255);
		errno = 0;
		_exit(call() < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void serving_works_and_nothing_else(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int expected = table[i].works ? 0 : ENOSYS;
		int found = outcome(table[i].call);

		if (found != expected) {
			print_error("%s: %s instead of %s\n", table[i].what,
				    strerror(found), strerror(expected));
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static atomic_bool is_filtered;

static void *wait_and_trace(void *data)
{
	while (!atomic_load(&is_filtered))
		sched_yield();
	*(int *)data = trace() < 0 ? errno : 0;
	return NULL;
}

static long earlier_thread_traces(void)
{
	pthread_t thread;
	int error = 0;

	if (pthread_create(&thread, NULL, wait_and_trace, &error) != 0 ||
	    call_filter_install() < 0)
		return -1;
	atomic_store(&is_filtered, true);
	pthread_join(thread, NULL);
	errno = error;
	return error == 0 ? 0 : -1;
}

static void a_thread_from_before_is_filtered_too(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(earlier_thread_traces() < 0 ? errno : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serving_works_and_nothing_else),
		cmocka_unit_test(a_thread_from_before_is_filtered_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
