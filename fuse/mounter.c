/* SPDX-License-Identifier: Apache-2.0 */
/* The process that mounts in another mount namespace. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "fuse/background.h"
#include "fuse/log.h"
#include "fuse/mounter.h"
#include "fuse/privilege.h"
#include "fuse/seal.h"
#include "fuse/util.h"

struct mounter {
	pid_t pid;
	int fd; /* a socket: a command each way, an answer back */
};

enum command { MOUNT, UNMOUNT };

union control {
	struct cmsghdr header;
	unsigned char bytes[CMSG_SPACE(sizeof(int))];
};

/* An answer, and unix(7) SCM_RIGHTS a descriptor if it is one. */
static int send_answer(int fd, int answer, int passed)
{
	union control control = {};
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (passed >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(passed));
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The answer; a descriptor that came with it, else -1, is the caller's. -EPIPE: the
 * process has ended. */
static int receive_answer(int fd, int *ret_passed)
{
	union control control = {};
	int answer = -EPIPE;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	*ret_passed = -1;
	do {
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(answer))
		return n < 0 ? -errno : -EPIPE;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    control.header.cmsg_type == SCM_RIGHTS)
		memcpy(ret_passed, CMSG_DATA(&control.header), sizeof(int));
	return answer;
}

static int enter(const char *mount_namespace)
{
	_cleanup_(closep) int fd = RET_ERRNO(open(mount_namespace, O_RDONLY | O_CLOEXEC));
	int r = fd < 0 ? fd : RET_ERRNO(setns(fd, CLONE_NEWNS));

	if (r < 0)
		log_error("cannot enter the mount namespace '%s': %s%s", mount_namespace,
			  strerror(-r),
			  r == -EPERM || r == -EACCES
				  ? " (it takes CAP_SYS_ADMIN, CAP_SYS_CHROOT and "
				    "CAP_SYS_PTRACE)"
				  : "");
	return r;
}

static int check_same(const char *what, const char *path, const struct stat *here)
{
	struct stat there;

	if (stat(path, &there) == 0 && there.st_dev == here->st_dev &&
	    there.st_ino == here->st_ino)
		return 0;
	log_error("the %s '%s' is another directory in the mount namespace of "
		  "'mount-namespace': use paths that are the same in both",
		  what, path);
	return -EXDEV;
}

static int check(const struct mounter_request *request, const struct stat *mountpoint)
{
	const struct mount_request *mount = &request->mount;
	int r = check_same("source", mount->source, &request->source->root);

	if (r == 0)
		r = check_same("mount point", mount->mountpoint, mountpoint);
	if (r < 0)
		return r;
	r = mount_is_guard(mount->mountpoint);
	if (r > 0) {
		log_error("'%s' is guarded already: 'umount %s' first", mount->mountpoint,
			  mount->mountpoint);
		return -EBUSY;
	}
	if (r < 0) {
		log_error("cannot tell what is mounted (/proc/self/mounts): %s",
			  strerror(-r));
		return r;
	}
	if (!request->is_sealed)
		return 0;
	r = seal_check(mount->source, mount->mountpoint, request->unsealed);
	return r == -EPERM && request->unsealed ? 1 : r;
}

static void obey_mount(int fd, const struct mounter_request *request)
{
	/* Closed here, or requests would wait for a daemon that has died. */
	_cleanup_(closep) int device = mount_guard(&request->mount);

	send_answer(fd, device < 0 ? device : 0, device);
	if (device >= 0 && !request->foreground)
		background_turn_away();
}

static void obey_unmount(int fd, const struct mounter_request *request)
{
	if (mount_is_guard(request->mount.mountpoint) > 0)
		mount_detach(request->mount.mountpoint);
	send_answer(fd, 0, -1);
}

/* In the new process: keeps this descriptor and stdin, stdout and stderr. */
static int set_up(int fd, const struct mounter_request *request)
{
	struct stat mountpoint;
	int r = RET_ERRNO(stat(request->mount.mountpoint, &mountpoint));

	if (r == 0)
		r = enter(request->mount_namespace);
	if (r == 0)
		r = privilege_reduce_to_mounting();
	if (r == 0)
		r = check(request, &mountpoint);
	closelog(); /* its descriptor is one of those */
	log_init(true, !request->foreground);
	close_range(STDERR_FILENO + 1, (unsigned int)fd - 1, 0);
	close_range((unsigned int)fd + 1, ~0U, 0);
	return r;
}

/* Until the daemon closes its end of the socket. Never returns. */
static void obey(int fd, const struct mounter_request *request)
{
	int command, r = set_up(fd, request);
	ssize_t n;

	send_answer(fd, r, -1);
	if (r < 0)
		_exit(EXIT_FAILURE);
	while ((n = recv(fd, &command, sizeof(command), 0)) > 0 ||
	       (n < 0 && errno == EINTR)) {
		if (n == sizeof(command) && command == MOUNT)
			obey_mount(fd, request);
		else if (n == sizeof(command) && command == UNMOUNT)
			obey_unmount(fd, request);
	}
	_exit(EXIT_SUCCESS);
}

/* Of a process that still lives: it has said what is wrong. */
static int heed(int answer)
{
	if (answer < 0 && answer != -EPIPE)
		log_erred_elsewhere();
	return answer;
}

static int ask(struct mounter *mounter, enum command command, int *ret_passed)
{
	int word = (int)command;

	*ret_passed = -1;
	if (send(mounter->fd, &word, sizeof(word), MSG_NOSIGNAL) < 0)
		return -errno;
	return heed(receive_answer(mounter->fd, ret_passed));
}

int mounter_start(const struct mounter_request *request, struct mounter **ret)
{
	struct mounter *mounter = calloc(1, sizeof(*mounter));
	int fds[2], passed, r;

	if (!mounter)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ||
	    (mounter->pid = fork()) < 0) {
		r = -errno;
		log_error("cannot start the process that mounts: %s", strerror(-r));
		free(mounter);
		return r; /* and the program ends */
	}
	if (mounter->pid == 0)
		obey(fds[1], request); /* closes the other one */
	close(fds[1]);
	mounter->fd = fds[0];
	r = heed(receive_answer(mounter->fd, &passed));
	if (r < 0)
		mounter = mounter_free(mounter);
	*ret = mounter;
	return r;
}

int mounter_mount(struct mounter *mounter)
{
	int device, r = ask(mounter, MOUNT, &device);

	if (r == -EPIPE)
		log_error("the process that mounts has been killed: nothing is mounted");
	return r < 0 ? r : device;
}

void mounter_unmount(struct mounter *mounter)
{
	int passed, r = ask(mounter, UNMOUNT, &passed);

	if (r < 0)
		log_error("the process that mounts has been killed: the mount is left in "
			  "place, 'umount' removes it");
}

struct mounter *mounter_free(struct mounter *mounter)
{
	if (!mounter)
		return NULL;
	close(mounter->fd);
	while (waitpid(mounter->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(mounter);
	return NULL;
}
